//! Bodies of `multipart/form-data`, as far as the sandbox needs them: the text of each part by its name.

use serde_json::{Map, Value};

/// The boundary in a content type, if it is that of a form.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    let is_form = kind.trim().eq_ignore_ascii_case("multipart/form-data");
    let boundary = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    is_form.then(|| boundary.trim_matches('"'))
}

/// The parts of a body with their names. What is not text is replaced.
pub(super) fn parts(boundary: &str, body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let part = |part: &str| {
        let (headers, value) = part.split_once("\r\n\r\n")?;
        let (_, rest) = headers.split_once(" name=\"")?;
        let (name, _) = rest.split_once('"')?;
        Some((name.to_owned(), value.strip_suffix("\r\n").unwrap_or(value).into()))
    };
    text.split(&format!("--{boundary}")).filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_parts_of_a_form_are_read_by_name() {
        let boundary = boundary("multipart/form-data; boundary=\"b\"").unwrap();
        let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\na,b\r\n1,2\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nrows\r\n--b--\r\n";
        let parts = parts(boundary, body.as_bytes());
        assert_eq!(Value::from(parts), json!({ "file": "a,b\r\n1,2", "type": "rows" }));
        assert_eq!(super::boundary("application/json"), None);
    }
}
