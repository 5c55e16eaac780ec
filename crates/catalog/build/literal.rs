//! Data of the catalog as Rust expressions, so that the program has nothing to parse when it starts.

use std::borrow::Cow;

use super::catalog::{
    checks::Check,
    request::{Binding, Request},
    response::{Partial, Pending, Unchanged},
    tool::{Effect, IdempotencyKey, Local, Presentation, SpecialLimit, Text},
    words::{
        Constant, EffectWhen, Money, MoneyUnit, OtherId, ReadOf, Removes, Replaced, SameAs, SignedUpload,
        Spends, Start, Subject,
    },
};

/// A value as a Rust expression that can initialize a `static`.
pub(crate) trait Literal {
    /// The expression.
    fn literal(&self) -> String;
}

impl Literal for bool {
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl Literal for u32 {
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl Literal for Pending {
    fn literal(&self) -> String {
        format!(
            "Pending {{ while_any: {}, every: {}, later: {} }}",
            self.while_any.literal(),
            self.every.literal(),
            self.later.literal()
        )
    }
}

impl Literal for Text {
    fn literal(&self) -> String {
        format!("Cow::Borrowed({:?})", &**self)
    }
}

impl<T: Literal> Literal for Option<T> {
    fn literal(&self) -> String {
        self.as_ref().map_or_else(|| "None".to_owned(), |value| format!("Some({})", value.literal()))
    }
}

impl<T: Literal + Clone> Literal for Cow<'static, [T]> {
    fn literal(&self) -> String {
        let items: Vec<String> = self.iter().map(Literal::literal).collect();
        format!("Cow::Borrowed(&[{}])", items.join(", "))
    }
}

impl Literal for (Text, Text) {
    fn literal(&self) -> String {
        format!("({}, {})", self.0.literal(), self.1.literal())
    }
}

/// Implements the trait for enums without data, whose variants print as their names.
macro_rules! unit_variants {
    ($($name:ident),*) => {
        $(impl Literal for $name {
            fn literal(&self) -> String {
                format!(concat!(stringify!($name), "::{:?}"), self)
            }
        })*
    };
}

unit_variants!(Effect, Local, MoneyUnit, Presentation, SpecialLimit);

/// Implements the trait for structures with these fields.
macro_rules! structures {
    ($($name:ident { $($field:ident),* })*) => {
        $(impl Literal for $name {
            fn literal(&self) -> String {
                let fields = [$(format!(concat!(stringify!($field), ": {}"), self.$field.literal())),*];
                format!(concat!(stringify!($name), " {{ {} }}"), fields.join(", "))
            }
        })*
    };
}

structures! {
    Money { amount, currency, unit, replaces, starts, unmeasured }
    Replaced { id, from, amount, currency }
    Start { argument, is }
    Subject { kind, id, from, name, shows }
    SameAs { tool, id }
    SignedUpload { argument, name, url, headers }
    OtherId { argument, other, from, member }
    Removes { argument, from, same, only }
    ReadOf { read, with, object, key }
    Unchanged { zero, unless }
    EffectWhen { argument, is, effect, because }
    Spends { tool, arguments, amount, currency, unit }
}

impl Literal for Request {
    fn literal(&self) -> String {
        let Self { method, path, base, body, bindings } = self;
        format!(
            "Request {{ method: Method::{method:?}, path: {}, base: {}, body: {}, bindings: {} }}",
            path.literal(),
            base.literal(),
            body.literal(),
            bindings.literal()
        )
    }
}

impl Literal for Binding {
    fn literal(&self) -> String {
        let Self { argument, place, name, style } = self;
        let (argument, name) = (argument.literal(), name.literal());
        format!(
            "Binding {{ argument: {argument}, place: Place::{place:?}, name: {name}, style: Style::{style:?} }}"
        )
    }
}

impl Literal for IdempotencyKey {
    fn literal(&self) -> String {
        match self {
            Self::Body(name) => format!("IdempotencyKey::Body({})", name.literal()),
            Self::Header(name) => format!("IdempotencyKey::Header({})", name.literal()),
        }
    }
}

impl Literal for Constant {
    fn literal(&self) -> String {
        match self {
            Self::Boolean(value) => format!("Constant::Boolean({value})"),
            Self::Integer(value) => format!("Constant::Integer({value})"),
            Self::Text(value) => format!("Constant::Text({})", value.literal()),
            Self::EmptyList(_) => "Constant::EmptyList([])".to_owned(),
            Self::Null(()) => "Constant::Null(())".to_owned(),
        }
    }
}

impl Literal for Partial {
    fn literal(&self) -> String {
        match self {
            Self::False(path) => format!("Partial::False({})", path.literal()),
            Self::AboveZero(path) => format!("Partial::AboveZero({})", path.literal()),
            Self::NotEmpty(path) => format!("Partial::NotEmpty({})", path.literal()),
            Self::Is(path, value) => format!("Partial::Is({}, {})", path.literal(), value.literal()),
        }
    }
}

impl Literal for Check {
    fn literal(&self) -> String {
        match self {
            Self::LessOrEqual(first, second) => {
                format!("Check::LessOrEqual({}, {})", first.literal(), second.literal())
            }
            Self::Before(first, second) => {
                format!("Check::Before({}, {})", first.literal(), second.literal())
            }
            Self::Needs(first, second) => format!("Check::Needs({}, {})", first.literal(), second.literal()),
            Self::NotPast { date, days } => {
                format!("Check::NotPast {{ date: {}, days: {days} }}", date.literal())
            }
            Self::Currency(path) => format!("Check::Currency({})", path.literal()),
            Self::Unique(path) => format!("Check::Unique({})", path.literal()),
        }
    }
}
