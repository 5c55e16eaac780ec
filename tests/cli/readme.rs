//! The tables of the README are generated from the program, so that they cannot become stale.

use std::{fmt::Write, fs, path::Path};

use scope3_mcp::cli::Cli;
use scope3_mcp_gateway::catalog::{Catalog, Entry, Surface};

fn with_table(readme: &str, name: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = readme.find(&open).unwrap() + open.len();
    let end = readme.find(&close).unwrap();
    format!("{}\n{table}\n{}", &readme[..start], &readme[end..])
}

fn tools() -> String {
    let mut table = String::from("| tool | does | effect | toolset | default |\n|---|---|---|---|---|\n");
    for entry in Catalog::of_surfaces(&[Surface::Campaign]).entries() {
        let (tool, toolset) = (&entry.tool, &entry.toolset);
        let default = if tool.default { "yes" } else { "" };
        writeln!(table, "| `{}` | {} | {} | `{toolset}` | {default} |", tool.name, tool.title, tool.effect)
            .unwrap();
    }
    table
}

fn settings() -> String {
    let mut table = String::from("| flag | environment | default | meaning |\n|---|---|---|---|\n");
    for argument in Cli::command().get_arguments().filter(|argument| argument.get_env().is_some()) {
        let flag = argument.get_long().unwrap();
        let environment = argument.get_env().unwrap().to_str().unwrap();
        let takes_value = argument.get_action().takes_values();
        let default = match argument.get_default_values() {
            [value] if takes_value => format!("`{}`", value.to_str().unwrap()),
            _ => String::new(),
        };
        let meaning = argument.get_help().unwrap().to_string();
        writeln!(table, "| `--{flag}` | `{environment}` | {default} | {meaning} |").unwrap();
    }
    table
}

#[test]
fn the_tables_match_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let current = fs::read_to_string(&path).unwrap();
    let generated = with_table(&with_table(&current, "settings", &settings()), "tools", &tools());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &generated).unwrap();
        return;
    }
    assert_eq!(current, generated, "a table of the README is stale: run `make generated`");
}

#[test]
fn the_readme_has_the_number_of_tools() {
    let catalog = Catalog::of_surfaces(&[Surface::Campaign]);
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let campaign = catalog.entries().filter(|entry| entry.surface == Surface::Campaign).count();
    let is_listed = |entry: &&Entry| entry.tool.default && entry.toolset != "discover";
    let default = catalog.entries().filter(is_listed).count();
    assert!(readme.contains(&format!("the {campaign} operations")));
    assert!(readme.contains(&format!("default set of {default}")));
}

#[test]
fn the_example_configuration_is_json_with_existing_commands() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp.json.example")).unwrap();
    let example: serde_json::Value = serde_json::from_str(&text).unwrap();
    for server in example["mcpServers"].as_object().unwrap().values() {
        let arguments = server["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
        Cli::command().try_get_matches_from(["scope3-mcp"].into_iter().chain(arguments)).unwrap();
    }
}
