//! The rules for entries that name others of the same surface.

use std::collections::HashMap;

use super::{
    super::{
        tool::{Effect, Input, Tool, Toolset},
        walk::Schemas,
    },
    Finding,
};

/// Checks all files of a surface together.
pub(crate) fn check_surface(files: &[&Toolset]) -> Vec<Finding> {
    let tools = || files.iter().flat_map(|file| &file.tools);
    let reads: HashMap<&str, &Tool<Input>> =
        tools().filter(|tool| tool.effect == Effect::Read).map(|tool| (&*tool.name, tool)).collect();
    let mut findings = Vec::new();
    for tool in tools() {
        let mut report = |field: &str, rule: String| {
            findings.push(Finding::new(&tool.name, field, rule));
        };
        let replaced = tool.money.as_ref().and_then(|money| money.replaces.as_ref());
        let named = [
            ("settled_by", tool.settled_by.as_ref(), None),
            ("money", replaced.map(|old| &old.from.read), replaced.map(|old| &old.from)),
        ];
        let subject = tool.subject.as_ref().and_then(|subject| subject.from.as_ref());
        let removes = tool.removes.as_ref().map(|removes| &removes.from);
        let other_id = tool.same_as.as_ref().and_then(|same| same.id.as_ref()).map(|id| &id.from);
        let named = named.into_iter().chain([
            ("subject", subject.map(|from| &from.read), subject),
            ("removes", removes.map(|from| &from.read), removes),
            ("same_as", other_id.map(|from| &from.read), other_id),
        ]);
        for (field, read, from) in named {
            let Some(read) = read else { continue };
            let Some(found) = reads.get(&**read) else {
                report(field, format!("`{read}` is not a read of the same surface"));
                continue;
            };
            let passed_on = from.into_iter().flat_map(|from| from.with.iter());
            for name in passed_on.filter(|name| !Schemas::of(&found.input).has_member(name)) {
                report(field, format!("`{name}` is not an argument of `{read}`"));
            }
        }
        if let Some(same) = &tool.same_as {
            let other = tools().find(|other| other.name == same.tool && other.effect == tool.effect);
            let has_id = |other: &Tool<Input>| {
                same.id.as_ref().is_none_or(|id| Schemas::of(&other.input).has_member(&id.other))
            };
            if !other.is_some_and(has_id) {
                report(
                    "same_as",
                    format!(
                        "`{}` is not a tool of the same surface with the same effect and the other id",
                        same.tool
                    ),
                );
            }
        }
    }
    findings
}
