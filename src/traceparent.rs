//! The trace context of a request (W3C Trace Context, `traceparent`). The server forwards it to Scope3.

use http::HeaderValue;

/// The length of each part in characters: version, trace, parent and flags.
const LENGTHS: [usize; 4] = [2, 32, 16, 2];

/// Parses a `traceparent`. Returns `None` if it does not have the form that the W3C requires: a new trace is better
/// than an unreadable one.
pub(crate) fn parse(text: &str) -> Option<HeaderValue> {
    let parts: Vec<&str> = text.splitn(LENGTHS.len() + 1, '-').collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let [version, trace, parent, _] = parts[..] else { return None };
    let has_form = parts.iter().map(|part| part.len()).eq(LENGTHS) && parts.iter().all(is_hex);
    let is_valid = has_form && version != "ff" && !is_zero(trace) && !is_zero(parent);
    if is_valid { HeaderValue::from_str(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_traceparent_is_forwarded_unchanged() {
        for good in
            [GOOD, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", &GOOD.replacen("00", "cc", 1)]
        {
            assert_eq!(parse(good).unwrap(), good);
        }
    }

    #[test]
    fn an_invalid_traceparent_is_dropped() {
        let bad = [
            String::new(),
            "x".repeat(100_000),
            "-".repeat(100_000),
            GOOD.to_uppercase(),
            format!("{GOOD}-extra"),
            format!("{GOOD}\n"),
            format!(" {GOOD}"),
            format!("0{GOOD}"),
            GOOD.replace('-', "_"),
            GOOD.replace("0af", "0ag"),
            GOOD.replace("0af", "0aé"),
            GOOD.replace("-01", "-1"),
            GOOD.replace("-01", ""),
            GOOD.replace("-01", "-001"),
            GOOD.replace("c-b", "-b"),
            GOOD.replace("c-b", "-cb"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
        ];
        for bad in &bad {
            assert_eq!(parse(bad), None, "{}", &bad[..bad.len().min(64)]);
        }
    }
}
