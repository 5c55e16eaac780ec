//! What clients see of the catalog, and what it may cost them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use scope3_mcp_gateway::catalog::{Catalog, Effect, Entry, Surface, shape};
use serde_json::{Value, json};

use crate::support::Session;

/// A name, a description and an input schema, as a model is shown them.
fn for_models(entry: &Entry) -> Value {
    json!({ "name": entry.tool.name, "description": entry.tool.description, "inputSchema": *entry.shown_schema() })
}

fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len()
}

fn tokens_of<'a>(entries: impl Iterator<Item = &'a Entry>) -> usize {
    entries.map(|entry| tokens(&for_models(entry).to_string())).sum()
}

#[test]
fn the_catalog_costs_a_small_share_of_a_models_context() {
    let catalog = Catalog::of_surfaces(&[Surface::Campaign]);
    let is_listed = |entry: &&Entry| entry.tool.default && entry.toolset != "discover";
    let default = tokens_of(catalog.entries().filter(is_listed));
    let all = tokens_of(catalog.entries().filter(|entry| entry.surface == Surface::Campaign));
    println!("default set: {default} tokens; all 65: {all} tokens");
    assert!(default <= 5_000, "the default set takes {default} tokens");
    assert!(all <= 9_000, "all 65 take {all} tokens");
}

#[tokio::test]
async fn the_whole_list_of_the_default_set_is_small() {
    let mut session = Session::sandbox(&[]).await;
    let answer = session.request("tools/list", json!({})).await;
    let whole = tokens(&answer["result"].to_string());
    println!("tools/list of the default set: {whole} tokens");
    assert!(whole <= 8_000, "tools/list takes {whole} tokens");
}

#[tokio::test]
async fn every_tool_looks_as_reviewed() {
    let mut session = Session::sandbox(&["--toolsets", "all"]).await;
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("../snapshots/tools");
    let _bound = settings.bind_to_scope();
    let mut cursor = json!({});
    let mut names = BTreeSet::new();
    loop {
        let page = session.request("tools/list", cursor).await["result"].clone();
        for tool in page["tools"].as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is listed twice");
            insta::assert_snapshot!(name, format!("{tool:#}"));
        }
        match &page["nextCursor"] {
            Value::Null => break,
            next => cursor = json!({ "cursor": next }),
        }
    }
    assert_eq!(names.len(), 68);
    // A tool that is gone leaves no snapshot behind.
    let kept =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/tools")).unwrap();
    for file in kept {
        let file = file.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(file.trim_end_matches(".snap")), "{file} belongs to no tool");
    }
}

#[tokio::test]
async fn every_toolset_of_v2_looks_as_reviewed() {
    for (surface, tools) in [("buyer", 210), ("storefront", 267), ("measurement", 9)] {
        let mut session = Session::sandbox(&["--api", surface, "--toolsets", "all"]).await;
        let answer = session.request("tools/list", json!({})).await;
        let mut toolsets: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for tool in answer["result"]["tools"].as_array().unwrap() {
            if tool["_meta"]["scope3-mcp/surface"] == surface {
                toolsets.entry(tool["_meta"]["scope3-mcp/toolset"].as_str().unwrap()).or_default().push(tool);
            }
        }
        assert_eq!(toolsets.values().map(Vec::len).sum::<usize>(), tools, "{surface}");
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path(format!("../snapshots/toolsets/{surface}"));
        settings.bind(|| {
            for (toolset, tools) in toolsets {
                insta::assert_snapshot!(toolset, format!("{:#}", json!(tools)));
            }
        });
    }
}

#[test]
fn shown_schemas_are_portable_and_never_ask_for_more_than_the_full_ones() {
    fn walk(schema: &Value, path: &str) {
        /// What google-genai's `Schema` takes and every other provider reads alike.
        const TAKEN: [&str; 19] = [
            "type",
            "title",
            "description",
            "default",
            "enum",
            "format",
            "pattern",
            "properties",
            "required",
            "items",
            "additionalProperties",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
        ];
        let object = schema.as_object().unwrap_or_else(|| panic!("{path} is a boolean schema"));
        for word in object.keys() {
            assert!(TAKEN.contains(&word.as_str()), "{path} has {word}");
        }
        assert!(object["type"].is_string(), "{path} has no single type");
        for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            walk(property, &format!("{path}.{name}"));
        }
        for word in ["items", "additionalProperties"] {
            // Of a tool without arguments.
            if let Some(inner) = object.get(word).filter(|inner| **inner != json!(false)) {
                walk(inner, &format!("{path}.{word}"));
            }
        }
    }
    for entry in Catalog::embedded().entries() {
        let shown = json!(*entry.shown_schema());
        let name = &entry.tool.name;
        assert_eq!(shown["type"], "object", "{name}");
        walk(&shown, name);
        let names = |list: &Value| -> BTreeSet<String> {
            list.as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let required = names(&entry.tool.input.object().get("required").cloned().unwrap_or_default());
        if entry.tool.operation.is_some() {
            assert!(names(&shown["required"]).is_superset(&required), "{name}");
            for argument in shape(&entry.tool) {
                assert!(shown.to_string().contains(&argument.name), "{name} does not name {}", argument.name);
            }
            continue;
        }
        assert_eq!(names(&shown["required"]), required, "{name}");
        let keys = |schema: &Value| -> BTreeSet<String> {
            schema["properties"].as_object().map(|it| it.keys().cloned().collect()).unwrap_or_default()
        };
        assert_eq!(keys(&shown), keys(&Value::Object(entry.tool.input.object().clone())), "{name}");
        let objects = |schema: &Value| schema.to_string().matches("\"properties\":").count();
        if objects(&shown) < objects(&Value::Object(entry.tool.input.object().clone())) {
            assert!(shown.to_string().contains("describe_tool"), "{name} does not say where the rest is");
        }
        let takes_nothing = shown["properties"].as_object().is_none_or(serde_json::Map::is_empty);
        assert_eq!(shown["additionalProperties"] == false, takes_nothing, "{name}");
    }
}

#[test]
fn a_tool_that_moves_a_budget_says_where_and_in_which_unit() {
    let catalog = Catalog::embedded();
    for name in ["campaign_create", "campaign_update", "create_tactic", "tactic_update"] {
        let tool = &catalog.get(name).unwrap().tool;
        assert_eq!(tool.effect, Effect::Spend, "{name}");
        assert!(tool.money.is_some(), "{name}");
        assert!(
            tool.description.contains("HUNDREDTHS") || tool.description.contains("CURRENCY UNITS"),
            "{name}"
        );
    }
    for entry in catalog.entries() {
        if entry.tool.money.is_some() {
            let strongest =
                entry.tool.effect_when.iter().map(|when| when.effect).chain([entry.tool.effect]).max();
            assert_eq!(strongest, Some(Effect::Spend), "{} has money and does not spend", entry.tool.name);
        }
        if entry.tool.name.ends_with("_delete") || entry.tool.name.ends_with("_unregister") {
            assert_eq!(entry.tool.effect, Effect::Delete, "{}", entry.tool.name);
        }
    }
}

/// The published documents are not part of the project. `SPECS_DIR` names a folder that has them.
#[test]
fn every_published_operation_is_a_tool() {
    let Some(specs) = std::env::var_os("SPECS_DIR") else {
        println!("skipped: SPECS_DIR is not set");
        return;
    };
    let text = std::fs::read_to_string(Path::new(&specs).join("campaign-v1.openapi.yaml")).unwrap();
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let mut published = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = match operation["operationId"].as_str().unwrap() {
                "auth_check" => "check_auth_status",
                name => name,
            };
            published.insert((name.to_owned(), format!("{} {path}", method.to_uppercase())));
        }
    }
    let catalog = Catalog::embedded();
    let tools = catalog.entries().filter(|entry| entry.surface == Surface::Campaign);
    let offered: BTreeSet<_> = tools
        .map(|entry| (entry.tool.name.to_string(), entry.tool.request.as_ref().unwrap().to_string()))
        .collect();
    assert_eq!(offered, published);
    assert_eq!(offered.len(), 65);
}
