//! One call of an operation, as its handler sees it. It has only the account of the calling customer, so a handler
//! cannot reach the data of another customer by mistake.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    objects::Market,
    response::{ApiResponse, ApiResult},
    store::Account,
};

/// Handles one operation. The arguments are valid according to the catalog's schema.
pub(crate) type Handler = fn(&mut Call<'_>) -> ApiResult;

/// The context of a handler.
pub(crate) struct Call<'a> {
    /// The account of the calling customer.
    pub(crate) account: &'a mut Account,
    /// The state that all customers share.
    pub(crate) market: &'a mut Market,
    arguments: Value,
}

impl<'a> Call<'a> {
    /// A call of a customer with these arguments.
    pub(crate) fn new(account: &'a mut Account, market: &'a mut Market, arguments: Value) -> Self {
        Self { account, market, arguments }
    }

    /// Deserializes the arguments. They are already valid according to the catalog's schema.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> ApiResult<T> {
        T::deserialize(&self.arguments)
            .map_err(|error| ApiResponse::bad_request(format!("Invalid input: {error}")))
    }

    /// The arguments as received, for responses that repeat them.
    pub(crate) fn arguments(&self) -> &Value {
        &self.arguments
    }
}
