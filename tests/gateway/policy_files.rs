//! Policy files that are rejected, each with the place of its mistake.

use std::fs;

use scope3_mcp_gateway::{
    catalog::Catalog,
    policy::{Policy, Rules, RulesError, Selection},
};
use tempfile::TempDir;

use super::policy::{ALL, write};

fn rejected(text: &str) -> Vec<String> {
    match Rules::parse(text, &Catalog::embedded()).unwrap_err() {
        RulesError::Invalid(problems) => problems.iter().map(ToString::to_string).collect(),
        fault @ RulesError::Schema(_) => panic!("{fault:?}"),
    }
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let create = "forbid(principal, action == Action::\"campaign_create\", resource)";
    for (text, expected) in [
        (String::new(), "1:1: the file has no rule"),
        ("// nothing\n".to_owned(), "1:1: the file has no rule"),
        ("forbid(principal, action, resource);".to_owned(), "1:1: no rule permits anything"),
        (format!("{ALL}\n  forbid(principal, action, resource)"), "3:"),
        (
            format!("{ALL}forbid(principal, action == Action::\"campaign_creat\", resource);"),
            "2:29: unrecognized action `Action::\"campaign_creat\"`; did you mean `Action::\"campaign_create\"`?",
        ),
        (
            format!("{ALL}forbid(principal, action in Action::\"effect:spnd\", resource);"),
            "2:29: unrecognized action `Action::\"effect:spnd\"`; did you mean `Action::\"effect:spend\"`?",
        ),
        (
            format!("{ALL}{create} when {{ context.arguments.budgt.total > 5 }};"),
            "2:73: attribute `arguments.budgt` in context for Action::\"campaign_create\" not found; did you mean `budget`?",
        ),
        (
            format!("{ALL}{create} when {{ context.arguments.budget.total > \"5\" }};"),
            "unexpected type: expected Long",
        ),
        (format!("{ALL}{create} when {{ context.amount > 5 }};"), "optional attribute"),
        (
            format!(
                "{ALL}forbid(principal, action, resource) when {{ context.arguments.budget.total > 5 }};"
            ),
            "more tools have the same problem",
        ),
        (format!("{ALL}forbid(principal == User::\"x\", action, resource);"), "2:"),
        (
            format!("{ALL}@shadw(\"why\") {create};"),
            "2:1: unknown annotation `@shadw`; did you mean `@shadow`?",
        ),
        (format!("{ALL}@ask {create};"), "2:1: `@ask` needs a text"),
        (format!("{ALL}@ask(\"a\") @shadow(\"b\") {create};"), "2:1: a rule has either"),
        ("@shadow(\"b\") permit(principal, action, resource);".to_owned(), "belong to a `forbid`"),
        (
            format!("{ALL}@id(\"a\") {create};\n@id(\"a\") {create} when {{ context.hour > 3 }};"),
            "3:1: the name `a`",
        ),
        (format!("{ALL}{create};\n{create};"), "3:1: the same rule is already in line 2"),
        (format!("{ALL}{create} when {{ context.hour > 3 && false }};"), "2:1: policy is impossible"),
        (format!("{ALL}forbid(principal == ?principal, action, resource);"), "2:1: a rule with `?principal`"),
    ] {
        let found = rejected(&text);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{text}\n{found:?}");
        assert!(found.iter().all(|problem| !problem.contains("policy0")), "{found:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_change_is_rejected() {
    use std::os::unix::fs::PermissionsExt;
    let (catalog, folder) = (Catalog::embedded(), TempDir::new().unwrap());
    let path = write(&folder, ALL);
    let open = || {
        let policy = Policy::new(&catalog, Selection::default()).unwrap();
        policy.with_file(path.clone(), &catalog).map(|_| ()).map_err(|error| error.to_string())
    };
    for mode in [0o666, 0o664, 0o646] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(open().unwrap_err().contains("chmod go-w"), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(open(), Ok(()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, format!("{ALL}//{}", "x".repeat(1 << 20))).unwrap();
    assert!(open().unwrap_err().contains("at most 1 MiB"));
}
