//! Reads `tools/<surface>/<toolset>.yaml`, checks every entry and writes the catalog as Rust code.
//!
//! A broken file fails the build with a message that names the file, the tool and the field.

// The build script uses only some of the items in these files.
#![allow(dead_code, unreachable_pub)]

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[path = "src"]
mod catalog {
    pub(crate) mod check;
    pub(crate) mod checks;
    pub(crate) mod contract;
    pub(crate) mod digest;
    pub(crate) mod join;
    pub(crate) mod present;
    pub(crate) mod request;
    pub(crate) mod response;
    pub(crate) mod subschemas;
    pub(crate) mod tool;
    pub(crate) mod types;
    pub(crate) mod walk;
    pub(crate) mod words;
}
#[path = "build/generated.rs"]
mod generated;
#[path = "build/literal.rs"]
mod literal;

use catalog::{
    check::{Finding, check, surface::check_surface},
    contract::Contract,
    join::{self, Join},
    present,
    tool::{Input, Tool, Toolset},
};
use generated::{Generated, capitalized};

/// The folder of the tools, relative to this package. Cargo runs build scripts in the package's folder.
const TOOLS: &str = "../../tools";

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Error> {
    println!("cargo::rerun-if-changed={TOOLS}");
    println!("cargo::rerun-if-changed=build.rs");
    let mut generated = Generated::default();
    let mut findings = Vec::new();
    let mut surfaces = Vec::new();
    for folder in sorted(Path::new(TOOLS))?.into_iter().filter(|path| path.is_dir()) {
        let surface = stem(&folder);
        if is_surface_name(&surface) {
            surfaces.push((surface, contract(&folder)?, folder));
        } else {
            findings.push(format!(
                "{}: expected a folder with the name of a surface, in letters a-z",
                relative(&folder)
            ));
        }
    }
    for (position, (surface, facts, folder)) in surfaces.iter().enumerate() {
        generated.servers.extend(facts.iter().map(|facts| (capitalized(surface), facts.server.clone())));
        let (before, after) = (&surfaces[..position], &surfaces[position + 1..]);
        let facts = facts.as_ref().map(|facts| Facts {
            contract: facts,
            before: before.iter().filter_map(|(_, facts, _)| facts.as_ref()).collect(),
            after: after.iter().filter_map(|(name, facts, _)| Some((&**name, facts.as_ref()?))).collect(),
        });
        findings.extend(embed_surface(folder, surface, facts, &mut generated)?);
    }
    if !findings.is_empty() {
        return Err(findings.join("\n").into());
    }
    let target = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(target.join("catalog.rs"), generated.code())?;
    Ok(())
}

/// The contract of a surface, if it has one.
fn contract(folder: &Path) -> Result<Option<Contract>, Error> {
    let file = folder.join("contract.json");
    if !file.exists() {
        return Ok(None);
    }
    let read = serde_json::from_slice(&fs::read(&file)?);
    Ok(Some(read.map_err(|error| format!("{}: {error}", relative(&file)))?))
}

/// The contract of a surface, and those of the surfaces before and after it. An operation that several have at the same
/// address is one tool, with words in the first of them.
struct Facts<'a> {
    contract: &'a Contract,
    before: Vec<&'a Contract>,
    after: Vec<(&'a str, &'a Contract)>,
}

impl Facts<'_> {
    /// Whether a surface before this one has the operation too.
    fn has_words_before(&self, id: &str) -> bool {
        self.before.iter().any(|before| share(before, self.contract, id))
    }

    /// What the contract says about an operation, in digests.
    fn digests(&self, id: &str) -> Option<Digests> {
        let operation = self.contract.operations.get(id)?;
        Some(Digests {
            facts: join::facts(self.contract, operation),
            description: operation.description.clone().unwrap_or_default(),
        })
    }

    /// The surfaces after this one that have the operation too.
    fn shared_with(&self, id: &str) -> Vec<&str> {
        let shared = self.after.iter().filter(|(_, after)| share(self.contract, after, id));
        shared.map(|(name, _)| *name).collect()
    }
}

/// The digests of what a contract says about an operation.
#[derive(Default)]
struct Digests {
    facts: String,
    description: String,
}

/// Whether both documents have the operation at the same address, which is not below the base URL of either.
fn share(one: &Contract, other: &Contract, id: &str) -> bool {
    let both = one.operations.get(id).zip(other.operations.get(id));
    both.is_some_and(|(one, other)| {
        one.base.is_some() && one.base == other.base && one.request == other.request
    })
}

/// Adds the tools of a surface to the generated code. Returns what is wrong with its files.
fn embed_surface(
    folder: &Path,
    surface: &str,
    facts: Option<Facts<'_>>,
    generated: &mut Generated,
) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    let mut files = Vec::new();
    for path in sorted(folder)?.into_iter().filter(|path| path.extension().is_some_and(|it| it == "yaml")) {
        match read(&path) {
            Ok(file) => files.push((path, file)),
            Err(error) => findings.push(format!("{}: {error}", relative(&path))),
        }
    }
    if !findings.is_empty() {
        return Ok(findings);
    }
    let mut words = HashMap::new();
    if let Some(facts) = &facts {
        let file = folder.join("contract.json");
        let location = relative(&file);
        for (_, file) in &files {
            for tool in &file.tools {
                words.insert(tool.name.to_string(), words_of(tool)?);
            }
        }
        let mut join = Join::new(facts.contract);
        for (path, file) in &mut files {
            let broken = file.tools.iter_mut().flat_map(|tool| join.add_facts(tool));
            findings.extend(broken.map(|finding| format!("{}: {finding}", relative(path))));
        }
        let unworded = join.unworded().filter(|id| !facts.has_words_before(id));
        findings.extend(
            unworded.map(|id| format!("{location}: operation `{id}` has no words in a file beside it")),
        );
        let twice = join.worded().filter(|id| facts.has_words_before(id));
        findings.extend(twice.map(|id| {
            format!(
                "{location}: operation `{id}` has words here and in a surface before, at the same address"
            )
        }));
        if !findings.is_empty() {
            return Ok(findings);
        }
        generated.positions.clear();
    }
    let mut owners: HashMap<String, PathBuf> = HashMap::new();
    for (path, file) in &mut files {
        let location = relative(path);
        file.tools.iter_mut().for_each(Tool::expand);
        if file.toolset != stem(path) {
            findings.push(format!(
                "{location}: field `toolset`: expected `{}`, the name of the file",
                stem(path)
            ));
        }
        let listed: Vec<Input> = file.tools.iter().map(present::listed).collect();
        let broken = check(file, surface == "local", &listed);
        findings.extend(broken.iter().map(|finding| format!("{location}: {finding}")));
        for (tool, listed) in file.tools.iter().zip(listed) {
            let id = tool.operation.as_deref().unwrap_or_default();
            let also = facts.as_ref().map(|facts| facts.shared_with(id)).unwrap_or_default();
            let digests = facts.as_ref().and_then(|facts| facts.digests(id)).unwrap_or_default();
            let words = words.get(&*tool.name).map(String::as_str).unwrap_or_default();
            let published = format!(
                "Published {{ facts: {:?}, description: {:?}, words: {words:?} }}",
                digests.facts, digests.description
            );
            generated.add((surface, &also), &file.toolset, tool, &listed, &published)?;
            if let Some(other) = owners.insert(tool.name.to_string(), path.clone())
                && other != *path
            {
                findings.push(format!(
                    "{location}: tool `{}`, field `name`: also appears in {}",
                    tool.name,
                    relative(&other)
                ));
            }
        }
    }
    let files: Vec<&Toolset> = files.iter().map(|(_, file)| file).collect();
    let broken = check_surface(&files);
    findings.extend(broken.iter().map(|finding| format!("{}: {finding}", file_of(&owners, finding))));
    Ok(findings)
}

/// Our words and corrections for an operation, which the join moves into the input. A newer document is joined with them
/// again.
fn words_of(tool: &Tool<Input>) -> Result<String, Error> {
    if tool.arguments.is_empty() && tool.corrections.is_empty() {
        return Ok(String::new());
    }
    Ok(serde_json::to_string(&(&tool.arguments, &tool.corrections))?)
}

fn read(path: &Path) -> Result<Toolset, Error> {
    Ok(serde_saphyr::from_str(&fs::read_to_string(path)?)?)
}

/// A path relative to the root of the project.
fn relative(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix("../..").unwrap_or(path).display()
}

/// The file that defines the tool of a finding.
fn file_of(owners: &HashMap<String, PathBuf>, finding: &Finding) -> String {
    owners.get(&finding.tool).map(|path| relative(path).to_string()).unwrap_or_default()
}

/// Whether a folder's name can be the name of a surface, which is also the name of a variant of `Surface`.
fn is_surface_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The paths in a folder, sorted so that every build embeds the same catalog.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Error>>()?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
