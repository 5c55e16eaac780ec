//! Places checked arguments in the parts of a request, as plain data. The API client turns them into HTTP.

use serde_json::{Map, Value};

use super::request::{Binding, OTHERS, Place, Request, Style, parameter_name};

/// Arguments in their places.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placed {
    /// The segments of the path below the base URL, unescaped. No segment changes the shape of the path.
    pub path: Vec<String>,
    /// The parameters of the query in order, unescaped.
    pub query: Vec<(String, String)>,
    /// Headers, in lower case. Values are visible ASCII and inner spaces.
    pub headers: Vec<(String, String)>,
    /// The JSON body, if there is one.
    pub body: Option<Map<String, Value>>,
    /// The parts of a `multipart/form-data` body in order. A request with parts has no JSON body.
    pub parts: Vec<(String, Part)>,
}

/// A part of a `multipart/form-data` body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A text.
    Text(String),
    /// The file of this argument. What the caller gave for it only names the file, so it is not here.
    File(String),
}

/// An argument that cannot be placed in the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{argument}` {reason}")]
pub struct PlacementError {
    /// The argument's name.
    pub argument: String,
    /// What is wrong with it.
    pub reason: PlacementReason,
}

/// Why an argument cannot be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlacementReason {
    /// It would change the shape of the path.
    #[error(
        "cannot be sent in a path: it is empty, `.` or `..`, or it contains one of `/ \\ ? # %` or a control character"
    )]
    Path,
    /// It is `null`, where only text is possible.
    #[error("is null, which cannot be sent in a path, a query, a header or a form")]
    Null,
    /// It would end its header, or be changed in transit.
    #[error("cannot be sent in a header: expected visible ASCII characters without spaces at either end")]
    Header,
    /// An item would be read as two items.
    #[error("has an item with a comma, but this list is comma-separated")]
    Comma,
    /// It is a file, and nobody has read it.
    #[error("is a file that was not read")]
    Unread,
    /// The catalog does not say where it goes.
    #[error("is not assigned to any part of the request")]
    Unbound,
}

impl Request {
    /// Places each argument as its binding says.
    ///
    /// # Errors
    /// If an argument cannot be sent in its place, or has no place.
    pub fn place(&self, mut arguments: Map<String, Value>) -> Result<Placed, PlacementError> {
        let mut placed = Placed { path: self.segments(&mut arguments)?, ..Placed::default() };
        let mut body = Map::new();
        for (argument, value) in arguments {
            let error = |reason| PlacementError { argument: argument.clone(), reason };
            let find = |wanted: &str| {
                let is_its = |other: &&Binding| other.argument == *wanted && other.place != Place::Path;
                self.bindings.iter().find(is_its)
            };
            let Some(Binding { argument: bound, place, name, style }) =
                find(&argument).or_else(|| find(OTHERS))
            else {
                return Err(error(PlacementReason::Unbound));
            };
            let name = if bound == OTHERS { argument.clone() } else { name.to_string() };
            match place {
                Place::Path => return Err(error(PlacementReason::Unbound)),
                Place::Query => {
                    let texts = texts(&value, *style).map_err(error)?;
                    placed.query.extend(texts.into_iter().map(|text| (name.clone(), text)));
                }
                Place::Header => {
                    for text in texts(&value, *style).map_err(error)? {
                        let text = header_value(text).ok_or_else(|| error(PlacementReason::Header))?;
                        placed.headers.push((name.to_ascii_lowercase(), text));
                    }
                }
                Place::Body => {
                    body.insert(name, value);
                }
                Place::Part if value.is_null() => return Err(error(PlacementReason::Null)),
                Place::Part => placed.parts.push((name, Part::Text(to_text(&value)))),
                Place::File => placed.parts.push((name, Part::File(argument))),
            }
        }
        let is_usual = || self.method.has_body() && placed.parts.is_empty();
        let has_body = !body.is_empty() || self.body.unwrap_or_else(is_usual);
        placed.body = has_body.then_some(body);
        Ok(placed)
    }

    /// Builds the segments of the path, and removes their arguments from the rest.
    fn segments(&self, arguments: &mut Map<String, Value>) -> Result<Vec<String>, PlacementError> {
        let parts = self.path.split('/').skip(1);
        parts
            .map(|part| {
                let Some(name) = parameter_name(part) else { return Ok(part.to_owned()) };
                let binding =
                    self.bindings.iter().find(|binding| binding.place == Place::Path && binding.name == name);
                let argument = binding.map_or(name, |binding| &binding.argument);
                // The same argument may go into the query too.
                let is_elsewhere =
                    |other: &Binding| other.argument == *argument && other.place != Place::Path;
                let value = if self.bindings.iter().any(is_elsewhere) {
                    arguments.get(argument).cloned()
                } else {
                    arguments.shift_remove(argument)
                };
                let value = value.unwrap_or_default();
                segment(&value).map_err(|reason| PlacementError { argument: argument.to_owned(), reason })
            })
            .collect()
    }
}

fn segment(value: &Value) -> Result<String, PlacementReason> {
    let text = match value {
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(PlacementReason::Path),
        value => to_text(value),
    };
    let is_forbidden = |c: char| matches!(c, '/' | '\\' | '?' | '#' | '%') || c.is_control();
    if text.is_empty() || text == "." || text == ".." || text.contains(is_forbidden) {
        return Err(PlacementReason::Path);
    }
    Ok(text)
}

/// The value as texts for a query or headers: one text, or one for each item of a list.
fn texts(value: &Value, style: Style) -> Result<Vec<String>, PlacementReason> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        value => std::slice::from_ref(value),
    };
    if items.iter().any(Value::is_null) {
        return Err(PlacementReason::Null);
    }
    let texts: Vec<String> = items.iter().map(to_text).collect();
    match style {
        Style::Repeat => Ok(texts),
        Style::Comma if value.is_array() && texts.iter().any(|text| text.contains(',')) => {
            Err(PlacementReason::Comma)
        }
        // An empty list adds no parameter, as with `Style::Repeat`.
        Style::Comma if texts.is_empty() => Ok(texts),
        Style::Comma => Ok(vec![texts.join(",")]),
    }
}

/// Returns a text that can be sent as a header value. Servers strip outer spaces, and decode bytes beyond ASCII in
/// different ways.
fn header_value(text: String) -> Option<String> {
    let is_valid =
        text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text && !text.is_empty();
    is_valid.then_some(text)
}

fn to_text(value: &Value) -> String {
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

    /// Places arguments by these bindings, and the others by default.
    fn place(line: &str, bindings: Value, arguments: Value) -> Result<Placed, PlacementError> {
        let mut request: Request =
            serde_json::from_value(json!({ "line": line, "bindings": bindings })).unwrap();
        let Value::Object(arguments) = arguments else { panic!("not an object") };
        request.bind(arguments.keys());
        request.place(arguments)
    }

    fn by_default(line: &str, arguments: Value) -> Result<Placed, PlacementError> {
        place(line, json!([]), arguments)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn arguments_go_to_path_query_and_body_by_default() {
        let get = by_default("GET /a/{id}/b", json!({"id": "x y", "status": ["A", "B"], "n": 3, "q": "1&2"}))
            .unwrap();
        assert_eq!(get.path, ["a", "x y", "b"]);
        assert_eq!(get.query, pairs(&[("status", "A"), ("status", "B"), ("n", "3"), ("q", "1&2")]));
        assert_eq!((get.body, get.parts, get.headers), (None, Vec::new(), Vec::new()));

        let post = by_default("POST /a/{id}", json!({"id": 7, "status": ["A"]})).unwrap();
        assert_eq!(post.path, ["a", "7"]);
        assert_eq!(post.query, []);
        assert_eq!(Value::from(post.body.unwrap()), json!({"status": ["A"]}));

        assert_eq!(by_default("POST /a", json!({})).unwrap().body, Some(Map::new()));
        assert_eq!(by_default("DELETE /a/{id}", json!({"id": "x"})).unwrap().body, None);
    }

    #[test]
    fn bindings_change_the_place_and_the_name_of_arguments() {
        let reason = "A test.";
        let placed = place(
            "POST /a/{campaignId}",
            json!([
                { "argument": "id", "place": "path", "name": "campaignId", "reason": reason },
                { "argument": "dry", "place": "query", "name": "dry_run", "reason": reason },
                { "argument": "tags", "place": "query", "style": "comma", "reason": reason },
                { "argument": "key", "place": "header", "name": "Idempotency-Key", "reason": reason },
            ]),
            json!({"id": "c", "dry": true, "tags": ["x", "y"], "key": "k 1", "name": "n"}),
        )
        .unwrap();
        assert_eq!(placed.path, ["a", "c"]);
        assert_eq!(placed.query, pairs(&[("dry_run", "true"), ("tags", "x,y")]));
        assert_eq!(placed.headers, pairs(&[("idempotency-key", "k 1")]));
        assert_eq!(Value::from(placed.body.unwrap()), json!({"name": "n"}));

        let part = |argument: &str| json!({ "argument": argument, "place": "part", "reason": reason });
        let form = place(
            "POST /a",
            json!([part("text"), part("rows"), { "argument": "file", "place": "file", "reason": reason }]),
            json!({"text": "a,b\n1,2", "rows": [1, {"a": null}], "file": "prices.csv"}),
        )
        .unwrap();
        let text = |text: &str| Part::Text(text.to_owned());
        let file = Part::File("file".to_owned());
        let parts = [("text", text("a,b\n1,2")), ("rows", text(r#"[1,{"a":null}]"#)), ("file", file)];
        assert_eq!(form.parts, parts.map(|(name, part)| (name.to_owned(), part)));
        assert_eq!(form.body, None);

        let body = json!([{ "argument": "ids", "place": "body", "reason": reason }]);
        let delete = place("DELETE /a", body, json!({"ids": [1], "force": true})).unwrap();
        assert_eq!(delete.query, pairs(&[("force", "true")]));
        assert_eq!(Value::from(delete.body.unwrap()), json!({"ids": [1]}));
    }

    #[test]
    fn an_argument_without_a_place_is_rejected() {
        let request: Request = "POST /a".parse().unwrap();
        let arguments = Map::from_iter([("x".to_owned(), json!(1))]);
        let error = request.place(arguments).unwrap_err();
        assert_eq!(error, PlacementError { argument: "x".to_owned(), reason: PlacementReason::Unbound });
    }

    #[test]
    fn a_path_argument_cannot_change_the_path() {
        for bad in
            ["", ".", "..", "a/b", "a\\b", "%2e", "%2E%2e", "a?b", "a#b", "a\nb", "\u{0}", "../../admin"]
        {
            let error = by_default("GET /a/{id}", json!({"id": bad})).unwrap_err();
            assert_eq!(
                error,
                PlacementError { argument: "id".to_owned(), reason: PlacementReason::Path },
                "{bad:?}"
            );
        }
        for bad in [json!(null), json!([]), json!(["a"]), json!({})] {
            by_default("GET /a/{id}", json!({"id": bad})).unwrap_err();
        }
        assert_eq!(by_default("GET /a/{id}", json!({})).unwrap_err().argument, "id");
    }

    #[test]
    fn a_header_value_cannot_have_several_lines() {
        let header = |value: Value| {
            let bindings = json!([{ "argument": "key", "place": "header", "reason": "A test." }]);
            place("POST /a", bindings, json!({ "key": value })).map(|placed| placed.headers)
        };
        for bad in ["", "a\r\nx: y", "a\nb", "a\u{0}", "\t", " a", "a ", "ü", "\u{7f}", "\u{85}"] {
            assert_eq!(header(json!(bad)).unwrap_err().reason, PlacementReason::Header, "{bad:?}");
        }
        header(json!(["a", "b\r"])).unwrap_err();
        assert_eq!(header(json!(null)).unwrap_err().reason, PlacementReason::Null);
        assert_eq!(header(json!("a b~")).unwrap(), pairs(&[("key", "a b~")]));
        assert_eq!(header(json!(5)).unwrap(), pairs(&[("key", "5")]));
    }

    #[test]
    fn lists_that_cannot_be_encoded_are_rejected() {
        let list = |value: Value| {
            let bindings =
                json!([{ "argument": "tags", "place": "query", "style": "comma", "reason": "A test." }]);
            place("GET /a", bindings, json!({ "tags": value })).map(|placed| placed.query)
        };
        assert_eq!(list(json!(["a,b"])).unwrap_err().reason, PlacementReason::Comma);
        assert_eq!(list(json!([null])).unwrap_err().reason, PlacementReason::Null);
        assert_eq!(list(json!([])).unwrap(), []);
        assert_eq!(list(json!("a,b")).unwrap(), pairs(&[("tags", "a,b")]));
        assert_eq!(by_default("GET /a", json!({"x": null})).unwrap_err().reason, PlacementReason::Null);
    }

    proptest! {
        #[test]
        fn no_argument_changes_the_shape_of_the_path(id in any::<String>()) {
            if let Ok(placed) = by_default("GET /a/{id}/b", json!({"id": id})) {
                let url = format!("https://api.example.com/{}", placed.path.join("/"));
                let mut url = url::Url::parse(&url).unwrap();
                prop_assert_eq!(url.path_segments().unwrap().count(), 3);
                prop_assert_eq!(url.query(), None);
                prop_assert_eq!(url.fragment(), None);
                url.path_segments_mut().unwrap().clear().extend(&placed.path);
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 3);
                prop_assert_eq!((segments[0], segments[2]), ("a", "b"));
                prop_assert_eq!(&placed.path[1], &id);
            }
        }

        #[test]
        fn any_accepted_header_value_is_sent_unchanged(value in any::<String>()) {
            let bindings = json!([{ "argument": "key", "place": "header", "reason": "A test." }]);
            if let Ok(placed) = place("POST /a", bindings, json!({ "key": value })) {
                let sent = http::HeaderValue::from_str(&placed.headers[0].1).unwrap();
                prop_assert_eq!(sent.to_str().unwrap(), value);
            }
        }
    }
}
