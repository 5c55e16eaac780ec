use std::path::PathBuf;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An unknown setting.
    #[error("unknown setting `{name}`{}", suggestion(.instead.as_ref()))]
    Unknown {
        /// The name.
        name: String,
        /// A similar known name.
        instead: Option<String>,
    },
    /// An invalid value.
    #[error("{name}: {problem}")]
    Value {
        /// The setting, as the user gave it: `SCOPE3_BIND`, `--bind` or `config.toml:3: bind`.
        name: String,
        /// What is wrong, and which values are valid.
        problem: String,
    },
    /// The settings file cannot be used.
    #[error("{}{}: {problem}", .path.display(), .line.map_or_else(String::new, |line| format!(":{line}")))]
    File {
        /// Its path.
        path: PathBuf,
        /// The line with the problem, counted from 1. `None` if the problem concerns the whole file.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
}

impl ConfigError {
    pub(crate) fn value(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value { name: name.into(), problem: problem.into() }
    }
}

/// The end of an error message: `; did you mean …?`, or nothing without a suggestion.
pub(super) fn suggestion(instead: Option<&String>) -> String {
    instead.map_or_else(String::new, |instead| format!("; did you mean `{instead}`?"))
}
