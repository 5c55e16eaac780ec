//! One call of an operation, as its handler sees it. It has only the account of one customer, so a handler cannot reach
//! the data of another customer by mistake.

use serde_json::Value;

use crate::customers::{CUSTOMERS, Customer};

use super::{
    account::Account,
    arguments::Arguments,
    envelope::{Answer, Page, Refusal, Reply},
};

/// Handles one operation. The arguments are valid.
pub(super) type Handler = fn(&mut Call<'_>) -> Answer;

/// The context of a handler.
pub(super) struct Call<'a> {
    pub(super) account: &'a mut Account,
    pub(super) arguments: Arguments,
    /// Where the sandbox is: `http://127.0.0.1:8123`.
    pub(super) origin: String,
    /// Whether the key sees all customers.
    pub(super) sees_all: bool,
    /// Whether the operation pages by `offset`. Its answers then always say where the next page begins.
    pub(super) has_offset: bool,
}

impl Call<'_> {
    /// The customers that the key sees.
    pub(super) fn customers(&self) -> Vec<Customer> {
        if self.sees_all { CUSTOMERS.to_vec() } else { vec![self.account.customer] }
    }

    /// An id that the schema requires.
    pub(super) fn id(&self, name: &str) -> Answer<String> {
        self.arguments.id(name).ok_or_else(|| Refusal::invalid_value(name, "is required"))
    }

    /// A text that the schema requires.
    pub(super) fn text(&self, name: &str) -> Answer<String> {
        let text = self.arguments.text(name).map(str::to_owned);
        text.ok_or_else(|| Refusal::invalid_value(name, "is required"))
    }

    /// A page of a list, in the operation's own style of paging: `take` and `skip`, `limit` and `offset`, or `limit` and
    /// `cursor`. `others` are the other members of the answer.
    pub(super) fn list(&self, name: &str, items: Vec<Value>) -> Reply {
        let arguments = &self.arguments;
        let cursor = arguments.text("cursor").and_then(|cursor| cursor.strip_prefix('c')?.parse().ok());
        let skip =
            cursor.or_else(|| arguments.count("skip")).or_else(|| arguments.count("offset")).unwrap_or(0);
        let take = arguments.count("take").or_else(|| arguments.count("limit")).unwrap_or(DEFAULT_TAKE);
        let page = Page { skip, take, total: items.len() };
        let shown: Vec<Value> = items.into_iter().skip(skip).take(take).collect();
        let mut data = serde_json::Map::new();
        data.insert(name.to_owned(), shown.into());
        data.insert("total".to_owned(), page.total.into());
        data.insert("hasMore".to_owned(), page.has_more().into());
        if self.has_offset {
            data.insert("nextOffset".to_owned(), serde_json::json!(page.has_more().then(|| page.next())));
        }
        if page.has_more() {
            data.insert("nextCursor".to_owned(), format!("c{}", page.next()).into());
        }
        Reply { page: Some(page), ..Reply::of(data.into()) }
    }
}

/// The items of a page whose size is not given.
const DEFAULT_TAKE: usize = 50;
