use std::path::PathBuf;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that is not a setting's.
    #[error("unknown setting `{name}`{}", suggestion(.instead.as_ref()))]
    Unknown {
        /// The name.
        name: String,
        /// The name that was probably meant.
        instead: Option<String>,
    },
    /// An invalid value.
    #[error("{name}: {problem}")]
    Value {
        /// The setting, as the user gave it: `SCOPE3_BIND`, `--bind` or `config.toml:3: bind`.
        name: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// The settings file cannot be used.
    #[error("{}{}: {problem}", .path.display(), .line.map_or_else(String::new, |line| format!(":{line}")))]
    File {
        /// Its path.
        path: PathBuf,
        /// The line at fault, counted from 1; none where the whole file is.
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

/// `; did you mean …?`, where there is something to suggest.
pub(super) fn suggestion(instead: Option<&String>) -> String {
    instead.map_or_else(String::new, |instead| format!("; did you mean `{instead}`?"))
}
