//! Content negotiation (RFC 9110, section 12.5.1): the media types that a client accepts, and the media type it sends.

use http::{HeaderMap, header};

/// The forms of response that a client accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// A JSON body.
    pub(super) json: bool,
    /// A stream of events.
    pub(super) events: bool,
}

impl Accepted {
    /// Both forms.
    pub(super) const ANY: Self = Self { json: true, events: true };

    /// Reads the `Accept` headers of a request. A client that sends none, or only unreadable ones, accepts everything.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let ranges = ranges(headers);
        Self { json: allows(&ranges, "application/json"), events: allows(&ranges, "text/event-stream") }
    }
}

/// Whether a client accepts a response of this media type.
pub(super) fn accepts(headers: &HeaderMap, essence: &str) -> bool {
    allows(&ranges(headers), essence)
}

/// Whether the body of a request is declared as JSON. JSON exchanged between systems is UTF-8 (RFC 8259, section 8.1).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(sent), None) = (types.next(), types.next()) else { return false };
    let sent = MediaType::read(sent.to_str().unwrap_or_default());
    let charset = sent.parameter("charset").unwrap_or("utf-8");
    sent.essence == "application/json"
        && ["utf-8", "utf8"].iter().any(|utf8| charset.eq_ignore_ascii_case(utf8))
}

/// A media type, or a media range such as `text/*`.
struct MediaType<'a> {
    /// Type and subtype, in lower case.
    essence: String,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> MediaType<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = split_unquoted(text, ';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameters = parts.filter_map(|part| part.split_once('='));
        let parameters = parameters.map(|(name, value)| (name.trim(), value.trim().trim_matches('"')));
        Self { essence, parameters: parameters.collect() }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The quality value. An invalid one counts as 1, so that a client is not rejected because of it.
    fn weight(&self) -> f32 {
        let weight = self.parameter("q").and_then(|weight| weight.parse().ok());
        weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(1.0)
    }

    /// How specifically a range matches a type, if it does.
    fn specificity(&self, essence: &str) -> Option<u8> {
        match self.essence.as_str() {
            // Java's built-in client sends a bare `*`.
            "*/*" | "*" => Some(0),
            range if range == essence => Some(2),
            range => {
                let main = range.strip_suffix('*').filter(|main| main.ends_with('/'))?;
                essence.starts_with(main).then_some(1)
            }
        }
    }
}

/// Splits a header value at a delimiter, except within quotation marks.
fn split_unquoted(text: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        if escaped {
            escaped = false;
        } else {
            escaped = quoted && letter == '\\';
            quoted ^= letter == '"';
        }
        letter == delimiter && !quoted
    })
}

fn ranges(headers: &HeaderMap) -> Vec<MediaType<'_>> {
    let sent = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = sent.flat_map(|list| split_unquoted(list, ',')).map(MediaType::read);
    ranges.filter(|range| range.essence.contains(['/', '*'])).collect()
}

/// Whether a type is accepted. The most specific matching range decides.
fn allows(ranges: &[MediaType<'_>], essence: &str) -> bool {
    let matching = ranges.iter().filter_map(|range| Some((range.specificity(essence)?, range.weight())));
    match matching.max_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))) {
        Some((_, weight)) => weight > 0.0,
        None => ranges.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn accept_headers_are_parsed_according_to_the_rfc() {
        let (both, neither) = (Accepted::ANY, Accepted { json: false, events: false });
        let json = Accepted { json: true, events: false };
        let events = Accepted { json: false, events: true };
        for (sent, expected) in [
            (&[][..], both),
            (&[""], both),
            (&["*/*"], both),
            (&["*"], both),
            (&["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"], both),
            (&["application/json, text/event-stream"], both),
            (&["application/json", "text/event-stream"], both),
            (&["application/*;q=0.1,text/*;q=0.9"], both),
            (&["Application/JSON; charset=utf-8 , TEXT/Event-Stream;q=0.001"], both),
            (&["text/html, */*;q=0.8"], both),
            (&["application/json"], json),
            (&["application/*"], json),
            (&["APPLICATION/JSON;Q=0.5"], json),
            (&["application/json;"], json),
            (&["text/event-stream;q=0, */*"], json),
            (&["application/json, text/*;q=0.0"], json),
            (&["text/plain;note=\"a, text/event-stream\", application/json"], json),
            (&["text/event-stream"], events),
            (&["text/*"], events),
            (&["text/event-stream; charset=utf-8"], events),
            (&["*/*", "application/json;q=0"], events),
            (&["text/*;q=0, text/event-stream"], events),
            (&["application/json;q=0, application/*;q=0.5, text/event-stream"], events),
            (&["text/html"], neither),
            (&["application/xml;q=0.9", "image/*"], neither),
            (&["*/*;q=0"], neither),
            (&["application/json;q=0, text/event-stream;q=0"], neither),
            (&["application/jsonp, text/event"], neither),
            (&["application/js*, text/e*"], neither),
            (&["json"], both),
        ] {
            assert_eq!(Accepted::of(&headers(header::ACCEPT, sent)), expected, "{sent:?}");
        }
        assert!(accepts(&headers(header::ACCEPT, &["text/*"]), "text/plain"));
    }

    #[test]
    fn an_invalid_quality_value_is_ignored() {
        for weight in ["high", "", "-1", "1.5", "0.0001", "nan"] {
            let sent = format!("application/json;q={weight}");
            assert!(Accepted::of(&headers(header::ACCEPT, &[&sent])).json, "{sent}");
        }
    }

    #[test]
    fn a_message_must_be_json_in_utf_8() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json ; charset=\"utf-8\"",
            "application/json; charset=utf8",
            "application/json; profile=x",
            "application/json;",
        ] {
            assert!(is_json(&headers(header::CONTENT_TYPE, &[good])), "{good}");
        }
        for bad in [
            &["application/json; charset=iso-8859-1"][..],
            &["application/json;charset=utf-16"],
            &["application/json; charset=\"windows-1252\""],
            &["text/json"],
            &["application/jsonp"],
            &["application/json+x"],
            &["application/*"],
            &["json"],
            &["text/plain; a=\"; application/json\""],
            &[""],
            &["application/json", "application/json"],
            &[],
        ] {
            assert!(!is_json(&headers(header::CONTENT_TYPE, bad)), "{bad:?}");
        }
    }
}
