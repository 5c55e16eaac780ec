//! Reads `tools/<surface>/<toolset>.yaml`, checks every entry and hands the crate one JSON document to embed.
//!
//! A broken file fails the build with a message that names the file, the tool and the field.

// The build script uses a part of what these files offer to the crate.
#![allow(dead_code, unreachable_pub)]

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[path = "src/catalog"]
mod catalog {
    pub(crate) mod check;
    pub(crate) mod tool;
}
use catalog::{
    check::{PLAIN, check, is_plain},
    tool::Toolset,
};
use serde_json::{Map, Value};

type Fault = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            for line in fault.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Fault> {
    println!("cargo::rerun-if-changed=tools");
    println!("cargo::rerun-if-changed=build.rs");
    let mut surfaces: Vec<(String, Vec<Toolset<String, ()>>)> = Vec::new();
    let mut schemas = Vec::new();
    let mut problems = Vec::new();
    let mut owners: HashMap<String, PathBuf> = HashMap::new();
    for folder in sorted(Path::new("tools"))?.into_iter().filter(|path| path.is_dir()) {
        let surface = stem(&folder);
        let mut toolsets = Vec::new();
        for path in sorted(&folder)? {
            let shown = path.display();
            let mut file: Toolset<String, Map<String, Value>> =
                match serde_saphyr::from_str(&fs::read_to_string(&path)?) {
                    Ok(file) => file,
                    Err(error) => {
                        problems.push(format!("{shown}: {error}"));
                        continue;
                    }
                };
            file.tools
                .iter_mut()
                .filter(|tool| tool.input.is_empty())
                .for_each(|tool| tool.input = no_arguments());
            if file.toolset != stem(&path) {
                problems.push(format!("{shown}: field `toolset`: must be `{}` like the file", stem(&path)));
            }
            if !is_plain(&file.description) {
                problems.push(format!("{shown}: field `description`: {PLAIN}"));
            }
            problems
                .extend(check(&file, surface == "local").iter().map(|problem| format!("{shown}: {problem}")));
            for tool in &file.tools {
                if let Some(other) = owners.insert(tool.name.clone(), path.clone())
                    && other != path
                {
                    problems.push(format!(
                        "{shown}: tool `{}`, field `name`: stands in {} too",
                        tool.name,
                        other.display()
                    ));
                }
            }
            let Toolset { toolset, description, tools } = file;
            let mut without_schema = Vec::new();
            for tool in tools {
                let (tool, schema) = tool.with_input(());
                schemas.push(serde_json::to_string(&schema)?);
                without_schema.push(tool);
            }
            toolsets.push(Toolset { toolset, description, tools: without_schema });
        }
        surfaces.push((surface, toolsets));
    }
    if !problems.is_empty() {
        return Err(problems.join("\n").into());
    }
    let target = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(target.join("catalog.json"), serde_json::to_string(&surfaces)?)?;
    // Apart, in the same order, and as they are: the program reads a schema when it first needs it.
    fs::write(target.join("schemas.rs"), format!("{schemas:#?}"))?;
    Ok(())
}

/// The schema of a tool that says nothing of its arguments.
fn no_arguments() -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), "object".into()), ("properties".to_owned(), Map::new().into())])
}

/// The entries of a folder, so that every build embeds the same document.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Fault>>()?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
