//! Where each value comes from: flags override environment variables, which override the file, which overrides the
//! defaults.
//!
//! Flags are parsed first. Other settings are looked up in the environment and in the file. Each of those values is
//! parsed by itself, so that an error names what the user wrote, and is then inserted before the flags.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
    sync::LazyLock,
};

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use scope3_mcp_gateway::catalog::echo;

use super::{ConfigError, Settings, environment, file};

/// Where a value was set, if not by a flag.
#[derive(Debug, Clone)]
enum Source {
    /// An environment variable.
    Variable(String),
    /// A line in the settings file.
    File { path: PathBuf, line: usize, name: String },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line, name } => write!(f, "{}:{line}: {name}", path.display()),
        }
    }
}

/// The sources of values that were not set by flags, by setting id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources(HashMap<String, Source>);

impl Sources {
    /// The name of a setting in an error, as the user wrote it.
    pub(super) fn name(&self, id: &str) -> String {
        self.0.get(id).map_or_else(|| format!("--{}", id.replace('_', "-")), ToString::to_string)
    }
}

/// Values from the environment and the file, written as flags.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) flags: Vec<OsString>,
    pub(crate) sources: Sources,
}

/// The arguments of every setting. Created once, because that takes longer than parsing a command line.
static SETTINGS: LazyLock<Command> = LazyLock::new(|| Settings::augment_args(Command::new("settings")));

/// The arguments of all settings, for a command line.
pub(crate) fn arguments() -> impl Iterator<Item = &'static Arg> {
    SETTINGS.get_arguments()
}

/// Every setting with a flag, a variable and a name in the settings file.
#[must_use]
pub(crate) fn all() -> Vec<&'static Arg> {
    arguments().filter(|argument| argument.get_env().is_some()).collect()
}

/// The command line without flags that have an empty value, such as `--toolsets=` or `--toolsets ""`.
#[must_use]
pub(crate) fn without_empty(settings: &[&Arg], arguments: Vec<OsString>) -> Vec<OsString> {
    let setting = |name: &str| settings.iter().find(|setting| setting.get_long() == Some(name));
    let mut kept = Vec::with_capacity(arguments.len());
    let mut rest = arguments.into_iter().peekable();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            kept.push(argument);
            break;
        }
        let flag = argument.to_str().and_then(|text| text.strip_prefix("--"));
        if let Some((name, value)) = flag.and_then(|flag| flag.split_once('='))
            && let Some(setting) = setting(name)
        {
            let value = normalized(setting, value);
            kept.extend(value.map(|value| format!("--{name}={value}").into()));
        } else if let Some(setting) = flag.and_then(setting)
            && setting.get_action().takes_values()
            && let Some(value) = rest.next_if(|next| is_value(next))
        {
            let value = value.to_str().and_then(|value| normalized(setting, value));
            kept.extend(value.into_iter().flat_map(|value| [argument.clone(), value.into()]));
        } else {
            kept.push(argument);
        }
    }
    kept.extend(rest);
    kept
}

/// Whether an argument can be the value of the flag before it. The parser rejects values that begin with a hyphen.
fn is_value(text: &OsStr) -> bool {
    text.to_str().is_some_and(|text| !text.starts_with('-'))
}

/// A trimmed value; a list loses its empty items. `None` if nothing is left.
fn normalized(setting: &Arg, value: &str) -> Option<String> {
    let value = match setting.get_value_delimiter() {
        None => value.trim().to_owned(),
        Some(delimiter) => {
            let parts = value.split(delimiter).map(str::trim).filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(&delimiter.to_string())
        }
    };
    (!value.is_empty()).then_some(value)
}

/// Reads from the environment and the file the settings that the command line does not set.
///
/// # Errors
/// If the file cannot be used, or a value is invalid.
pub(crate) fn values_beside_flags(settings: &[&Arg], matches: &ArgMatches) -> Result<Given, ConfigError> {
    let is_open = |id: &str| matches.value_source(id) != Some(ValueSource::CommandLine);
    let mut given = Given::default();
    for setting in settings.iter().filter(|setting| is_open(setting.get_id().as_str())) {
        let Some(name) = setting.get_env().and_then(OsStr::to_str) else { continue };
        if let Some(value) = environment::text(name)?.and_then(|value| normalized(setting, &value)) {
            given.put(setting, Source::Variable(name.to_owned()), &value)?;
        }
    }
    let (path, mut entries) = from_file(settings, matches.get_one("config"), &given)?;
    for setting in settings {
        let id = setting.get_id().as_str();
        let Some(entry) = entries.remove(id) else { continue };
        if is_open(id)
            && !given.sources.0.contains_key(id)
            && let Some(value) = normalized(setting, &entry.value)
        {
            let source = Source::File { path: path.clone(), line: entry.line, name: entry.name };
            given.put(setting, source, &value)?;
        }
    }
    Ok(given)
}

/// The settings of the named file, or of the first that exists in a default location.
fn from_file(
    settings: &[&Arg],
    flag: Option<&PathBuf>,
    given: &Given,
) -> Result<(PathBuf, BTreeMap<String, file::Entry>), ConfigError> {
    // A file cannot name another file.
    let settings: Vec<&Arg> =
        settings.iter().copied().filter(|setting| *setting.get_id() != "config").collect();
    let variable = || given.sources.0.contains_key("config").then(|| environment::text("SCOPE3_CONFIG"));
    let named = match flag {
        Some(path) => Some(path.clone()),
        None => variable().transpose()?.flatten().map(PathBuf::from),
    };
    let Some(path) = named else {
        for path in file::default_paths() {
            if let Some(entries) = file::read(&path, &settings)? {
                return Ok((path, entries));
            }
        }
        return Ok((PathBuf::new(), BTreeMap::new()));
    };
    let missing = || {
        ConfigError::value(
            given.sources.name("config"),
            format!("no such file: {}", echo(&path.to_string_lossy())),
        )
    };
    let entries = file::read(&path, &settings)?.ok_or_else(missing)?;
    Ok((path, entries))
}

impl Given {
    fn put(&mut self, setting: &Arg, source: Source, value: &str) -> Result<(), ConfigError> {
        let id = setting.get_id().as_str();
        let flag = format!("--{}", setting.get_long().unwrap_or(id));
        let with_value = format!("{flag}={value}");
        let is_switch = !setting.get_action().takes_values();
        // A switch is parsed as an option, so that `false` is accepted.
        let option = if is_switch { setting.clone().action(ArgAction::Set) } else { setting.clone() };
        let parser = Command::new("setting").no_binary_name(true).arg(option.env(None::<&str>));
        let matches = parser.try_get_matches_from([&with_value]).map_err(|error| {
            let problem = if is_switch {
                format!("invalid value '{}'; expected true or false", echo(value))
            } else {
                problem(&error)
            };
            ConfigError::value(source.to_string(), problem)
        })?;
        if !is_switch {
            self.flags.push(with_value.into());
        } else if matches.get_flag(id) {
            self.flags.push(flag.into());
        }
        self.sources.0.insert(id.to_owned(), source);
        Ok(())
    }
}

/// What is wrong with a value and which values are valid. Omits the flag, which the user did not type.
fn problem(error: &clap::Error) -> String {
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => echo(value),
        _ => return error.kind().to_string(),
    };
    if let Some(cause) = std::error::Error::source(error) {
        return format!("invalid value '{value}': {cause}");
    }
    match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(allowed))) => {
            format!("invalid value '{value}'; expected one of: {}", allowed.join(", "))
        }
        _ => format!("invalid value '{value}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_without_a_value_are_dropped_and_lists_lose_empty_items() {
        let settings = all();
        for (typed, kept) in [
            ("--toolsets=|stdio", "stdio"),
            ("stdio|--toolsets||--read-only", "stdio|--read-only"),
            ("--bind| |http", "http"),
            ("--sandbox=|stdio", "stdio"),
            ("--tools|,, |stdio", "stdio"),
            ("--tools| a,, b |stdio", "--tools|a,b|stdio"),
            ("--tools=a,,b", "--tools=a,b"),
            ("--toolsets", "--toolsets"),
            ("--toolsets|--read-only", "--toolsets|--read-only"),
            ("tools|search||--|--tools=", "tools|search||--|--tools="),
            ("sandbox|--latency=", "sandbox|--latency="),
            ("tools|call|x|{}", "tools|call|x|{}"),
        ] {
            let split = |text: &str| text.split('|').map(OsString::from).collect::<Vec<_>>();
            assert_eq!(without_empty(&settings, split(typed)), split(kept), "{typed}");
        }
    }
}
