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

/// A setting in a file.
#[derive(Debug)]
pub(super) struct Entry {
    /// The name, as written in the file.
    pub(super) name: String,
    /// The value in the form of a flag's value. It may be empty.
    pub(super) value: String,
    /// The line of the name, counted from 1.
    pub(super) line: usize,
}

/// The default locations of the settings file, in order.
pub(super) fn default_paths() -> Vec<PathBuf> {
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

/// The settings in a file by id, such as `read_only`. `None` if the file does not exist.
///
/// # Errors
/// If the file cannot be read, is not TOML, or has an unknown setting or an unusable value.
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
    // Editors on Windows write a byte order mark.
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
        let value = flag_value(&value).ok_or_else(|| {
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

/// Converts a value to the form of a flag's value.
fn flag_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(items) => {
            items.iter().map(flag_value).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}
