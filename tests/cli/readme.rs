//! The tables of the README are generated from the program, so that they cannot become stale.

use std::{fmt::Write, fs, path::Path};

use scope3_mcp::cli::Cli;
use scope3_mcp_gateway::catalog::{Catalog, Entry, Surface, Tool};

fn with_table(readme: &str, name: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = readme.find(&open).unwrap() + open.len();
    let end = readme.find(&close).unwrap();
    format!("{}\n{table}\n{}", &readme[..start], &readme[end..])
}

/// The tools of the default API that are offered without further settings.
fn default_tools() -> String {
    let mut table = String::from("| tool | does | effect | toolset |\n|---|---|---|---|\n");
    for entry in Catalog::of_surfaces(&[Surface::Buyer]).entries().filter(|entry| is_offered(entry)) {
        let (tool, toolset) = (&entry.tool, &entry.toolset);
        writeln!(table, "| `{}` | {} | {} | `{toolset}` |", tool.name, tool.title, tool.effect).unwrap();
    }
    table
}

/// Every tool, by API.
fn all_tools() -> String {
    let mut text = String::new();
    for (surface, heading) in [
        (Surface::Buyer, "`--api buyer`, the default"),
        (Surface::Storefront, "`--api storefront`"),
        (Surface::Measurement, "`--api measurement`"),
        (Surface::Campaign, "`--api campaign`"),
        (Surface::Local, "With every API"),
    ] {
        let header = "| tool | does | effect | toolset | default |\n|---|---|---|---|---|";
        writeln!(text, "## {heading}\n\n{header}").unwrap();
        for entry in Catalog::of_surfaces(&[surface]).entries().filter(|entry| entry.surface == surface) {
            let (tool, toolset) = (&entry.tool, &entry.toolset);
            let default = if is_offered(entry) { "yes" } else { "" };
            let Tool { name, title, effect, .. } = tool;
            writeln!(text, "| `{name}` | {title} | {effect} | `{toolset}` | {default} |").unwrap();
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn is_offered(entry: &Entry) -> bool {
    entry.tool.default && entry.toolset != "discover"
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tables: [(&str, &[(&str, String)]); 2] = [
        ("README.md", &[("settings", settings()), ("tools", default_tools())]),
        ("docs/tools.md", &[("tools", all_tools())]),
    ];
    for (file, tables) in tables {
        let path = root.join(file);
        let current = fs::read_to_string(&path).unwrap();
        let generated =
            tables.iter().fold(current.clone(), |text, (name, table)| with_table(&text, name, table));
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&path, &generated).unwrap();
        } else {
            assert_eq!(current, generated, "a table of {file} is stale: run `make generated`");
        }
    }
}

#[test]
fn the_readme_has_the_number_of_tools() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let default = Catalog::of_surfaces(&[Surface::Buyer]).entries().filter(|entry| is_offered(entry)).count();
    assert!(readme.contains(&format!("default set of {default}")), "{default}");
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
