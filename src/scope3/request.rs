//! From a catalogue entry and checked arguments to an HTTP request.

use http::HeaderValue;
use serde_json::{Map, Value};
use url::Url;

use super::base::BaseUrl;
use crate::catalog::{Method, Request};

/// A request that is ready to be sent, with every key alike.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) method: http::Method,
    pub(super) url: Url,
    pub(super) body: Option<Map<String, Value>>,
    pub(super) traceparent: Option<HeaderValue>,
}

/// An argument that cannot be put into a path without leaving its segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{argument}` cannot be part of a path: it is empty, `.`, `..`, or has one of `/ \\ ? # %` or a control character"
)]
pub struct PathProblem {
    /// The argument's name.
    pub argument: String,
}

impl Prepared {
    /// Puts arguments where the catalogue says: into the path, the query or the body.
    ///
    /// # Errors
    /// When a path argument would leave its segment.
    pub fn new(
        base: &BaseUrl,
        request: &Request,
        mut arguments: Map<String, Value>,
    ) -> Result<Self, PathProblem> {
        let mut segments = Vec::new();
        for part in request.path.split('/').skip(1) {
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(name) => segments.push(segment(name, arguments.shift_remove(name).as_ref())?),
                None => segments.push(part.to_owned()),
            }
        }
        let method = http_method(request.method);
        let mut url = base.join(segments.iter().map(String::as_str));
        if request.method.sends_query() {
            let pairs: Vec<_> = arguments.iter().flat_map(|(name, value)| query_pairs(name, value)).collect();
            if !pairs.is_empty() {
                url.query_pairs_mut().extend_pairs(pairs);
            }
            return Ok(Self { method, url, body: None, traceparent: None });
        }
        Ok(Self { method, url, body: Some(arguments), traceparent: None })
    }

    /// The request as a part of a trace.
    #[must_use]
    pub fn with_traceparent(self, traceparent: Option<HeaderValue>) -> Self {
        Self { traceparent, ..self }
    }
}

fn http_method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    }
}

fn segment(name: &str, value: Option<&Value>) -> Result<String, PathProblem> {
    let text = value.map(plain).unwrap_or_default();
    let leaves = |c: char| matches!(c, '/' | '\\' | '?' | '#' | '%') || c.is_control();
    if text.is_empty() || text == "." || text == ".." || text.contains(leaves) {
        return Err(PathProblem { argument: name.to_owned() });
    }
    Ok(text)
}

/// A list is a repeated parameter: `status=ACTIVE&status=PAUSED`.
fn query_pairs(name: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Array(items) => items.iter().map(|item| (name.to_owned(), plain(item))).collect(),
        value => vec![(name.to_owned(), plain(value))],
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn prepare(request: &str, arguments: Value) -> Result<Prepared, PathProblem> {
        let base = "https://api.example.com/rest/v1".parse().unwrap();
        let Value::Object(arguments) = arguments else { panic!("an object is wanted") };
        Prepared::new(&base, &request.parse().unwrap(), arguments)
    }

    #[test]
    fn arguments_go_into_path_query_and_body() {
        let get =
            prepare("GET /a/{id}/b", json!({"id": "x y", "status": ["A", "B"], "n": 3, "q": "1&2"})).unwrap();
        assert_eq!(
            get.url.as_str(),
            "https://api.example.com/rest/v1/a/x%20y/b?status=A&status=B&n=3&q=1%262"
        );
        assert_eq!(get.body, None);

        let post = prepare("POST /a/{id}", json!({"id": 7, "status": ["A"]})).unwrap();
        assert_eq!(post.url.as_str(), "https://api.example.com/rest/v1/a/7");
        assert_eq!(Value::from(post.body.unwrap()), json!({"status": ["A"]}));

        let bare = prepare("DELETE /a/{id}", json!({"id": "x"})).unwrap();
        assert_eq!(bare.url.query(), None);
    }

    #[test]
    fn a_path_argument_cannot_leave_its_segment() {
        for bad in
            ["", ".", "..", "a/b", "a\\b", "%2e", "%2E%2e", "a?b", "a#b", "a\nb", "\u{0}", "../../admin"]
        {
            let problem = prepare("GET /a/{id}", json!({"id": bad})).unwrap_err();
            assert_eq!(problem.argument, "id", "{bad:?}");
        }
        prepare("GET /a/{id}", json!({})).unwrap_err();
    }

    proptest! {
        #[test]
        fn whatever_the_argument_the_path_keeps_its_shape(id in any::<String>()) {
            if let Ok(prepared) = prepare("GET /a/{id}/b", json!({"id": id})) {
                let segments: Vec<_> = prepared.url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 5);
                prop_assert_eq!((segments[2], segments[4]), ("a", "b"));
                prop_assert_eq!(prepared.url.host_str(), Some("api.example.com"));
                prop_assert_eq!(prepared.url.query(), None);
            }
        }
    }
}
