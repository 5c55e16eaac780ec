//! Settings from a file.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Arg, Command, parser::ValueSource};

use super::ConfigError;
use crate::catalog::nearest;

/// The arguments with the settings of the file put in, where neither a flag nor the environment says otherwise.
///
/// # Errors
/// When the file cannot be read, is no TOML, or has a name or a value that there is not.
pub fn with_file(
    command: impl FnOnce() -> Command,
    arguments: Vec<OsString>,
) -> Result<Vec<OsString>, ConfigError> {
    let asks = |argument: &OsString| argument.to_string_lossy().starts_with("--config");
    if std::env::var_os("SCOPE3_CONFIG").is_none() && !arguments.iter().any(asks) {
        return Ok(arguments);
    }
    let command = command();
    // Should these arguments be wrong, the parse that follows says so.
    let Ok(matches) = command.clone().try_get_matches_from(&arguments) else { return Ok(arguments) };
    let Some(path) = matches.get_one::<PathBuf>("config") else { return Ok(arguments) };
    let table = read(path)?;
    let is_setting = |argument: &&Arg| argument.get_env().is_some() && *argument.get_id() != "config";
    let settings: Vec<&Arg> = command.get_arguments().filter(is_setting).collect();
    let mut arguments = arguments;
    for (name, value) in table {
        let wrong = |problem: String| ConfigError::File { path: path.clone(), problem };
        let id = name.replace('-', "_");
        let Some(setting) = settings.iter().find(|argument| *argument.get_id() == id.as_str()) else {
            let names = settings.iter().map(|argument| argument.get_id().as_str());
            let instead =
                nearest(&id, names).map_or_else(String::new, |it| format!("; did you mean `{it}`?"));
            return Err(wrong(format!("unknown setting `{name}`{instead}")));
        };
        if matches!(matches.value_source(&id), Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            continue;
        }
        let flag = format!("--{}", setting.get_long().unwrap_or(&id));
        let text = plain(&value)
            .ok_or_else(|| wrong(format!("`{name}`: a text, a number, a truth or a list is wanted")))?;
        let takes_value = setting.get_action().takes_values();
        let argument = match (takes_value, text.as_str()) {
            (true, text) => format!("{flag}={text}"),
            (false, "true") => flag,
            (false, "false") => continue,
            (false, _) => return Err(wrong(format!("`{name}`: true or false is wanted"))),
        };
        // Settings stand before the command, whose own arguments may take everything after it.
        arguments.insert(1, argument.into());
    }
    Ok(arguments)
}

fn read(path: &Path) -> Result<toml::Table, ConfigError> {
    let wrong = |problem: String| ConfigError::File { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(plain).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        _ => None,
    }
}
