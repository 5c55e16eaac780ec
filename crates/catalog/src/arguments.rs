//! Checks the arguments of a call against the tool's full schema, before anything is sent.

use jiff::Timestamp;
use jsonschema::{
    Validator,
    error::{TypeKind, ValidationError, ValidationErrorKind},
    paths::{Location, LocationSegment},
};
use serde_json::{Map, Value};

use super::{
    Effect, Entry, alternatives, contradictions,
    problem::{Place, Problem, Problems, counted, into_result, join, type_of, unknown, with_article},
    reading::Reader,
    walk::{Schemas, closed},
};

/// Up to this number of values, all errors are collected. Above it, only an excerpt is searched for errors.
const MAX_VALIDATED_VALUES: usize = 4_000;

impl Entry {
    /// The arguments to send. A value that a model wrapped in a string is unwrapped if only one reading matches the schema,
    /// a whole number becomes text where text is expected, and an optional argument of a read that is `null` is left out.
    ///
    /// # Errors
    /// Everything that does not match the schema, all at once.
    pub fn check_arguments(&self, arguments: Map<String, Value>) -> Result<Map<String, Value>, Problems> {
        let mut arguments = Value::Object(arguments);
        let mut problems = Problems::default();
        let mut reader =
            Reader { is_change: self.tool.effect != Effect::Read, problems: &mut problems, values: 0 };
        reader.read(&mut arguments, &Schemas::of(self.tool.input.object()), Place::Root);
        let values = reader.values;
        self.validate(&arguments, values, &mut problems);
        contradictions::find(&self.tool.checks, &arguments, Timestamp::now(), &mut problems);
        into_result(arguments, problems)
    }

    /// Everything in a value that does not match the tool's full schema.
    #[must_use]
    pub fn problems(&self, arguments: &Value) -> Problems {
        let mut problems = Problems::default();
        self.validate(arguments, 0, &mut problems);
        problems
    }

    fn validate(&self, arguments: &Value, values: usize, problems: &mut Problems) {
        let validator = self.validator.get_or_init(|| {
            let schema = Value::Object(closed(self.tool.input.object()));
            jsonschema::options().should_validate_formats(true).build(&schema).ok()
        });
        match validator {
            // The build rejects schemas that do not compile. If one slips through, nothing is sent unchecked.
            None => {
                problems.add(|| Problem::at("", "cannot be checked because the tool's schema is invalid"));
            }
            Some(validator) if values <= MAX_VALIDATED_VALUES => {
                self.report(&validator.iter_errors(arguments).collect::<Vec<_>>(), problems);
            }
            Some(validator) => self.validate_excerpt(validator, arguments, problems),
        }
    }

    /// The validator collects all errors before it returns the first, so it is not asked about millions of values.
    fn validate_excerpt(&self, validator: &Validator, arguments: &Value, problems: &mut Problems) {
        let Err(first) = validator.validate(arguments) else { return };
        let before = problems.len() + problems.more;
        let excerpt = Excerpt { left: MAX_VALIDATED_VALUES }.of(arguments);
        let errors = validator.iter_errors(&excerpt);
        // Cutting a list for the excerpt may have made it too short.
        let errors = errors.filter(|error| {
            !matches!(error.kind(), ValidationErrorKind::MinItems { .. } | ValidationErrorKind::Contains)
        });
        self.report(&errors.collect::<Vec<_>>(), problems);
        if problems.len() + problems.more == before {
            self.report(&[first], problems);
        }
    }

    fn report(&self, errors: &[ValidationError<'_>], problems: &mut Problems) {
        use ValidationErrorKind as Kind;
        let is_undecided = |error: &ValidationError<'_>| {
            matches!(
                error.kind(),
                Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. }
            )
        };
        let undecided: Vec<&Location> =
            errors.iter().filter(|error| is_undecided(error)).map(ValidationError::instance_path).collect();
        for error in errors {
            let at = error.instance_path();
            match error.kind() {
                // Without an alternative that fits, no member of any alternative counts as known.
                Kind::UnevaluatedProperties { .. } if undecided.contains(&at) => {}
                Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                    match alternatives::meant(context, at) {
                        Some(errors) => self.report(errors, problems),
                        None => problems.add(|| explain(path(at), error.kind(), error.instance())),
                    }
                }
                Kind::UnevaluatedProperties { unexpected } if self.knows_all(at, unexpected) => {
                    for name in unexpected {
                        let path = join(path(at), name);
                        problems
                            .add(|| Problem::at(path, "cannot be combined with the other arguments given"));
                    }
                }
                ValidationErrorKind::AdditionalProperties { unexpected }
                | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                    for name in unexpected {
                        problems.add(|| unknown(join(path(at), name), name, &self.members_at(at)));
                    }
                }
                ValidationErrorKind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    problems.add(|| Problem::at(join(path(at), name), "is required"));
                }
                kind => {
                    let path = path(at);
                    // The reader has already reported this value in better words.
                    if !problems.has_problem_at(&path) {
                        problems.add(|| explain(path, kind, error.instance()));
                    }
                }
            }
        }
    }

    /// Whether the schema defines all these members for the value at a location, in some alternative.
    fn knows_all(&self, at: &Location, names: &[String]) -> bool {
        let known = self.members_at(at);
        names.iter().all(|name| known.contains(&name.as_str()))
    }

    fn members_at(&self, at: &Location) -> Vec<&str> {
        let root = Schemas::of(self.tool.input.object());
        let schemas = at.segments().fold(root, |schemas, segment| match segment {
            LocationSegment::Property(name) => schemas.member(&name),
            LocationSegment::Index(index) => schemas.item(index),
        });
        schemas.members()
    }
}

/// The beginning of a large value.
struct Excerpt {
    left: usize,
}

impl Excerpt {
    /// An object with more members than this is a map: no schema names so many.
    const MAX_MEMBERS: usize = 1_000;

    fn of(&mut self, value: &Value) -> Value {
        self.left = self.left.saturating_sub(1);
        match value {
            Value::Array(items) => {
                let mut excerpt = Vec::new();
                for item in items {
                    // Keep one item of every list, so that problems in later lists are found too.
                    if self.left == 0 && !excerpt.is_empty() {
                        break;
                    }
                    excerpt.push(self.of(item));
                }
                excerpt.into()
            }
            Value::Object(members) => {
                let members = members.iter().take(Self::MAX_MEMBERS);
                members.map(|(name, member)| (name.clone(), self.of(member))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }
}

fn explain(path: String, kind: &ValidationErrorKind, value: &Value) -> Problem {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            Problem::at(path, "is not one of the allowed values").with_allowed(options.iter().cloned())
        }
        Kind::Constant { expected_value } => Problem::at(path, format!("must be {expected_value}"))
            .with_allowed(std::iter::once(Value::clone(expected_value))),
        kind => Problem::at(path, describe(kind, value)),
    }
}

fn describe(kind: &ValidationErrorKind, value: &Value) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind: TypeKind::Single(expected) } => {
            format!("must be {}, not {}", with_article(&expected.to_string()), type_of(value))
        }
        Kind::Type { kind: TypeKind::Multiple(expected) } => {
            let expected: Vec<_> = expected.iter().map(|name| with_article(&name.to_string())).collect();
            format!("must be {}, not {}", expected.join(" or "), type_of(value))
        }
        Kind::Format { format } => match format.as_str() {
            "date" => "must be a date like 2026-01-31".to_owned(),
            "date-time" => "must be a date and time like 2026-01-31T00:00:00Z".to_owned(),
            "uri" => "must be a full URL like https://example.com/path".to_owned(),
            other => format!("must have the format `{other}`"),
        },
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {}", counted(*limit, "character")),
        Kind::MaxLength { limit } => format!("must have at most {}", counted(*limit, "character")),
        Kind::MinItems { limit } => format!("must have at least {}", counted(*limit, "item")),
        Kind::MaxItems { limit } => format!("must have at most {}", counted(*limit, "item")),
        Kind::MinProperties { limit } => {
            format!("must have at least {}: it names nothing to change", counted(*limit, "member"))
        }
        Kind::UniqueItems => "must not contain the same item twice".to_owned(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "does not match any of the allowed forms".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => {
            "matches more than one of the allowed forms; expected exactly one".to_owned()
        }
        other => format!("does not match the schema's `{}`", other.keyword()),
    }
}

fn path(at: &Location) -> String {
    at.segments().fold(String::new(), |path, segment| match segment {
        LocationSegment::Property(name) => join(path, &name),
        LocationSegment::Index(index) => format!("{path}[{index}]"),
    })
}
