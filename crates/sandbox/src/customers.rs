//! The customers, and the authentication of requests.

use axum::http::{HeaderMap, header::AUTHORIZATION};

/// A customer of the sandbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Customer {
    /// The customer id.
    pub(crate) id: u32,
    /// The company's name.
    pub(crate) company: &'static str,
    /// The name of the key's owner.
    pub(crate) name: &'static str,
    /// The owner of the key.
    pub(crate) email: &'static str,
    /// The customer's only key.
    pub(crate) key: &'static str,
}

/// All customers. The keys have the form that `src/utils/auth.ts` of `scope3data/activation-api` checks.
pub(crate) const CUSTOMERS: [Customer; 2] = [
    Customer {
        id: 12345,
        company: "Acme Outdoor",
        name: "Dana Reyes",
        email: "dana@acme-outdoor.example",
        key: "scope3_sandboxcustomer12345notarealkey0_sandboxsecret",
    },
    Customer {
        id: 67890,
        company: "Quill Books",
        name: "Quinn Sato",
        email: "quinn@quill-books.example",
        key: "scope3_sandboxcustomer67890notarealkey0_sandboxsecret",
    },
];

/// The key of a user of a holding company, who sees all customers. Only v2 knows such users.
pub(crate) const HOLDING_KEY: &str = "scope3_sandboxholding24680notarealkey00_sandboxsecret";

/// Which customers a key sees.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sight {
    /// One customer.
    One(Customer),
    /// All customers. A change has to name one.
    All,
}

/// The customers that the key of a request sees, for APIs that take a key as `Authorization: Bearer` only.
pub(crate) fn sight(headers: &HeaderMap) -> Result<Sight, AuthError> {
    let key = bearer(headers).ok_or(AuthError::MissingKey)?;
    if key == HOLDING_KEY {
        return Ok(Sight::All);
    }
    let customer = CUSTOMERS.into_iter().find(|customer| customer.key == key);
    customer.map(Sight::One).ok_or(AuthError::UnknownKey)
}

/// Why a request is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// The request has no key.
    MissingKey,
    /// The key does not exist.
    UnknownKey,
}

/// The customer whose key a request sends. As in Scope3's `src/server.ts`, `x-scope3-api-key` takes precedence over
/// `Authorization`.
pub(crate) fn identify(headers: &HeaderMap) -> Result<Customer, AuthError> {
    let key = key_header(headers).or_else(|| bearer(headers)).ok_or(AuthError::MissingKey)?;
    CUSTOMERS.into_iter().find(|customer| customer.key == key).ok_or(AuthError::UnknownKey)
}

fn key_header(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-scope3-api-key")?.to_str().ok().map(str::trim).filter(|key| !key.is_empty())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(key.trim()).filter(|key| scheme.eq_ignore_ascii_case("bearer") && !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn keys_have_the_documented_form() {
        for key in CUSTOMERS.map(|customer| customer.key).into_iter().chain([HOLDING_KEY]) {
            let parts: Vec<&str> = key.split('_').collect();
            assert_eq!(parts.len(), 3);
            assert_eq!(parts[0], "scope3");
            assert_eq!(parts[1].len(), 32);
            assert!(parts[1].chars().all(|c| c.is_ascii_alphanumeric()));
            assert!(parts[2].len() >= 8);
        }
    }

    #[test]
    fn the_key_header_takes_precedence() {
        let [first, second] = CUSTOMERS.map(|customer| customer.key);
        let both = headers(&[("x-scope3-api-key", second), ("authorization", &format!("Bearer {first}"))]);
        assert_eq!(identify(&both).unwrap().id, 67890);
        let bearer = headers(&[("authorization", &format!("bearer {first}"))]);
        assert_eq!(identify(&bearer).unwrap().id, 12345);
    }

    #[test]
    fn missing_and_unknown_keys_are_rejected() {
        assert_eq!(identify(&HeaderMap::new()).unwrap_err(), AuthError::MissingKey);
        assert_eq!(identify(&headers(&[("authorization", "Basic abc")])).unwrap_err(), AuthError::MissingKey);
        assert_eq!(identify(&headers(&[("x-scope3-api-key", "abc")])).unwrap_err(), AuthError::UnknownKey);
    }
}
