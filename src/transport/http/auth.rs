//! Who may come in, and with whose keys.

use std::{
    fmt,
    sync::{Arc, Once},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use rmcp::model::Extensions;
use scope3_mcp_gateway::{
    AnswerPlace,
    credentials::{ApiKey, Fingerprint, KeyRing},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{IsProven, metrics::RecentKeys, rejection::Rejection};
use crate::{mcp::LargeArguments, traceparent};

/// The header that brings a key. No proxy gives it a meaning of its own.
const KEY_HEADER: &str = "x-scope3-api-key";

/// How a request says that it may come in.
#[derive(Debug, Clone)]
pub enum Auth {
    /// It brings a Scope3 key, which its calls are made with.
    Key,
    /// It brings this token. Calls are made with the server's own keys.
    Token(Token),
    /// It need not say. Calls are made with the server's own keys.
    None,
}

/// What clients must send. Kept as a digest: it cannot be printed, and comparing tells nothing of its length.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token that is this text.
    #[must_use]
    pub fn new(text: &SecretString) -> Self {
        Self(digest(text.expose_secret().trim().as_bytes()))
    }

    /// Lets those in who send it.
    pub(super) fn verify(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        match bearer_token(headers)? {
            Some(sent) if self.0.ct_eq(&digest(sent.as_bytes())).into() => Ok(()),
            Some(_) => Err(unauthorized("AUTH_INVALID_TOKEN", "the token is not this server's", TOKEN_HINT)),
            None => Err(unauthorized("AUTH_MISSING", "this server asks for a token", TOKEN_HINT)),
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

/// Whom a session, a stream or an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// The one with this key.
    Key(Fingerprint),
    /// Everybody who may come in, where all calls are made with the server's keys.
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

/// Who sent a request.
#[derive(Debug, Clone)]
pub(super) struct HttpCaller {
    pub(super) owner: Owner,
    keys: Option<Arc<KeyRing>>,
}

/// The keys that a request brought, as the MCP server asks for them.
pub(super) fn keys_of(message: &Extensions) -> Option<Arc<KeyRing>> {
    message.get::<Parts>()?.extensions.get::<HttpCaller>()?.keys.clone()
}

/// The arguments that go beside a message.
pub(super) fn arguments_of(message: &Extensions) -> Option<LargeArguments> {
    message.get::<Parts>()?.extensions.get().cloned()
}

/// Where the memory of a request's answer is held.
pub(super) fn answer_place_of(message: &Extensions) -> Option<AnswerPlace> {
    message.get::<Parts>()?.extensions.get().cloned()
}

/// The trace context that a request's header names, if there is one that has the W3C's form.
pub(super) fn traceparent_of(message: &Extensions) -> Option<HeaderValue> {
    let mut sent = message.get::<Parts>()?.headers.get_all("traceparent").iter();
    let (Some(only), None) = (sent.next(), sent.next()) else { return None };
    traceparent::parse(only.to_str().ok()?)
}

impl Auth {
    /// Who a request comes from.
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
                   `Authorization: Bearer scope3_…`. This server never uses another key for you.";
const TOKEN_HINT: &str =
    "Send `Authorization: Bearer <token>`, with the token that this server's operator gave you.";

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

/// The key of a request. It may stand in two places, but they must agree: a proxy may look at the one and this
/// server at the other.
fn api_key(headers: &HeaderMap) -> Result<ApiKey, Rejection> {
    let own = single_value(headers, KEY_HEADER)?;
    let sent = match (own, bearer_token(headers)?) {
        (Some(own), Some(bearer)) if own != bearer => {
            let message = "x-scope3-api-key and Authorization bring different keys; send one of them";
            return Err(Rejection::new(StatusCode::BAD_REQUEST, message));
        }
        (own, bearer) => own.or(bearer),
    };
    let sent =
        sent.ok_or_else(|| unauthorized("AUTH_MISSING", "this server asks for a Scope3 API key", KEY_HINT))?;
    ApiKey::parse(&sent.into())
        .map_err(|_| unauthorized("AUTH_INVALID_FORMAT", "what was sent is no Scope3 API key", KEY_HINT))
}

/// What `Authorization` brings in the Bearer scheme. Other schemes are somebody else's, such as a proxy's.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Rejection> {
    let Some(value) = single_value(headers, header::AUTHORIZATION.as_str())? else { return Ok(None) };
    let sent = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Ok(sent.map(|(_, sent)| sent.trim()).filter(|sent| !sent.is_empty()))
}

fn single_value<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text = text.ok_or_else(|| {
        Rejection::new(
            StatusCode::BAD_REQUEST,
            "a header with a credential stands there twice, or is not text",
        )
    })?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

/// What state needs.
#[derive(Clone)]
pub(super) struct AuthState {
    pub(super) auth: Auth,
    /// The keys that come in, and that Scope3 has accepted, are remembered here.
    pub(super) keys: Arc<RecentKeys>,
    pub(super) is_proven: IsProven,
}

/// Somebody may believe that calls are made with the key they send.
fn warn_about_ignored_key() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "a client sends a Scope3 key; it is not used, since only --auth key lets clients bring one"
        );
    });
}

/// Whether a request brings what may be a Scope3 key.
fn has_key(headers: &HeaderMap) -> bool {
    let bearer = bearer_token(headers).ok().flatten();
    headers.contains_key(KEY_HEADER) || bearer.is_some_and(|sent| sent.starts_with("scope3_"))
}

/// Lets a request through if it may come in, and tells those behind who it is. The answer tells the access log.
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
            // There may be any number of invented keys, and they have no limits worth watching.
            if let Owner::Key(key) = owner
                && is_proven(owner)
            {
                keys.record(key);
            }
            // Nobody behind this needs them, and what is not there cannot be logged.
            request.headers_mut().remove(KEY_HEADER);
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(owner);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "scope3_abc123def456ghi789jkl012mno345pq_xyz789";
    const OTHER: &str = "scope3_abc123def456ghi789jkl012mno345pq_other";

    fn owner_of(auth: &Auth, headers: &[(&'static str, &str)]) -> Result<Owner, StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        match auth.authenticate(&map) {
            Ok(caller) => Ok(caller.owner),
            Err(refusal) => Err(refusal.into_response().status()),
        }
    }

    #[test]
    fn a_key_comes_in_either_header_and_is_the_owner() {
        let owner = owner_of(&Auth::Key, &[("x-scope3-api-key", KEY)]).unwrap();
        assert!(matches!(owner, Owner::Key(_)));
        assert_eq!(owner_of(&Auth::Key, &[("authorization", &format!("bearer {KEY}"))]).unwrap(), owner);
        let both = [("x-scope3-api-key", KEY), ("authorization", &format!("Bearer {KEY}"))];
        assert_eq!(owner_of(&Auth::Key, &both).unwrap(), owner);
        assert_ne!(owner_of(&Auth::Key, &[("x-scope3-api-key", OTHER)]).unwrap(), owner);
    }

    #[test]
    fn without_one_good_key_nobody_comes_in() {
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
    fn a_token_is_compared_whole() {
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
    fn a_token_may_have_a_line_break_around_it() {
        for text in ["secret-token\n", "\r\n secret-token \r\n"] {
            let auth = Auth::Token(Token::new(&text.into()));
            assert_eq!(
                owner_of(&auth, &[("authorization", "Bearer secret-token")]),
                Ok(Owner::All),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_traceparent_is_passed_on_if_it_has_the_form_and_stands_there_once() {
        const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let of = |sent: &[&str]| {
            let mut request = http::Request::new(());
            for value in sent {
                request.headers_mut().append("traceparent", value.parse().unwrap());
            }
            let mut message = Extensions::default();
            message.insert(request.into_parts().0);
            traceparent_of(&message)
        };
        assert_eq!(of(&[GOOD]).unwrap(), GOOD);
        for bad in [&[][..], &[GOOD.to_uppercase().as_str()], &[&GOOD[1..]], &["x"], &[""], &[GOOD, GOOD]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
        assert_eq!(traceparent_of(&Extensions::default()), None);
    }

    #[tokio::test]
    async fn those_behind_see_who_came_and_not_with_what() {
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
