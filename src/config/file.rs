//! Settings from a TOML file.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use clap::Arg;
use scope3_mcp_gateway::catalog::{echo, nearest};
use toml::{Spanned, Value};

use super::{ConfigError, error::suggestion};

/// A setting of a file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name as it is written there.
    pub(super) name: String,
    /// Its value as a flag would take it; empty where it is set to nothing.
    pub(super) value: String,
    /// The line of its name, counted from 1.
    pub(super) line: usize,
}

/// Where the settings file is looked for when nobody names one, in order.
pub(super) fn usual_places() -> Vec<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME");
    let mut folders = vec![absolute("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))];
    if cfg!(target_os = "macos") {
        folders.push(home().map(|home| home.join("Library/Application Support")));
    }
    if cfg!(windows) {
        folders.push(absolute("APPDATA"));
    }
    folders.into_iter().flatten().map(|folder| folder.join("scope3-mcp").join("config.toml")).collect()
}

/// The settings of a file by their ids, such as `read_only`. `None` where there is no file.
///
/// # Errors
/// When the file cannot be read, is not TOML, or has a name that is not a setting's or a value of no use.
pub(super) fn read(path: &Path, settings: &[&Arg]) -> Result<Option<BTreeMap<String, Entry>>, ConfigError> {
    let wrong =
        |line: Option<usize>, problem: String| ConfigError::File { path: path.to_owned(), line, problem };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(wrong(None, error.to_string())),
    };
    // What editors on Windows put in front of a text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    let table: BTreeMap<Spanned<String>, Value> = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(span.start));
        wrong(line, error.message().to_owned())
    })?;
    let mut in_order: Vec<_> = table.into_iter().collect();
    in_order.sort_by_key(|(name, _)| name.span().start);
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for (name, value) in in_order {
        let line = line_of(name.span().start);
        let name = name.into_inner();
        let id = name.replace('-', "_");
        if !settings.iter().any(|setting| *setting.get_id() == id.as_str()) {
            return Err(wrong(Some(line), unknown(&name, &id, settings)));
        }
        if let Some(first) = entries.get(&id) {
            return Err(wrong(Some(line), format!("`{name}` is already set in line {}", first.line)));
        }
        let value = plain(&value).ok_or_else(|| {
            wrong(Some(line), format!("{name}: expected a string, a number, true, false, or a list of them"))
        })?;
        entries.insert(id, Entry { name, value, line });
    }
    Ok(Some(entries))
}

fn unknown(name: &str, id: &str, settings: &[&Arg]) -> String {
    if ["api_key", "backup_api_keys", "api_key_issued", "mcp_token"].contains(&id) {
        let variable = format!("SCOPE3_{}", id.to_uppercase());
        return format!("`{name}` does not belong in a settings file; set {variable} in the environment");
    }
    let names = settings.iter().map(|setting| setting.get_id().as_str());
    let instead = nearest(id, names).map(str::to_owned);
    format!("unknown setting `{}`{}", echo(name), suggestion(instead.as_ref()))
}

/// A value as a flag would take it.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(items) => {
            items.iter().map(plain).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}
