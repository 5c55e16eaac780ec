//! Authentication: who sent a request, and with which keys its calls are made.

use std::{
    fmt,
    sync::{Arc, Once, PoisonError, RwLock},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use scope3_mcp_gateway::{
    Gateway,
    credentials::{ApiKey, Fingerprint, KeyRing},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{audit, recent_keys::RecentKeys, rejection::Rejection};

/// The header with a caller's Scope3 key. Unlike `Authorization`, proxies do not use it themselves.
const KEY_HEADER: &str = "x-scope3-api-key";

/// How requests authenticate.
#[derive(Debug, Clone)]
pub enum Auth {
    /// With a Scope3 key, which the request's calls use.
    Key,
    /// With this token. Calls use the server's own keys.
    Token(Token),
    /// They do not authenticate. Calls use the server's own keys.
    None,
}

/// The token that clients must send. Stored as a digest, so it cannot be printed, and a comparison does not reveal its
/// length. Clones change together.
#[derive(Clone)]
pub struct Token(Arc<RwLock<[u8; 32]>>);

impl Token {
    /// Hashes a token. White space around it is ignored.
    #[must_use]
    pub fn new(text: &SecretString) -> Self {
        Self(Arc::new(RwLock::new(digest(text.expose_secret().trim().as_bytes()))))
    }

    /// Accepts another token from now on. Returns whether it is another.
    pub fn replace(&self, text: &SecretString) -> bool {
        let new = digest(text.expose_secret().trim().as_bytes());
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, new) != new
    }

    /// Rejects a request that does not send the token.
    pub(super) fn verify(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let expected = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        match bearer_token(headers)? {
            Some(sent) if expected.ct_eq(&digest(sent.as_bytes())).into() => Ok(()),
            Some(_) => Err(unauthorized("AUTH_INVALID_TOKEN", "invalid token", TOKEN_HINT)),
            None => Err(unauthorized("AUTH_MISSING", "expected a token", TOKEN_HINT)),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The owner of a session, a stream or a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// The caller with this key.
    Key(Fingerprint),
    /// All callers together, if calls use the server's own keys.
    All,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::All => f.write_str("-"),
        }
    }
}

/// The sender of a request.
#[derive(Debug, Clone)]
pub(super) struct HttpCaller {
    pub(super) owner: Owner,
    keys: Option<Arc<KeyRing>>,
}

impl HttpCaller {
    /// The keys that the request carries.
    pub(super) fn keys(&self) -> Option<Arc<KeyRing>> {
        self.keys.clone()
    }
}

/// Whether Scope3 has accepted an owner's key. Owners with unproven keys make room for owners with proven ones.
pub(super) type IsProven = Arc<dyn Fn(Owner) -> bool + Send + Sync>;

/// Looks up in the gateway whether an owner's key is proven.
pub(super) fn is_proven(gateway: &Arc<Gateway>) -> IsProven {
    let gateway = Arc::clone(gateway);
    Arc::new(move |owner| match owner {
        Owner::Key(key) => gateway.is_proven(key),
        Owner::All => true,
    })
}

impl Auth {
    /// Authenticates a request by its headers.
    fn authenticate(&self, headers: &HeaderMap) -> Result<HttpCaller, Rejection> {
        match self {
            Self::Key => {
                let key = api_key(headers)?;
                Ok(HttpCaller {
                    owner: Owner::Key(key.fingerprint()),
                    keys: Some(Arc::new(KeyRing::of(key))),
                })
            }
            Self::Token(token) => {
                token.verify(headers)?;
                Ok(HttpCaller { owner: Owner::All, keys: None })
            }
            Self::None => Ok(HttpCaller { owner: Owner::All, keys: None }),
        }
    }
}

const KEY_HINT: &str = "Send your Scope3 API key with each request: `x-scope3-api-key: scope3_…` or \
                   `Authorization: Bearer scope3_…`. Your calls never use another key.";
const TOKEN_HINT: &str =
    "Send `Authorization: Bearer <token>`, with the token that the operator of this server gave you.";

fn unauthorized(code: &str, message: &'static str, hint: &str) -> Rejection {
    let challenge = if code == "AUTH_MISSING" {
        HeaderValue::from_static(r#"Bearer realm="scope3-mcp""#)
    } else {
        HeaderValue::from_static(r#"Bearer realm="scope3-mcp", error="invalid_token""#)
    };
    Rejection::new(StatusCode::UNAUTHORIZED, message)
        .with_data(json!({ "code": code, "hint": hint }))
        .with_header(header::WWW_AUTHENTICATE, challenge)
}

/// The key of a request. Two headers can carry it. If both do, they must agree: a proxy may check one and this server
/// the other.
fn api_key(headers: &HeaderMap) -> Result<ApiKey, Rejection> {
    let own = single_value(headers, KEY_HEADER)?;
    let sent = match (own, bearer_token(headers)?) {
        (Some(own), Some(bearer)) if own != bearer => {
            let message = "`x-scope3-api-key` and `Authorization` contain different keys; send one of them";
            return Err(Rejection::new(StatusCode::BAD_REQUEST, message));
        }
        (own, bearer) => own.or(bearer),
    };
    let sent = sent.ok_or_else(|| unauthorized("AUTH_MISSING", "expected a Scope3 API key", KEY_HINT))?;
    ApiKey::received(&sent.into())
        .map_err(|_| unauthorized("AUTH_INVALID_FORMAT", "not a valid Scope3 API key", KEY_HINT))
}

/// The key that a request carries, whether or not it authenticates the request.
pub(super) fn sent_key(headers: &HeaderMap) -> Option<ApiKey> {
    let own = single_value(headers, KEY_HEADER).ok().flatten();
    let sent = own.or_else(|| bearer_token(headers).ok().flatten())?;
    ApiKey::parse(&sent.into()).ok()
}

/// The token of an `Authorization` header with the `Bearer` scheme. Other schemes are ignored: they may be meant for a
/// proxy.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Rejection> {
    let Some(value) = single_value(headers, header::AUTHORIZATION.as_str())? else { return Ok(None) };
    let sent = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Ok(sent.map(|(_, sent)| sent.trim()).filter(|sent| !sent.is_empty()))
}

/// The value of a header with a credential. Empty values are ignored.
///
/// # Errors
/// If the header is repeated or not text.
fn single_value<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text = text.ok_or_else(|| {
        Rejection::new(StatusCode::BAD_REQUEST, "a header with a credential is repeated or is not text")
    })?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

/// The state of [`authenticate`].
#[derive(Clone)]
pub(super) struct AuthState {
    auth: Auth,
    /// Records the callers' keys that Scope3 has accepted.
    keys: Arc<RecentKeys>,
    is_proven: IsProven,
}

impl AuthState {
    pub(super) fn new(auth: Auth, keys: Arc<RecentKeys>, is_proven: IsProven) -> Self {
        Self { auth, keys, is_proven }
    }
}

/// Warns once that a client's key is ignored, because its user may expect calls to use it.
fn warn_about_ignored_key() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "a client sends a Scope3 key, which is ignored; clients can send their own key only with --auth key"
        );
    });
}

/// Whether a request carries something that looks like a Scope3 key.
fn has_key(headers: &HeaderMap) -> bool {
    let bearer = bearer_token(headers).ok().flatten();
    headers.contains_key(KEY_HEADER) || bearer.is_some_and(|sent| sent.starts_with("scope3_"))
}

/// Authenticates a request and attaches its [`HttpCaller`]. Attaches the owner to the response, for the access log.
pub(super) async fn authenticate(
    State(state): State<AuthState>,
    mut request: Request,
    next: Next,
) -> Response {
    let AuthState { auth, keys, is_proven } = state;
    if !matches!(auth, Auth::Key) && has_key(request.headers()) {
        warn_about_ignored_key();
    }
    match auth.authenticate(request.headers()) {
        Ok(caller) => {
            let owner = caller.owner;
            // Unproven keys are not recorded: clients can invent any number of them, and their limits do not matter.
            if let Owner::Key(key) = owner
                && is_proven(owner)
            {
                keys.record(key);
            }
            // No inner layer needs the credentials, so none can log them.
            request.headers_mut().remove(KEY_HEADER);
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(owner);
            response
        }
        Err(rejection) => {
            audit::auth_failed(rejection.server_code());
            rejection.into_response()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The owner with this key.
    pub(in super::super) fn key(secret: &str) -> Owner {
        let key = ApiKey::parse(&format!("scope3_{}_{secret}", "a".repeat(32)).into());
        Owner::Key(key.unwrap().fingerprint())
    }

    const KEY: &str = "scope3_abc123def456ghi789jkl012mno345pq_xyz789";
    const OTHER: &str = "scope3_abc123def456ghi789jkl012mno345pq_other";

    fn owner_of(auth: &Auth, headers: &[(&'static str, &str)]) -> Result<Owner, StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        match auth.authenticate(&map) {
            Ok(caller) => Ok(caller.owner),
            Err(rejection) => Err(rejection.into_response().status()),
        }
    }

    #[test]
    fn a_key_is_accepted_in_either_header_and_becomes_the_owner() {
        let owner = owner_of(&Auth::Key, &[("x-scope3-api-key", KEY)]).unwrap();
        assert!(matches!(owner, Owner::Key(_)));
        assert_eq!(owner_of(&Auth::Key, &[("authorization", &format!("bearer {KEY}"))]).unwrap(), owner);
        let both = [("x-scope3-api-key", KEY), ("authorization", &format!("Bearer {KEY}"))];
        assert_eq!(owner_of(&Auth::Key, &both).unwrap(), owner);
        assert_ne!(owner_of(&Auth::Key, &[("x-scope3-api-key", OTHER)]).unwrap(), owner);
    }

    #[test]
    fn a_request_without_exactly_one_valid_key_is_rejected() {
        let basic = [("authorization", "Basic abc")];
        for headers in [&[][..], &basic, &[("x-scope3-api-key", "")], &[("x-scope3-api-key", "sk-1")]] {
            assert_eq!(owner_of(&Auth::Key, headers), Err(StatusCode::UNAUTHORIZED), "{headers:?}");
        }
        let different = [("x-scope3-api-key", KEY), ("authorization", &format!("Bearer {OTHER}"))];
        assert_eq!(owner_of(&Auth::Key, &different), Err(StatusCode::BAD_REQUEST));
        let twice = [("x-scope3-api-key", KEY), ("x-scope3-api-key", OTHER)];
        assert_eq!(owner_of(&Auth::Key, &twice), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn a_token_must_match_exactly() {
        let auth = Auth::Token(Token::new(&"secret-token".into()));
        assert_eq!(owner_of(&auth, &[("authorization", "Bearer secret-token")]), Ok(Owner::All));
        for bad in
            ["Bearer secret-toke", "Bearer secret-tokenx", "Bearer", "Basic secret-token", "secret-token"]
        {
            assert_eq!(owner_of(&auth, &[("authorization", bad)]), Err(StatusCode::UNAUTHORIZED), "{bad}");
        }
        assert_eq!(owner_of(&auth, &[]), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(owner_of(&auth, &[("x-scope3-api-key", KEY)]), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn white_space_around_a_token_is_ignored() {
        for text in ["secret-token\n", "\r\n secret-token \r\n"] {
            let auth = Auth::Token(Token::new(&text.into()));
            assert_eq!(
                owner_of(&auth, &[("authorization", "Bearer secret-token")]),
                Ok(Owner::All),
                "{text:?}"
            );
        }
    }

    #[tokio::test]
    async fn inner_layers_see_the_caller_but_not_the_credentials() {
        use tower::ServiceExt;
        let seen = async |auth: Auth, headers: &[(&str, &str)]| {
            let state = AuthState { auth, keys: Arc::default(), is_proven: Arc::new(|_| true) };
            let show = |request: Request| async move {
                let owner = request.extensions().get::<HttpCaller>().map(|caller| caller.owner.to_string());
                let names = request.headers().keys().map(ToString::to_string).collect::<Vec<_>>();
                format!("{} {}", owner.unwrap_or_default(), names.join(","))
            };
            let router = axum::Router::new().fallback(show);
            let router = router.layer(axum::middleware::from_fn_with_state(state, authenticate));
            let mut request = http::Request::new(axum::body::Body::empty());
            for (name, value) in headers {
                request
                    .headers_mut()
                    .insert(header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
            let response = router.oneshot(request).await.unwrap();
            let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let fingerprint = ApiKey::parse(&KEY.into()).unwrap().fingerprint();
        let bearer = format!("Bearer {KEY}");
        let headers = [("x-scope3-api-key", KEY), ("authorization", &bearer), ("accept", "*/*")];
        assert_eq!(seen(Auth::Key, &headers).await, format!("{fingerprint} accept"));
        assert_eq!(seen(Auth::None, &headers).await, "- accept");
        let token = Auth::Token(Token::new(&KEY.into()));
        assert_eq!(seen(token, &headers[1..]).await, "- accept");
    }
}
