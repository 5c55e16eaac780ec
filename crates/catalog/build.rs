//! Reads `tools/<surface>/<toolset>.yaml`, checks every entry and hands the crate the catalog as Rust.
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
    pub(crate) mod present;
    pub(crate) mod request;
    pub(crate) mod tool;
    pub(crate) mod types;
    pub(crate) mod walk;
}
use catalog::{
    check::{Problem, check, check_surface},
    checks::Check,
    present,
    request::{Binding, Request},
    tool::{IdempotencyKey, Input, Tool, Toolset},
};

/// The folder of the tools, relative to this package. Cargo runs build scripts in the package's folder.
const TOOLS: &str = "../../tools";

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
    println!("cargo::rerun-if-changed={TOOLS}");
    println!("cargo::rerun-if-changed=build.rs");
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    let mut owners: HashMap<String, PathBuf> = HashMap::new();
    for folder in sorted(Path::new(TOOLS))?.into_iter().filter(|path| path.is_dir()) {
        let surface = stem(&folder);
        let mut files = Vec::new();
        for path in sorted(&folder)? {
            match read(&path) {
                Ok(file) => files.push((path, file)),
                Err(error) => problems.push(format!("{}: {error}", named(&path))),
            }
        }
        for (path, file) in &files {
            let shown = named(path);
            if file.toolset != stem(path) {
                problems.push(format!(
                    "{shown}: field `toolset`: expected `{}`, the name of the file",
                    stem(path)
                ));
            }
            let broken = check(file, surface == "local");
            problems.extend(broken.iter().map(|problem| format!("{shown}: {problem}")));
            for tool in &file.tools {
                entries.push(entry(&surface, &file.toolset, tool)?);
                if let Some(other) = owners.insert(tool.name.to_string(), path.clone())
                    && other != *path
                {
                    problems.push(format!(
                        "{shown}: tool `{}`, field `name`: also appears in {}",
                        tool.name,
                        named(&other)
                    ));
                }
            }
        }
        let files: Vec<&Toolset> = files.iter().map(|(_, file)| file).collect();
        problems.extend(
            check_surface(&files).iter().map(|problem| format!("{}: {problem}", shown(&owners, problem))),
        );
    }
    if !problems.is_empty() {
        return Err(problems.join("\n").into());
    }
    let target = PathBuf::from(env::var("OUT_DIR")?);
    let text = format!("static ENTRIES: [Entry; {}] = [{}];", entries.len(), entries.join(",\n"));
    fs::write(target.join("catalog.rs"), text)?;
    Ok(())
}

fn read(path: &Path) -> Result<Toolset, Fault> {
    let mut file: Toolset = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    file.tools.iter_mut().for_each(Tool::expand);
    Ok(file)
}

/// A path relative to the root of the project.
fn named(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix("../..").unwrap_or(path).display()
}

/// The file that defines the tool of a problem.
fn shown(owners: &HashMap<String, PathBuf>, problem: &Problem) -> String {
    owners.get(&problem.tool).map(|path| named(path).to_string()).unwrap_or_default()
}

/// An entry of the catalog as an expression of Rust, so that the program has nothing to read when it starts.
fn entry(surface: &str, toolset: &str, tool: &Tool<Input>) -> Result<String, Fault> {
    let Tool {
        name,
        title,
        description,
        request,
        answers,
        presents,
        keywords,
        effect,
        money,
        checks,
        idempotent,
        idempotency,
        atomic,
        settled_by,
        not_settled,
        unchanged,
        limit,
        default,
        input,
    } = tool;
    let surface = format!("{}{}", surface[..1].to_uppercase(), &surface[1..]);
    let text = |text: &str| format!("Cow::Borrowed({text:?})");
    let (name, title, description) = (text(name), text(title), text(description));
    let keywords = keywords.iter().map(|keyword| text(keyword)).collect::<Vec<_>>().join(", ");
    let request = optional(request.as_ref().map(|Request { method, path, bindings }| {
        let bindings: Vec<String> = bindings
            .iter()
            .map(|Binding { argument, place, name, style }| {
                let (argument, name) = (text(argument), text(name));
                format!(
                    "Binding {{ argument: {argument}, place: Place::{place:?}, name: {name}, style: Style::{style:?} }}"
                )
            })
            .collect();
        let (path, bindings) = (text(path), bindings.join(", "));
        format!(
            "Request {{ method: Method::{method:?}, path: {path}, bindings: Cow::Borrowed(&[{bindings}]) }}"
        )
    }));
    let money = optional(money.as_ref().map(|money| {
        let (amount, currency) = (text(&money.amount), optional(money.currency.as_deref().map(text)));
        format!("Money {{ amount: {amount}, currency: {currency}, unit: MoneyUnit::{:?} }}", money.unit)
    }));
    let idempotency = optional(idempotency.as_ref().map(|key| match key {
        IdempotencyKey::Body(name) => format!("IdempotencyKey::Body({})", text(name)),
        IdempotencyKey::Header(name) => format!("IdempotencyKey::Header({})", text(name)),
    }));
    let checks = checks.iter().map(written).collect::<Vec<_>>().join(", ");
    let answers = optional(answers.map(|answers| format!("Local::{answers:?}")));
    let presents = optional(presents.map(|presents| format!("Presentation::{presents:?}")));
    let [settled_by, not_settled] = [settled_by, not_settled].map(|said| optional(said.as_deref().map(text)));
    let unchanged = optional(unchanged.as_ref().map(|unchanged| {
        let unless = unchanged.unless.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ");
        format!("Unchanged {{ zero: {}, unless: Cow::Borrowed(&[{unless}]) }}", text(&unchanged.zero))
    }));
    let limit = optional(limit.map(|limit| format!("SpecialLimit::{limit:?}")));
    let shown = present::shown(input);
    let shown = (shown != *input).then(|| serde_json::to_string(&shown)).transpose()?;
    let shown = optional(shown.map(|shown| format!("Schema::new({shown:?})")));
    let schema = serde_json::to_string(input)?;
    Ok(format!(
        "Entry::new(Surface::{surface}, Cow::Borrowed({toolset:?}), Tool {{ name: {name}, title: {title}, \
         description: {description}, request: {request}, answers: {answers}, presents: {presents}, keywords: Cow::Borrowed(&[{keywords}]), \
         effect: Effect::{effect:?}, money: {money}, checks: Cow::Borrowed(&[{checks}]), idempotent: {idempotent}, idempotency: {idempotency}, atomic: {atomic}, \
         settled_by: {settled_by}, not_settled: {not_settled}, unchanged: {unchanged}, limit: {limit}, default: {default}, input: Schema::new({schema:?}) }}, {shown})"
    ))
}

fn written(check: &Check) -> String {
    let text = |text: &str| format!("Cow::Borrowed({text:?})");
    match check {
        Check::LessOrEqual(first, second) => format!("Check::LessOrEqual({}, {})", text(first), text(second)),
        Check::Before(first, second) => format!("Check::Before({}, {})", text(first), text(second)),
        Check::Needs(first, second) => format!("Check::Needs({}, {})", text(first), text(second)),
        Check::NotPast { date, days } => format!("Check::NotPast {{ date: {}, days: {days} }}", text(date)),
        Check::Currency(path) => format!("Check::Currency({})", text(path)),
        Check::Unique(path) => format!("Check::Unique({})", text(path)),
    }
}

fn optional(value: Option<String>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
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
