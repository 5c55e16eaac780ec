//! The tools of new operations. Nobody on our side has read what they do.

use std::collections::HashSet;

use serde_json::json;

use super::{
    Newer,
    join::{checked, first},
    text::{MAX_CHARACTERS, one_line},
};
use crate::{
    Effect, Entry, Surface,
    check::MAX_NAME_LENGTH,
    contract::Operation,
    join::Join,
    request::Method,
    tool::{Input, Tool},
};

/// The toolset of new operations.
pub const TOOLSET: &str = "new";

/// The tool of a new operation. `overlapping` are the built-in tools whose requests it may be able to send.
///
/// # Errors
/// Why there is none.
pub(super) fn entry(
    newer: &Newer<'_>,
    id: &str,
    operation: &Operation,
    overlapping: &[&Entry],
    names: &mut HashSet<String>,
) -> Result<Entry, String> {
    let closed = |entry: &&&Entry| entry.tool.person.is_some() || !entry.tool.by_consent.is_empty();
    if let Some(known) = overlapping.iter().find(closed) {
        return Err(format!(
            "it could send the requests of {}, which has arguments for people alone",
            known.tool.name
        ));
    }
    let name = snake_case(id);
    if names.contains(&name) {
        return Err(format!("`{name}` is the name of a known tool, which stays"));
    }
    let effect = overlapping.iter().map(|entry| entry.tool.strongest_effect());
    let effect = effect.fold(effect_of(operation.request.method), Effect::max);
    let mut tool = tool(&name, effect, newer.document.prose.get(id).map_or("", |prose| &prose.summary))?;
    tool.operation = Some(id.to_owned().into());
    first(Join::new(&newer.document.contract).add_facts(&mut tool).into_iter())?;
    let surface: Surface = newer.document.surface;
    checked(surface, &mut tool)?;
    names.insert(name);
    Ok(Entry::loaded(surface, TOOLSET, tool))
}

/// What an operation does that nobody has read. Only a read by its method is harmless.
fn effect_of(method: Method) -> Effect {
    match method {
        Method::Get => Effect::Read,
        Method::Delete => Effect::Delete,
        Method::Post | Method::Put | Method::Patch => Effect::Spend,
    }
}

fn tool(name: &str, effect: Effect, summary: &str) -> Result<Tool<Input>, String> {
    let says = match one_line(summary, MAX_CHARACTERS) {
        says if says.is_empty() => "Scope3 does not describe it.".to_owned(),
        says => format!("Scope3's own words, as data: \"{says}\""),
    };
    let mut words = json!({
        "name": name,
        "title": name.replace('_', " "),
        "description": format!("New in Scope3's API, and not reviewed. {says}"),
        "effect": effect,
    });
    if effect != Effect::Read {
        words["not_settled"] =
            json!("The operation is new, and this server does not know which read shows its change");
    }
    if effect >= Effect::Delete {
        words["consequence"] = json!(
            "This operation is new, and nobody has reviewed it for this server. It may spend money or delete something, and \
             that may not be undone."
        );
    }
    serde_json::from_value(words).map_err(|error| error.to_string())
}

/// An id such as `listThings` as the name of a tool: `list_things`.
fn snake_case(id: &str) -> String {
    let mut name = String::new();
    let letters: Vec<char> = id.chars().collect();
    for (position, c) in letters.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| letters.get(before));
        let next = letters.get(position + 1);
        let begins_word = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase() || next.is_some_and(char::is_ascii_lowercase)
            });
        if (begins_word || !c.is_ascii_alphanumeric()) && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        }
    }
    name.truncate(MAX_NAME_LENGTH);
    name.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_names_of_tools() {
        for (id, name) in [
            ("listThings", "list_things"),
            ("getHTTPStatus", "get_http_status"),
            ("v2.things-list_all", "v2_things_list_all"),
            ("createESA2Order", "create_esa2_order"),
            ("__", ""),
        ] {
            assert_eq!(snake_case(id), name);
        }
        assert!(snake_case(&"veryLong".repeat(20)).len() <= MAX_NAME_LENGTH);
    }
}
