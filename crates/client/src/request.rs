//! Builds an HTTP request from a catalog entry and validated arguments.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use scope3_mcp_catalog::{IdempotencyKey, Method, Part, Placed, PlacementError, PlacementReason, Request};
use serde_json::{Map, Value};
use url::Url;

use super::{
    base::BaseUrl,
    file::{FileContent, Files},
};

/// A request that is ready to be sent with any key.
#[derive(Debug, Clone)]
pub struct PreparedRequest {
    pub(super) method: http::Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Map<String, Value>>,
    pub(super) parts: Vec<(String, FormPart)>,
}

/// A part of a `multipart/form-data` body, with its content.
#[derive(Debug, Clone)]
pub(super) enum FormPart {
    Text(String),
    File(Arc<FileContent>),
}

impl FormPart {
    /// The part in words. The content of a file is not among them.
    fn description(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::File(file) => file.description(),
        }
    }
}

impl PreparedRequest {
    /// Places each argument where the catalog says: in the path, the query, a header, the body or a part of the body.
    ///
    /// # Errors
    /// When an argument is not allowed in its place, or is a file.
    pub fn new(
        base: &BaseUrl,
        request: &Request,
        arguments: Map<String, Value>,
    ) -> Result<Self, PlacementError> {
        Self::with_files(base, request, arguments, &Files::new())
    }

    /// As [`PreparedRequest::new`], with the files that arguments name.
    ///
    /// # Errors
    /// When an argument is not allowed in its place, or is a file that is not among `files`.
    pub fn with_files(
        base: &BaseUrl,
        request: &Request,
        arguments: Map<String, Value>,
        files: &Files,
    ) -> Result<Self, PlacementError> {
        let Placed { path, query, headers: placed_headers, body, parts } = request.place(arguments)?;
        let mut url = base.join(request.base.as_deref(), path.iter().map(String::as_str));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in placed_headers {
            let invalid = || PlacementError { argument: name.clone(), reason: PlacementReason::Header };
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            headers.append(header, HeaderValue::from_str(&value).map_err(|_| invalid())?);
        }
        let with_content = |(name, part)| {
            let part = match part {
                Part::Text(text) => FormPart::Text(text),
                Part::File(argument) => match files.get(&argument) {
                    Some(file) => FormPart::File(Arc::clone(file)),
                    None => return Err(PlacementError { argument, reason: PlacementReason::Unread }),
                },
            };
            Ok((name, part))
        };
        let parts = parts.into_iter().map(with_content).collect::<Result<_, _>>()?;
        Ok(Self { method: http_method(request.method), url, headers, body, parts })
    }

    /// Adds an idempotency key, so that the API makes the change only once, however often the request arrives.
    #[must_use]
    pub fn with_idempotency_key(mut self, place: &IdempotencyKey, key: &str) -> Self {
        match place {
            IdempotencyKey::Body(name) => {
                self.body.get_or_insert_default().insert(name.to_string(), key.into());
            }
            IdempotencyKey::Header(name) => {
                // The build checks the name, and keys are hexadecimal.
                if let (Ok(name), Ok(key)) =
                    (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(key))
                {
                    self.headers.insert(name, key);
                }
            }
        }
        self
    }

    /// The request in words, for a dry run. The key is not a part of it.
    #[must_use]
    pub fn description(&self) -> Map<String, Value> {
        let mut request = Map::new();
        request.insert("method".to_owned(), self.method.as_str().into());
        request.insert("url".to_owned(), self.url.as_str().into());
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        if !headers.is_empty() {
            request.insert("headers".to_owned(), headers.into());
        }
        if let Some(body) = &self.body {
            request.insert("body".to_owned(), body.clone().into());
        }
        if !self.parts.is_empty() {
            let parts: Map<String, Value> =
                self.parts.iter().map(|(name, part)| (name.clone(), part.description())).collect();
            request.insert("parts".to_owned(), parts.into());
        }
        request
    }

    /// Adds a `traceparent` header, which makes the request part of a trace.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: Option<HeaderValue>) -> Self {
        if let Some(traceparent) = traceparent {
            self.headers.insert("traceparent", traceparent);
        }
        self
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn prepare(request: &str, arguments: Value) -> Result<PreparedRequest, PlacementError> {
        let base = "https://api.example.com/rest/v1".parse().unwrap();
        let Value::Object(arguments) = arguments else { panic!("not an object") };
        let mut request: Request = request.parse().unwrap();
        request.bind(arguments.keys());
        PreparedRequest::new(&base, &request, arguments)
    }

    #[test]
    fn arguments_are_placed_in_path_query_and_body() {
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

    #[test]
    fn a_file_argument_is_never_sent_as_text() {
        let base = "https://api.example.com".parse().unwrap();
        let binding = json!({ "argument": "file", "place": "file", "reason": "A test." });
        let request: Request =
            serde_json::from_value(json!({ "line": "POST /a", "bindings": [binding] })).unwrap();
        let arguments = Map::from_iter([("file".to_owned(), json!("prices.csv"))]);
        let error = PreparedRequest::new(&base, &request, arguments.clone()).unwrap_err();
        assert_eq!((&*error.argument, error.reason), ("file", PlacementReason::Unread));
        let read = Arc::new(FileContent::new("a\r\n\"b\".csv", b"secret".to_vec()));
        let files = Files::from_iter([("file".to_owned(), read)]);
        let prepared = PreparedRequest::with_files(&base, &request, arguments, &files).unwrap();
        let shown = Value::from(prepared.description());
        assert_eq!(shown["parts"]["file"]["name"], "a___b_.csv");
        assert_eq!(shown["parts"]["file"]["bytes"], 6);
        assert!(!format!("{shown} {prepared:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn no_argument_changes_the_structure_of_the_path(id in any::<String>()) {
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
