//! A set of JSON types. The build script includes this file too.

use serde_json::Value;

/// The JSON types that a value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Types {
    const NAMES: [&'static str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
    const NUMBER: Self = Self(0b1100);
    pub(super) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(0b111_1111);

    pub(super) fn named(name: &str) -> Self {
        match Self::NAMES.iter().position(|known| *known == name) {
            // Every integer is a number.
            _ if name == "number" => Self::NUMBER,
            Some(bit) => Self(1 << bit),
            None => Self::NONE,
        }
    }

    pub(super) fn of(value: &Value) -> Self {
        Self::named(match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        })
    }

    /// Whether the set contains this type.
    pub(crate) fn has(self, name: &str) -> bool {
        let named = if name == "number" { Self(0b1000) } else { Self::named(name) };
        self.0 & named.0 != 0
    }

    /// The type, if the set contains only one.
    pub(crate) fn only(self) -> Option<&'static str> {
        if self == Self::NUMBER {
            return Some("number");
        }
        self.0.is_power_of_two().then(|| Self::NAMES[self.0.trailing_zeros() as usize])
    }

    /// The same without `null`.
    pub(crate) fn without_null(self) -> Self {
        Self(self.0 & !1)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
