//! What is wrong with a policy file, and where.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use cedar_policy::{ParseErrors, ValidationResult};
use miette::Diagnostic;
use scope3_mcp_catalog::{nearest, shortened};

/// The maximum number of problems to report. A mistake in one rule may have many.
const MAX_PROBLEMS: usize = 20;

/// The maximum length of a message, in bytes.
const MAX_MESSAGE_BYTES: usize = 400;

/// A problem in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong, and a suggestion if there is one.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl Problem {
    /// A problem at a byte of the text.
    pub(super) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = position(text, offset);
        Self { line, column, message: message.into() }
    }

    fn of(text: &str, found: &dyn Diagnostic, help: Option<String>) -> Self {
        let first = found.labels().and_then(|mut labels| labels.next());
        let message = found.to_string();
        // Cedar numbers the rules; the line says more.
        let message = match message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, ")) {
            Some((_, message)) => message.to_owned(),
            None => message,
        };
        let help = help.or_else(|| found.help().map(|help| help.to_string()));
        let help = help.filter(|help| !is_far_fetched(&message, help));
        let help = help.map_or_else(String::new, |help| format!("; {help}"));
        Self::at(text, first.map_or(0, |label| label.offset()), one_line(&format!("{message}{help}")))
    }
}

/// Whether a suggestion for an unknown attribute is too different from it. Cedar suggests the nearest one, however far.
fn is_far_fetched(message: &str, help: &str) -> bool {
    let quoted = |text: &str, before: &str| {
        Some(text.split_once(before)?.1.split_once('`')?.0.rsplit('.').next()?.to_owned())
    };
    match (quoted(message, "attribute `"), quoted(help, "did you mean `")) {
        (Some(unknown), Some(suggested)) => nearest(&unknown, std::iter::once(suggested.as_str())).is_none(),
        _ => false,
    }
}

/// Cedar repeats names and strings of the file in full.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.floor_char_boundary(MAX_MESSAGE_BYTES);
    if end < line.len() { format!("{}…", &line[..end]) } else { line }
}

/// The line and the column of a byte, counted from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The problems that the parser found.
pub(super) fn of_parsing(text: &str, errors: &ParseErrors) -> Vec<Problem> {
    sorted(errors.iter().map(|error| Problem::of(text, error, None)))
}

/// The problems that the validator found. Its warnings are problems too: a rule that can never match does not do what its
/// author expects. `names` are the names of all actions.
pub(super) fn of_validation<'a>(
    text: &str,
    result: &ValidationResult,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Problem> {
    let errors = result.validation_errors().map(|error| {
        let message = error.to_string();
        let unknown = message.split_once("unrecognized action `Action::\"").and_then(|(_, rest)| {
            let name = rest.trim_end_matches(['`', '"']);
            nearest(name, names.clone()).map(|similar| format!("did you mean `Action::\"{similar}\"`?"))
        });
        Problem::of(text, error, unknown)
    });
    let warnings = result.validation_warnings().map(|warning| Problem::of(text, warning, None));
    let problems = once_for_each_place(errors.chain(warnings));
    // A rule with a mistake cannot match either, which says less.
    let has_error = |line| problems.iter().any(|other| other.line >= line && !is_impossible(other));
    let useful = problems.iter().filter(|problem| !is_impossible(problem) || !has_error(problem.line));
    useful.cloned().collect()
}

/// The first problem of each place: the validator reports a mistake for every tool that the rule covers.
fn once_for_each_place(problems: impl Iterator<Item = Problem>) -> Vec<Problem> {
    let mut places: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
    for Problem { line, column, message } in problems {
        places.entry((line, column)).or_default().insert(message);
    }
    let first = |((line, column), messages): ((usize, usize), BTreeSet<String>)| {
        let others = messages.len() - 1;
        let mut message = messages.into_iter().next()?;
        if others > 0 {
            message = format!("{message} ({others} more tools have the same problem)");
        }
        Some(Problem { line, column, message })
    };
    places.into_iter().filter_map(first).collect()
}

fn is_impossible(problem: &Problem) -> bool {
    problem.message.contains("impossible") || problem.message.contains("unable to find an applicable action")
}

/// Each problem once, in the order of the file.
pub(super) fn sorted(problems: impl Iterator<Item = Problem>) -> Vec<Problem> {
    let all: BTreeSet<Problem> = problems.collect();
    all.into_iter().take(MAX_PROBLEMS).collect()
}

/// The part of a name that an error repeats.
pub(super) fn named(name: &str) -> String {
    format!("`{}`", shortened(name))
}
