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
    pub(crate) mod present;
    pub(crate) mod request;
    pub(crate) mod subschemas;
    pub(crate) mod tool;
    pub(crate) mod types;
    pub(crate) mod walk;
}
use catalog::{
    check::{Finding, check, check_surface},
    checks::Check,
    present,
    request::{Binding, Request},
    tool::{IdempotencyKey, Input, Money, ReadOf, Replaced, Start, Subject, Text, Tool, Toolset},
};

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
    let mut entries = Vec::new();
    let mut findings = Vec::new();
    let mut owners: HashMap<String, PathBuf> = HashMap::new();
    for folder in sorted(Path::new(TOOLS))?.into_iter().filter(|path| path.is_dir()) {
        let surface = stem(&folder);
        if !is_surface_name(&surface) {
            findings.push(format!(
                "{}: expected a folder with the name of a surface, in letters a-z",
                relative(&folder)
            ));
            continue;
        }
        let mut files = Vec::new();
        for path in
            sorted(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        {
            match read(&path) {
                Ok(file) => files.push((path, file)),
                Err(error) => findings.push(format!("{}: {error}", relative(&path))),
            }
        }
        for (path, file) in &files {
            let location = relative(path);
            if file.toolset != stem(path) {
                findings.push(format!(
                    "{location}: field `toolset`: expected `{}`, the name of the file",
                    stem(path)
                ));
            }
            let broken = check(file, surface == "local");
            findings.extend(broken.iter().map(|finding| format!("{location}: {finding}")));
            for tool in &file.tools {
                entries.push(entry(&surface, &file.toolset, tool)?);
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
        findings.extend(
            check_surface(&files).iter().map(|finding| format!("{}: {finding}", file_of(&owners, finding))),
        );
    }
    if !findings.is_empty() {
        return Err(findings.join("\n").into());
    }
    let target = PathBuf::from(env::var("OUT_DIR")?);
    let text = format!("static ENTRIES: [Entry; {}] = [{}];", entries.len(), entries.join(",\n"));
    fs::write(target.join("catalog.rs"), text)?;
    Ok(())
}

fn read(path: &Path) -> Result<Toolset, Error> {
    let mut file: Toolset = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    file.tools.iter_mut().for_each(Tool::expand);
    Ok(file)
}

/// A path relative to the root of the project.
fn relative(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix("../..").unwrap_or(path).display()
}

/// The file that defines the tool of a finding.
fn file_of(owners: &HashMap<String, PathBuf>, finding: &Finding) -> String {
    owners.get(&finding.tool).map(|path| relative(path).to_string()).unwrap_or_default()
}

/// Writes an entry of the catalog as a Rust expression, so that the program has nothing to parse when it starts.
fn entry(surface: &str, toolset: &str, tool: &Tool<Input>) -> Result<String, Error> {
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
        subject,
        consequence,
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
    let surface = capitalized(surface);
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
    let money = optional(money.as_ref().map(money_expression));
    let subject = optional(subject.as_ref().map(|Subject { kind, id, from, name }| {
        let (kind, id, name) = (text(kind), text(id), text(name));
        let from = optional(from.as_ref().map(read_expression));
        format!("Subject {{ kind: {kind}, id: {id}, from: {from}, name: {name} }}")
    }));
    let consequence = optional(consequence.as_deref().map(text));
    let idempotency = optional(idempotency.as_ref().map(|key| match key {
        IdempotencyKey::Body(name) => format!("IdempotencyKey::Body({})", text(name)),
        IdempotencyKey::Header(name) => format!("IdempotencyKey::Header({})", text(name)),
    }));
    let checks = checks.iter().map(check_expression).collect::<Vec<_>>().join(", ");
    let answers = optional(answers.map(|answers| format!("Local::{answers:?}")));
    let presents = optional(presents.map(|presents| format!("Presentation::{presents:?}")));
    let [settled_by, not_settled] =
        [settled_by, not_settled].map(|given| optional(given.as_deref().map(text)));
    let unchanged = optional(unchanged.as_ref().map(|unchanged| {
        let unless = unchanged.unless.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ");
        format!("Unchanged {{ zero: {}, unless: Cow::Borrowed(&[{unless}]) }}", text(&unchanged.zero))
    }));
    let limit = optional(limit.map(|limit| format!("SpecialLimit::{limit:?}")));
    let listed = present::simplify(input);
    let listed = (listed != *input).then(|| serde_json::to_string(&listed)).transpose()?;
    let listed = optional(listed.map(|listed| format!("Schema::new({listed:?})")));
    let schema = serde_json::to_string(input)?;
    Ok(format!(
        "Entry::new(Surface::{surface}, Cow::Borrowed({toolset:?}), Tool {{ name: {name}, title: {title}, \
         description: {description}, request: {request}, answers: {answers}, presents: {presents}, keywords: Cow::Borrowed(&[{keywords}]), \
         effect: Effect::{effect:?}, money: {money}, subject: {subject}, consequence: {consequence}, checks: Cow::Borrowed(&[{checks}]), idempotent: {idempotent}, idempotency: {idempotency}, atomic: {atomic}, \
         settled_by: {settled_by}, not_settled: {not_settled}, unchanged: {unchanged}, limit: {limit}, default: {default}, input: Schema::new({schema:?}) }}, {listed})"
    ))
}

/// Writes where the money of a tool is as a Rust expression.
fn money_expression(money: &Money) -> String {
    let text = |text: &Text| format!("Cow::Borrowed({text:?})");
    let Money { amount, currency, unit, replaces, starts, unmeasured } = money;
    let (amount, currency) = (text(amount), optional(currency.as_ref().map(text)));
    let replaces = optional(replaces.as_ref().map(|Replaced { id, from, amount, currency }| {
        let (id, from, amount, currency) = (text(id), read_expression(from), text(amount), text(currency));
        format!("Replaced {{ id: {id}, from: {from}, amount: {amount}, currency: {currency} }}")
    }));
    let starts =
        optional(starts.as_ref().map(|Start { argument, is }| {
            format!("Start {{ argument: {}, is: {} }}", text(argument), text(is))
        }));
    let unmeasured = unmeasured.iter().map(text).collect::<Vec<_>>().join(", ");
    format!(
        "Money {{ amount: {amount}, currency: {currency}, unit: MoneyUnit::{unit:?}, replaces: {replaces}, starts: {starts}, \
         unmeasured: Cow::Borrowed(&[{unmeasured}]) }}"
    )
}

/// Writes where an object is read as a Rust expression.
fn read_expression(read: &ReadOf) -> String {
    let text = |text: &Text| format!("Cow::Borrowed({text:?})");
    let ReadOf { read, with, object, key } = read;
    let with = with.iter().map(text).collect::<Vec<_>>().join(", ");
    let key = optional(key.as_ref().map(text));
    format!(
        "ReadOf {{ read: {}, with: Cow::Borrowed(&[{with}]), object: {}, key: {key} }}",
        text(read),
        text(object)
    )
}

/// Writes a check as a Rust expression.
fn check_expression(check: &Check) -> String {
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

/// Whether a folder's name can be the name of a surface, which is also the name of a variant of `Surface`.
fn is_surface_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn optional(value: Option<String>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
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
