//! Chooses the errors to show where a value fits none of several alternatives.

use jsonschema::{
    error::{ValidationError, ValidationErrorKind as Kind},
    paths::Location,
};

/// The errors of the alternative that the value at this location was most likely meant for. `None` if that cannot be said,
/// because all of them expect another type.
///
/// The members that tell alternatives apart have fixed values, so an alternative whose fixed values match is meant. Among
/// several, it is the one with the fewest errors.
pub(super) fn meant<'a, 'e>(
    alternatives: &'a [Vec<ValidationError<'e>>],
    at: &Location,
) -> Option<&'a [ValidationError<'e>]> {
    let is_other_type = |error: &ValidationError<'e>| {
        matches!(error.kind(), Kind::Type { .. }) && error.instance_path() == at
    };
    let wrong_values = |errors: &[ValidationError<'e>]| {
        errors
            .iter()
            .filter(|error| matches!(error.kind(), Kind::Enum { .. } | Kind::Constant { .. }))
            .count()
    };
    alternatives
        .iter()
        .filter(|errors| !errors.is_empty() && !errors.iter().any(is_other_type))
        .min_by_key(|errors| (wrong_values(errors), errors.len()))
        .map(Vec::as_slice)
}
