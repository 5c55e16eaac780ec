//! What makes two changes the same.

use std::fmt::{self, Write};

use scope3_mcp_catalog::Surface;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The digest of a tool and its arguments. The order of members does not matter; every digit of a number does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a call, for this customer where the operator named one.
    #[must_use]
    pub fn of(surface: Surface, tool: &str, customer: Option<u64>, arguments: &Map<String, Value>) -> Self {
        let mut hasher = Sha256::new();
        let customer = customer.map(|id| id.to_string());
        for part in [surface.as_str(), tool].into_iter().chain(customer.as_deref()) {
            hasher.update(part);
            hasher.update([0]);
        }
        let mut text = String::new();
        write_object(arguments, &mut text);
        hasher.update(text);
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn write_object(members: &Map<String, Value>, text: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    text.push('{');
    for (name, value) in sorted {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{}:", Value::from(name.as_str()));
        write_value(value, text);
        text.push(',');
    }
    text.push('}');
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => write_object(members, text),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_value(item, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => {
            let _infallible = write!(text, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(tool: &str, arguments: Value) -> Digest {
        let Value::Object(arguments) = arguments else { panic!("not an object") };
        Digest::of(Surface::Campaign, tool, None, &arguments)
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let one = digest("a", json!({"x": 1, "y": {"p": [1, 2], "q": null}}));
        assert_eq!(one, digest("a", json!({"y": {"q": null, "p": [1, 2]}, "x": 1})));
    }

    #[test]
    fn every_other_difference_matters() {
        let calls = [
            ("a", json!({})),
            ("b", json!({})),
            ("a", json!({"x": 1})),
            ("a", json!({"x": "1"})),
            ("a", json!({"x": 10})),
            ("a", json!({"x": [1]})),
            ("a", json!({"x": [1, 2]})),
            ("a", json!({"x": [2, 1]})),
            ("a", json!({"x": [[1], 2]})),
            ("a", json!({"x": null})),
            ("a", json!({"x": {"y": 1}})),
            ("a", json!({"x\":1,\"y": 1})),
        ];
        for (position, (tool, arguments)) in calls.iter().enumerate() {
            for (other_tool, other) in &calls[position + 1..] {
                assert_ne!(
                    digest(tool, arguments.clone()),
                    digest(other_tool, other.clone()),
                    "{tool} {arguments} and {other_tool} {other}"
                );
            }
        }
    }
}
