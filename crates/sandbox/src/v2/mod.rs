//! The Interchange (v2): every surface of the catalog that has a contract, at its published paths.
//!
//! 1. `route` finds the operation.
//! 2. The key tells which customers the caller sees; a change by someone who sees several names one in a header.
//! 3. `arguments` reads path, query and body, and checks them against the catalog's full schema.
//! 4. A handler answers: one of `flow` for buyers, of `seller` for sellers, of `measurement` for emissions. An operation
//!    without one is answered by `generic`, from its method and path.
//! 5. After a change, sellers' decisions reach the accounts of the buyers, and the market gets the orders.
//! 6. `envelope` writes the response.
//!
//! `objects` has what the flow works on, with money in cents. `market` has the sellers with their products and orders,
//! which all customers share. `seed` fills the accounts.

mod account;
mod arguments;
mod call;
mod envelope;
mod flow;
mod generic;
mod market;
mod measurement;
mod multipart;
mod objects;
mod route;
mod seed;
mod seller;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use scope3_mcp_catalog::{Catalog, Effect, Surface};
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    customers::{self, AuthError, CUSTOMERS, Customer, Sight},
    rate_limit::RateLimiter,
};

use self::{
    account::Account,
    arguments::Arguments,
    call::{Call, Handler},
    envelope::{Answer, Kind, Refusal, Reply, Window},
    market::Market,
    route::{NotFound, Operation, Routes},
};

pub(crate) use self::route::root;

/// The header with which a caller who sees several customers names one. This name is known of v3 only; the documents of
/// v2 do not name the header.
const CUSTOMER: &str = "x-scope3-customer-id";

/// Where files are stored whose signed address an answer has.
const STORAGE: &str = "/storage/";

/// The accounts of all customers, and the operations.
pub(crate) struct Interchange {
    routes: Routes,
    accounts: Mutex<BTreeMap<u32, Account>>,
}

/// A request, read as a whole.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The body, unless it is too large.
    pub(crate) body: Option<&'a [u8]>,
}

impl Interchange {
    /// Creates the initial state.
    pub(crate) fn new(catalog: &Catalog, clock: &Clock) -> Self {
        let market = Market::new();
        let fresh = |customer: Customer| {
            let mut account = Account::new(customer, clock.clone(), market.clone());
            seed::fill(&mut account);
            market.publish(customer.id, account.orders());
            (customer.id, account)
        };
        Self { routes: Routes::of(catalog), accounts: Mutex::new(CUSTOMERS.into_iter().map(fresh).collect()) }
    }

    /// Answers a request.
    pub(crate) fn respond(&self, request: &Incoming<'_>, limiter: Option<&Mutex<RateLimiter>>) -> Response {
        if let ("PUT", Some(place)) = (request.method, request.path.strip_prefix(STORAGE)) {
            return match self.store(request, place) {
                Ok(()) => StatusCode::OK.into_response(),
                Err(refusal) => refusal.into_response(),
            };
        }
        let sight = match customers::sight(request.headers) {
            Ok(sight) => sight,
            Err(error) => return marked(refusal_of(error).into_response(), Window::UNUSED),
        };
        let window = match limiter {
            None => Window::UNUSED,
            Some(limiter) => {
                // The user who sees all customers has a limit of their own.
                let counted = if let Sight::One(customer) = sight { customer.id } else { 0 };
                let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let outcome = limiter.acquire(counted, now);
                let (limit, remaining, reset) = limiter.left(counted, now);
                if let Err(wait) = outcome {
                    let window = Window { limit, remaining, reset: wait };
                    return marked(window.exceeded(), window);
                }
                Window { limit, remaining, reset }
            }
        };
        let response = match self.answer(request, sight) {
            Ok((reply, kind)) => envelope::success(reply, kind),
            Err(refusal) => refusal.into_response(),
        };
        marked(response, window)
    }

    /// Stores a file at a signed address, which needs no key.
    fn store(&self, request: &Incoming<'_>, place: &str) -> Answer<()> {
        let body = request.body.ok_or_else(Refusal::too_large)?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let stored =
            accounts.values_mut().find_map(|account| seller::store(account, place, request.query, body));
        stored.unwrap_or_else(|| Err(Refusal::access_denied("No file belongs to this address")))
    }

    fn answer(&self, request: &Incoming<'_>, sight: Sight) -> Answer<(Reply, Kind)> {
        let found = self.routes.find(request.method, request.path).map_err(|error| match error {
            NotFound::Path => Refusal::no_such_path(request.method, request.path),
            NotFound::Method => Refusal::wrong_method(request.method),
        });
        let (operation, path) = found?;
        let body = request.body.ok_or_else(Refusal::too_large)?;
        let customer = customer(request.headers, sight, operation.entry.tool.effect == Effect::Read)?;
        let arguments = Arguments::read(&operation.entry, &path, request, body)?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.get_mut(&customer.id).ok_or_else(Refusal::unknown_key)?;
        let bindings = operation.entry.tool.request.iter().flat_map(|request| &*request.bindings);
        let has_offset = bindings.into_iter().any(|binding| binding.argument == "offset");
        let host = request.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let origin = format!("http://{host}");
        let mut call = Call { account, arguments, origin, sees_all: matches!(sight, Sight::All), has_offset };
        let reply = match handler(operation) {
            Some(handler) => handler(&mut call),
            None => generic::answer(&mut call, operation, &self.routes, &path),
        };
        if operation.entry.tool.effect != Effect::Read {
            share(&mut accounts, customer.id);
        }
        Ok((reply?, operation.kind))
    }
}

/// The handler of an operation that has rules of its own.
fn handler(operation: &Operation) -> Option<Handler> {
    match operation.surface {
        _ if operation.is_for_buyers => flow::handler(&operation.id),
        Surface::Storefront => seller::handler(&operation.id),
        Surface::Measurement => measurement::handler(&operation.id),
        _ => None,
    }
}

/// Lets sellers' decisions reach the accounts of the buyers, and the market know the orders of these and of a customer.
fn share(accounts: &mut BTreeMap<u32, Account>, changed: u32) {
    let mut all = vec![changed];
    if let Some(account) = accounts.get(&changed) {
        for decision in account.market.take_decisions() {
            all.push(decision.buyer);
            if let Some(buyer) = accounts.get_mut(&decision.buyer) {
                buyer.settle(decision);
            }
        }
    }
    for account in all.iter().filter_map(|id| accounts.get(id)) {
        account.market.publish(account.customer.id, account.orders());
    }
}

/// The customer of a request.
fn customer(headers: &HeaderMap, sight: Sight, is_read: bool) -> Answer<Customer> {
    let named = headers.get(CUSTOMER).and_then(|value| value.to_str().ok());
    let named = named.map(|text| {
        let customer = CUSTOMERS.into_iter().find(|customer| customer.id.to_string() == text.trim());
        customer.ok_or_else(|| Refusal::access_denied("This key does not see that customer"))
    });
    match (sight, named.transpose()?) {
        (Sight::One(own), Some(named)) if own.id != named.id => {
            Err(Refusal::access_denied("This key does not see that customer"))
        }
        (Sight::One(own), _) => Ok(own),
        (Sight::All, Some(named)) => Ok(named),
        (Sight::All, None) if is_read => Ok(CUSTOMERS[0]),
        (Sight::All, None) => {
            let available = CUSTOMERS.map(|customer| json!({ "id": customer.id, "name": customer.company }));
            Err(Refusal::no_customer(Value::from(available.to_vec())))
        }
    }
}

fn refusal_of(error: AuthError) -> Refusal {
    match error {
        AuthError::MissingKey => Refusal::no_key(),
        AuthError::UnknownKey => Refusal::unknown_key(),
    }
}

/// The response to a request with a simulated fault, where it is not the page of a proxy.
pub(crate) fn fault(status: StatusCode) -> Response {
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            let window = Window { remaining: 0, reset: std::time::Duration::from_secs(1), ..Window::UNUSED };
            marked(window.exceeded(), window)
        }
        _ => marked(Refusal::fault(status).into_response(), Window::UNUSED),
    }
}

fn marked(mut response: Response, window: Window) -> Response {
    window.mark(&mut response);
    response
}
