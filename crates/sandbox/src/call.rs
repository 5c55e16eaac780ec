//! One call of an operation, as its handler sees it: the account of the customer who calls and nothing of the others', so
//! a handler cannot find the ids of another customer by mistake.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    objects::Market,
    response::{ApiResponse, ApiResult},
    store::Account,
};

/// Answers one operation. Its arguments are valid by the schema in the catalog.
pub(crate) type Handler = fn(&mut Call<'_>) -> ApiResult;

/// What a handler works with.
pub(crate) struct Call<'a> {
    /// All that the customer who asks has.
    pub(crate) account: &'a mut Account,
    /// What all customers share.
    pub(crate) market: &'a mut Market,
    arguments: Value,
}

impl<'a> Call<'a> {
    /// A call of a customer with these arguments.
    pub(crate) fn new(account: &'a mut Account, market: &'a mut Market, arguments: Value) -> Self {
        Self { account, market, arguments }
    }
    /// The arguments in the form that a handler wants. They fit the catalog's schema already.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> ApiResult<T> {
        T::deserialize(&self.arguments)
            .map_err(|error| ApiResponse::bad_request(format!("Invalid input: {error}")))
    }

    /// The arguments as they came, for answers that repeat them.
    pub(crate) fn arguments(&self) -> &Value {
        &self.arguments
    }
}
