//! Models read failures, so failures stay short, however long the caller's arguments or Scope3's response are.

use serde_json::{Map, Value};

use super::Failure;

/// The maximum size of a failed call's result. It contains the failure twice, once as text within JSON.
const MAX_RESULT_BYTES: usize = 15 * 1024;

/// The maximum length of a code or a member name.
const MAX_NAME_CHARS: usize = 64;

/// How much of texts and lists to keep, from most to least. The first step that fits is used.
const STEPS: [Excerpt; 4] = [
    Excerpt { message_chars: 4_000, text_chars: 1_000, items: 100, depth: 12 },
    Excerpt { message_chars: 2_000, text_chars: 300, items: 20, depth: 8 },
    Excerpt { message_chars: 1_000, text_chars: 100, items: 8, depth: 5 },
    Excerpt { message_chars: 500, text_chars: 40, items: 3, depth: 3 },
];

/// The most that is kept of a failure's parts.
struct Excerpt {
    message_chars: usize,
    text_chars: usize,
    items: usize,
    depth: usize,
}

impl Failure {
    /// The failure, shortened to a size that a model can read. Shortened parts are marked.
    #[must_use]
    pub(crate) fn fitted(mut self) -> Self {
        if self.result_bytes() <= MAX_RESULT_BYTES {
            return self;
        }
        let message = std::mem::take(&mut self.message);
        let length = message.chars().count();
        for excerpt in &STEPS {
            self.message = truncated(&message, excerpt.message_chars);
            if self.message.len() < message.len() {
                self.message = format!("{} ({length} characters in total)", self.message);
            }
            self.code = truncated(&self.code, MAX_NAME_CHARS);
            self.details = self.details.take().map(|details| excerpt.value(details, 0));
            if self.result_bytes() <= MAX_RESULT_BYTES {
                return self;
            }
        }
        self.details = None;
        self
    }

    fn result_bytes(&self) -> usize {
        let Ok(body) = serde_json::to_string(self) else { return 0 };
        let escapes = body.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        2 * body.len() + escapes
    }
}

impl Excerpt {
    fn value(&self, value: Value, depth: usize) -> Value {
        match value {
            Value::String(long) => truncated(&long, self.text_chars).into(),
            Value::Array(_) | Value::Object(_) if depth >= self.depth => "… (cut)".into(),
            Value::Array(items) => {
                let left_out = items.len().saturating_sub(self.items);
                let mut kept: Vec<Value> =
                    items.into_iter().take(self.items).map(|item| self.value(item, depth + 1)).collect();
                if left_out > 0 {
                    kept.push(format!("… and {left_out} more").into());
                }
                kept.into()
            }
            Value::Object(members) => {
                let left_out = members.len().saturating_sub(self.items);
                let mut kept: Map<String, Value> = members
                    .into_iter()
                    .take(self.items)
                    .map(|(name, value)| (truncated(&name, MAX_NAME_CHARS), self.value(value, depth + 1)))
                    .collect();
                if left_out > 0 {
                    kept.insert("…".to_owned(), format!("and {left_out} more").into());
                }
                kept.into()
            }
            Value::Number(number) if number.to_string().len() > self.text_chars => "… (a long number)".into(),
            other => other,
        }
    }
}

/// The first `max_chars` characters of a text.
fn truncated(long: &str, max_chars: usize) -> String {
    match long.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &long[..end]),
        None => long.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn failure(message: &str, details: Value) -> Failure {
        Failure { details: Some(details), ..Failure::new("CODE", message, "hint") }
    }

    #[test]
    fn a_short_failure_is_unchanged() {
        let details = json!({ "issues": [{ "path": "budget.total", "message": "must be positive" }] });
        let fitted = failure("Bad budget", details.clone()).fitted();
        assert_eq!((fitted.message.as_str(), fitted.details), ("Bad budget", Some(details)));
    }

    #[test]
    fn a_long_failure_keeps_the_start_of_each_part_and_marks_what_is_cut() {
        let issues: Vec<Value> =
            (0..5_000).map(|n| json!({ "path": format!("items[{n}]"), "message": "wrong" })).collect();
        let fitted = failure(&"m".repeat(2_000_000), json!({ "issues": issues })).fitted();
        assert!(fitted.message.contains("2000000 characters in total"), "{}", fitted.message);
        let details = fitted.details.unwrap().to_string();
        assert!(details.contains("items[0]") && details.contains("more"), "{details}");
    }

    #[test]
    fn deep_nesting_and_long_numbers_are_cut_too() {
        let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
        let long: Value = serde_json::from_str(&"9".repeat(100_000)).unwrap();
        for details in [deep, json!({ "n": long }), json!({ "k".repeat(100_000): 1 })] {
            assert!(failure("m", details).fitted().result_bytes() <= MAX_RESULT_BYTES);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn no_failure_is_longer_than_a_model_can_read(
            message in "\\PC{0,200}", text in "[\"\\\\\\x00-\\x1f a]{0,400}", times in 0usize..100,
        ) {
            let items: Vec<Value> = (0..times).map(|n| json!({ "n": n, "t": text, text.clone(): [text] })).collect();
            let fitted = failure(&message.repeat(times), json!({ "items": items, "text": text.repeat(times) })).fitted();
            let body = serde_json::to_string(&fitted).unwrap();
            let whole = json!({ "content": [{ "type": "text", "text": body }], "structuredContent": fitted }).to_string();
            prop_assert!(whole.len() <= 16 * 1024, "{} bytes", whole.len());
        }
    }
}
