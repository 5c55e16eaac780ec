//! A `multipart/form-data` body as the server that tests use writes it. The name of a file stands for its content.

use serde_json::{Map, Value};

/// The members of a form. `None` if the body is not one.
pub(super) fn members(body: &[u8]) -> Option<Map<String, Value>> {
    let end = find(body, b"\r\n")?;
    let boundary = body[..end].strip_prefix(b"--").filter(|boundary| !boundary.is_empty())?;
    let mark = [b"\r\n--", boundary].concat();
    let mut members = Map::new();
    let mut rest = body[end..].strip_prefix(b"\r\n")?;
    loop {
        let (part, after) = rest.split_at_checked(find(rest, &mark)?)?;
        let (head, content) = part.split_at_checked(find(part, b"\r\n\r\n")?)?;
        let head = String::from_utf8_lossy(head);
        let name = parameter(&head, " name=\"")?.to_owned();
        let value = match parameter(&head, " filename=\"") {
            Some(file) => file.to_owned(),
            None => String::from_utf8(content.get(4..)?.to_vec()).ok()?,
        };
        members.insert(name, value.into());
        match after.get(mark.len()..)? {
            last if last.starts_with(b"--") => return Some(members),
            next => rest = next.strip_prefix(b"\r\n")?,
        }
    }
}

/// The value of a parameter of `Content-Disposition`.
fn parameter<'a>(head: &'a str, start: &str) -> Option<&'a str> {
    Some(head.split_once(start)?.1.split_once('"')?.0)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_the_names_of_files_are_read() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
                    Content-Type: text/csv\r\n\r\nx,y\r\n\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"type\"\r\n\r\nA\r\nB\r\n--b--\r\n";
        let read = members(body.as_bytes()).unwrap();
        assert_eq!(Value::from(read), json!({ "file": "a.csv", "type": "A\r\nB" }));
        for bad in ["", "{}", "--b", "--b\r\n", "--\r\n", "--b\r\nx\r\n--b--", &body[..body.len() - 6]] {
            assert_eq!(members(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
