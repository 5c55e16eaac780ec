//! The settings of the server. A flag overrides the environment, which overrides the file, which overrides the default.
//!
//! The command line parser fills one structure. Unknown names are rejected everywhere: a mistyped `SCOPE3_READONLY`
//! must not leave a server open.

mod api_url;
mod choices;
mod environment;
mod error;
mod file;
mod keys;
mod limits;
mod openapi;
mod secrets;
mod sources;
mod state;
mod token;
mod values;

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, ValueHint, builder::BoolishValueParser};
use scope3_mcp_gateway::{
    OnLimit,
    budget::Amount,
    catalog::{Catalog, Surface, rate::Rate},
    policy::{Policy, Selection},
    redaction,
    state::StateLocation,
    uploads::Uploads,
};
use secrecy::SecretString;
use url::Url;

pub use self::{
    api_url::ApiUrl,
    choices::{AuthChoice, ConfirmChoice, DiscoverChoice, EnvironmentChoice, LimitChoice, LogFormat},
    environment::unknown_variables,
    error::ConfigError,
    openapi::OpenApiFile,
    values::{parse_duration, parse_period},
};
pub(crate) use self::{
    secrets::Secrets,
    sources::{Sources, all, arguments, values_beside_flags, without_empty},
};
use self::{
    state::StateChoice,
    values::{parse_address, parse_idle_time, parse_public_url},
};

/// The headings under which help shows the settings. The command line decides which headings each command shows.
pub(crate) mod heading {
    pub(crate) const KEY: &str = "API key";
    pub(crate) const SCOPE3: &str = "Scope3";
    pub(crate) const TOOLS: &str = "Tools";
    pub(crate) const MONEY: &str = "Money and consent";
    pub(crate) const LIMITS: &str = "Limits";
    pub(crate) const STATE: &str = "State";
    pub(crate) const LISTEN: &str = "Address";
    pub(crate) const HTTP: &str = "HTTP server";
    pub(crate) const LOG: &str = "Log";
    pub(crate) const FILE: &str = "Settings file";
}

/// The settings, which come from flags, environment variables and a file.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub struct Settings {
    /// File with the API key, such as a mounted secret; read again when it changes
    #[arg(long, env = "SCOPE3_API_KEY_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = heading::KEY)]
    pub api_key_file: Option<PathBuf>,

    /// Command that prints the API key, such as a secret manager's client; runs without a shell
    #[arg(long, env = "SCOPE3_API_KEY_COMMAND", value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    #[arg(help_heading = heading::KEY)]
    pub api_key_command: Option<String>,

    /// Take the API key from the keychain of the operating system; `scope3-mcp key set` stores it there
    #[arg(long, env = "SCOPE3_API_KEY_KEYCHAIN", value_parser = BoolishValueParser::new())]
    #[arg(help_heading = heading::KEY)]
    pub api_key_keychain: bool,

    /// Use the embedded sandbox instead of Scope3; needs no key
    #[arg(long, env = "SCOPE3_SANDBOX", value_parser = BoolishValueParser::new())]
    #[arg(help_heading = heading::SCOPE3)]
    pub sandbox: bool,

    /// Scope3 environment
    #[arg(long, env = "SCOPE3_ENVIRONMENT", value_enum, default_value = "production")]
    #[arg(help_heading = heading::SCOPE3)]
    pub environment: EnvironmentChoice,

    /// Base URL to use instead of the published one, `buyer=URL` for one of several APIs; `http:` only to this machine
    #[arg(long, env = "SCOPE3_API_URL", value_delimiter = ',', value_name = "URL", value_hint = ValueHint::Url)]
    #[arg(help_heading = heading::SCOPE3)]
    pub api_url: Vec<ApiUrl>,

    /// Customer to work for, where a key sees several; the APIs of v2 alone know it
    #[arg(long, env = "SCOPE3_CUSTOMER", value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = heading::SCOPE3)]
    pub customer: Option<u64>,

    /// APIs to work with, comma-separated: `campaign`, `buyer`, `storefront`, `measurement`
    #[arg(long, env = "SCOPE3_API", value_delimiter = ',', default_value = "buyer")]
    #[arg(help_heading = heading::TOOLS)]
    pub api: Vec<Surface>,

    /// Newer OpenAPI documents to use instead of the built-in ones, comma-separated: `buyer=FILE`
    #[arg(long, env = "SCOPE3_OPENAPI", value_delimiter = ',', value_name = "SURFACE=FILE")]
    #[arg(value_hint = ValueHint::FilePath, help_heading = heading::TOOLS)]
    pub openapi: Vec<OpenApiFile>,

    /// Toolsets to offer, comma-separated: names, `default` or `all`
    #[arg(long, env = "SCOPE3_TOOLSETS", value_delimiter = ',', value_name = "NAMES")]
    #[arg(help_heading = heading::TOOLS)]
    pub toolsets: Option<Vec<String>>,

    /// Tools to offer in addition to the toolsets, comma-separated; without `--toolsets`, only these
    #[arg(long, env = "SCOPE3_TOOLS", value_delimiter = ',', value_name = "NAMES")]
    #[arg(help_heading = heading::TOOLS)]
    pub tools: Vec<String>,

    /// Tools not to offer, comma-separated
    #[arg(long, env = "SCOPE3_EXCLUDE_TOOLS", value_delimiter = ',', value_name = "NAMES")]
    #[arg(help_heading = heading::TOOLS)]
    pub exclude_tools: Vec<String>,

    /// Offer tools that find and call others, instead of a list of all; `list` also adds what a session finds to its list
    #[arg(long, env = "SCOPE3_DISCOVER", value_enum, ignore_case = true, value_name = "HOW")]
    #[arg(default_value = "false", hide_default_value = true, help_heading = heading::TOOLS)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub discover: DiscoverChoice,

    /// Offer read-only tools only; overrides every other setting
    #[arg(long, env = "SCOPE3_READ_ONLY", value_parser = BoolishValueParser::new())]
    #[arg(help_heading = heading::TOOLS)]
    pub read_only: bool,

    /// File with rules for calls, in Cedar; read again when it changes
    #[arg(long, env = "SCOPE3_POLICY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = heading::TOOLS)]
    pub policy: Option<PathBuf>,

    /// Directory below which tools may send files, for calls with this server's own key; without it, no file of this
    /// machine is sent
    #[arg(long, env = "SCOPE3_ALLOW_UPLOAD", value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = heading::TOOLS)]
    pub allow_upload: Option<PathBuf>,

    /// Whether a person has to consent to calls that can spend or delete
    #[arg(long, env = "SCOPE3_CONFIRM", value_enum, value_name = "WHEN", default_value = "auto")]
    #[arg(help_heading = heading::MONEY)]
    pub confirm: ConfirmChoice,

    /// The most that one call may commit, comma-separated by currency: `5000 USD,4000 EUR`; other currencies are
    /// refused
    #[arg(long, env = "SCOPE3_MAX_BUDGET", value_name = "AMOUNTS", value_delimiter = ',')]
    #[arg(help_heading = heading::MONEY)]
    pub max_budget: Vec<Amount>,

    /// The most that all calls of a day may commit, in the time zone of this machine or of `TZ`
    #[arg(long, env = "SCOPE3_MAX_BUDGET_PER_DAY", value_name = "AMOUNTS", value_delimiter = ',')]
    #[arg(help_heading = heading::MONEY)]
    pub max_budget_per_day: Vec<Amount>,

    /// Longest result that a model gets, in tokens, about; the rest can be read with `read_result`
    #[arg(long, env = "SCOPE3_MAX_RESULT", value_name = "TOKENS", default_value = "6000")]
    #[arg(value_parser = clap::value_parser!(u32).range(500..), help_heading = heading::TOOLS)]
    pub max_result: u32,

    /// Limit of tool calls that reach Scope3, per key
    #[arg(long, env = "SCOPE3_MCP_LIMIT", value_name = "RATE", default_value = "500/h")]
    #[arg(help_heading = heading::LIMITS)]
    pub mcp_limit: Rate,

    /// Limit of HTTP requests to Scope3, per key
    #[arg(long, env = "SCOPE3_API_LIMIT", value_name = "RATE", default_value = "1000/h")]
    #[arg(help_heading = heading::LIMITS)]
    pub api_limit: Rate,

    /// Limit of data exports, per key
    #[arg(long, env = "SCOPE3_EXPORT_LIMIT", value_name = "RATE", default_value = "50/h")]
    #[arg(help_heading = heading::LIMITS)]
    pub export_limit: Rate,

    /// What to do with a call when a limit is reached
    #[arg(long, env = "SCOPE3_ON_LIMIT", value_enum, default_value = "reject")]
    #[arg(help_heading = heading::LIMITS)]
    pub on_limit: LimitChoice,

    /// Longest time that a call waits for a limit
    #[arg(long, env = "SCOPE3_MAX_WAIT", value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    #[arg(help_heading = heading::LIMITS)]
    pub max_wait: Duration,

    /// Where to keep permits and the journal: a file, `memory`, or a `redis://` URL for several machines [default:
    /// scope3-mcp/state.db in the user's state directory; `memory` for the sandbox]
    #[arg(long, env = "SCOPE3_STATE", value_name = "PLACE", help_heading = heading::STATE)]
    pub state: Option<StateChoice>,

    /// How long after a change an identical call returns its result instead of making it again; `0s` turns this off
    #[arg(long, env = "SCOPE3_REPEAT_GUARD", value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
    #[arg(help_heading = heading::STATE)]
    pub repeat_guard: Duration,

    /// Keep the arguments of changes in the journal
    #[arg(long, env = "SCOPE3_JOURNAL_ARGUMENTS", value_parser = BoolishValueParser::new())]
    #[arg(help_heading = heading::STATE)]
    pub journal_arguments: bool,

    /// Address to listen on [default: 127.0.0.1:8080 for http, a free port for sandbox]
    #[arg(long, env = "SCOPE3_BIND", value_name = "ADDRESS", value_parser = parse_address)]
    #[arg(help_heading = heading::LISTEN)]
    pub bind: Option<SocketAddr>,

    /// Who may connect over HTTP [default: `none` for local addresses; for others `key`, or `token` if this server has
    /// a key]
    #[arg(long, env = "SCOPE3_AUTH", value_enum, value_name = "WHO")]
    #[arg(help_heading = heading::HTTP)]
    pub auth: Option<AuthChoice>,

    /// File with the token for `--auth token`, such as a mounted secret
    #[arg(long, env = "SCOPE3_MCP_TOKEN_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = heading::HTTP)]
    pub mcp_token_file: Option<PathBuf>,

    /// Accept everyone, even on an address that other machines can reach
    #[arg(long, env = "SCOPE3_DANGEROUSLY_ALLOW_UNAUTHENTICATED", value_parser = BoolishValueParser::new())]
    #[arg(help_heading = heading::HTTP)]
    pub dangerously_allow_unauthenticated: bool,

    /// Host names to accept in addition to local ones, comma-separated: `mcp.example.com`, or with a port
    #[arg(long, env = "SCOPE3_ALLOW_HOST", value_delimiter = ',', value_name = "HOSTS")]
    #[arg(help_heading = heading::HTTP)]
    pub allow_host: Vec<String>,

    /// URL at which clients reach the HTTP server behind a proxy: `https://mcp.example.com`
    #[arg(long, env = "SCOPE3_PUBLIC_URL", value_name = "URL", value_parser = parse_public_url)]
    #[arg(help_heading = heading::HTTP)]
    pub public_url: Option<Url>,

    /// Web origins to accept, comma-separated: `https://app.example.com`, `http://localhost:*`
    #[arg(long, env = "SCOPE3_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGINS")]
    #[arg(help_heading = heading::HTTP)]
    pub allow_origin: Vec<String>,

    /// Maximum number of HTTP sessions; the longest-idle one is closed to make room
    #[arg(long, env = "SCOPE3_MAX_SESSIONS", value_name = "NUMBER", default_value = "2000")]
    #[arg(help_heading = heading::HTTP)]
    pub max_sessions: NonZeroU32,

    /// Maximum number of HTTP sessions per client key
    #[arg(long, env = "SCOPE3_MAX_SESSIONS_PER_KEY", value_name = "NUMBER", default_value = "100")]
    #[arg(help_heading = heading::HTTP)]
    pub max_sessions_per_key: NonZeroU32,

    /// How long to keep an HTTP session without a call or an open stream
    #[arg(long, env = "SCOPE3_SESSION_IDLE", value_name = "TIME", default_value = "30m", value_parser = parse_idle_time)]
    #[arg(help_heading = heading::HTTP)]
    pub session_idle: Duration,

    /// Maximum number of concurrent calls over HTTP
    #[arg(long, env = "SCOPE3_MAX_CALLS", value_name = "NUMBER", default_value = "64")]
    #[arg(help_heading = heading::HTTP)]
    pub max_calls: NonZeroU32,

    /// Maximum number of concurrent calls per client key
    #[arg(long, env = "SCOPE3_MAX_CALLS_PER_KEY", value_name = "NUMBER", default_value = "16")]
    #[arg(help_heading = heading::HTTP)]
    pub max_calls_per_key: NonZeroU32,

    /// Maximum number of HTTP connections; the longest-idle one is closed to make room
    #[arg(long, env = "SCOPE3_MAX_CONNECTIONS", value_name = "NUMBER", default_value = "1024")]
    #[arg(help_heading = heading::HTTP)]
    pub max_connections: NonZeroU32,

    /// Memory for HTTP request bodies in flight, in MiB; at least 4
    #[arg(long, env = "SCOPE3_REQUEST_MEMORY", value_name = "MIB", default_value = "64")]
    #[arg(value_parser = clap::value_parser!(u32).range(4..), help_heading = heading::HTTP)]
    pub request_memory: u32,

    /// Requests per minute that client keys which Scope3 has not accepted yet may send, all together
    #[arg(long, env = "SCOPE3_UNPROVEN_PER_MINUTE", value_name = "NUMBER", default_value = "60")]
    #[arg(help_heading = heading::HTTP)]
    pub unproven_per_minute: NonZeroU32,

    /// Memory for Scope3's responses in flight, in MiB
    #[arg(long, env = "SCOPE3_RESPONSE_MEMORY", value_name = "MIB", default_value = "256")]
    #[arg(help_heading = heading::LIMITS)]
    pub response_memory: NonZeroU32,

    /// Log format; `RUST_LOG` sets the level
    #[arg(long, env = "SCOPE3_LOG_FORMAT", value_enum, default_value = "text")]
    #[arg(help_heading = heading::LOG)]
    pub log_format: LogFormat,

    /// File to append the log to, instead of standard error
    #[arg(long, env = "SCOPE3_LOG_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = heading::LOG)]
    pub log_file: Option<PathBuf>,

    /// File to append security events to, as JSON lines, instead of the log; see docs/audit.md
    #[arg(long, env = "SCOPE3_AUDIT_LOG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = heading::LOG)]
    pub audit_log: Option<PathBuf>,

    /// Size at which the file of security events is renamed to FILE.1 and begun anew, in MiB
    #[arg(long, env = "SCOPE3_AUDIT_LOG_SIZE", value_name = "MIB", default_value = "64")]
    #[arg(help_heading = heading::LOG)]
    pub audit_log_size: NonZeroU32,

    /// TOML file of settings, named like the flags [default: scope3-mcp/config.toml in the user's configuration
    /// directory, if it exists]
    #[arg(long, env = "SCOPE3_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = heading::FILE)]
    pub config: Option<PathBuf>,

    /// Secrets, which come from environment variables only.
    #[arg(skip)]
    pub(crate) secrets: Secrets,

    /// Where each value was set, for error messages.
    #[arg(skip)]
    pub(crate) sources: Sources,
}

impl Settings {
    /// The name of a setting in an error, as the user wrote it: `SCOPE3_BIND`, `config.toml:3: bind` or `--bind`. `id`
    /// is the name of its field.
    #[must_use]
    pub fn name_of(&self, id: &str) -> String {
        self.sources.name(id)
    }

    /// The tools that the operator selected and the rules of the policy file, checked against a catalog.
    ///
    /// # Errors
    /// If a tool or toolset is not in the catalog, or the policy file cannot be used.
    pub fn policy(&self, catalog: &Catalog) -> Result<Policy, ConfigError> {
        let selection = Selection {
            toolsets: self.toolsets.clone(),
            tools: self.tools.clone(),
            exclude: self.exclude_tools.clone(),
            read_only: self.read_only,
            discover: self.discover != DiscoverChoice::False,
            surfaces: self.api.clone(),
        };
        let policy = Policy::new(catalog, selection)
            .map_err(|error| ConfigError::value(self.name_of(error.setting), error.problem()))?;
        let Some(path) = &self.policy else { return Ok(policy) };
        policy
            .with_file(path.clone(), catalog)
            .map_err(|error| ConfigError::value(self.name_of("policy"), error.to_string()))
    }

    /// Where the state is.
    #[must_use]
    pub fn state_location(&self) -> StateLocation {
        StateChoice::location(self.state.as_ref(), self.sandbox)
    }

    /// What a call does when a limit is reached.
    #[must_use]
    pub fn when_full(&self) -> OnLimit {
        match self.on_limit {
            LimitChoice::Reject => OnLimit::Reject,
            LimitChoice::Wait => OnLimit::Wait(self.max_wait),
        }
    }

    /// From where files may be sent.
    ///
    /// # Errors
    /// If the directory cannot be opened.
    pub fn uploads(&self) -> Result<Uploads, ConfigError> {
        let Some(directory) = &self.allow_upload else { return Ok(Uploads::default()) };
        Uploads::below(directory.clone()).map_err(|error| {
            let problem =
                format!("expected a directory that can be opened, got `{}`: {error}", directory.display());
            ConfigError::value(self.name_of("allow_upload"), problem)
        })
    }

    /// The token that clients of `http --auth token` must send, if the operator set one.
    ///
    /// # Errors
    /// If the token is set twice, cannot be read, or cannot be sent in a header.
    pub fn mcp_token(&self) -> Result<Option<SecretString>, ConfigError> {
        let flag = self.name_of("mcp_token_file");
        let token = token::read(self.secrets.mcp_token.clone(), self.mcp_token_file.as_deref(), &flag)?;
        if let Some(token) = &token {
            redaction::secrets().add_token(token);
        }
        Ok(token)
    }
}
