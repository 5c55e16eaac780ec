//! The operations of a seller that play together with the buyers' side, written by hand: approvals, orders, products and
//! reports. Orders are the buyers' media buys. The rest is in `generic`.

mod approvals;
mod bookings;
mod imports;
mod margin;
mod orders;
mod products;
mod reports;
mod storefront;
mod trust;

use serde_json::{Value, json};

use super::{
    call::{Call, Handler},
    envelope::{Answer, Refusal, Reply},
    market::{Order, Storefront},
    objects::media_buy::MediaBuy,
};

pub(super) use self::{
    imports::{Import, store},
    storefront::connect,
};

/// The handler of the operation with this id.
pub(super) fn handler(operation: &str) -> Option<Handler> {
    let tables = [
        approvals::handler,
        bookings::handler,
        imports::handler,
        margin::handler,
        orders::handler,
        products::handler,
        reports::handler,
        storefront::handler,
        trust::handler,
    ];
    tables.into_iter().find_map(|table| table(operation))
}

/// The storefront of the caller.
fn own(call: &Call<'_>) -> Answer<&'static Storefront> {
    let customer = call.account.customer.id;
    Storefront::of_operator(customer)
        .ok_or_else(|| Refusal::not_found("The storefront of customer", &customer.to_string()))
}

/// The buyer of an order in answers.
fn buyer(order: &Order) -> Value {
    json!({ "customerId": order.buyer.id, "name": order.buyer.company })
}

/// The id of an order in lists and timelines. In approvals it is the buyer's id.
fn storefront_id(buy: &MediaBuy) -> String {
    format!("sf_{}", buy.id)
}

/// A number that stays the same for a text, below a billion.
pub(super) fn number_of(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step) % 1_000_000_000
}
