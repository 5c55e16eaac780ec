//! Environment variables: settings, mistyped settings, and variables of other programs.

use clap::Arg;

use super::{ConfigError, secrets};

/// The prefix of every variable of this program.
const PREFIX: &str = "SCOPE3_";

/// The value of a variable, trimmed. An empty variable counts as unset, because clients and container engines often set
/// empty values.
///
/// # Errors
/// If the value is not UTF-8.
pub(super) fn text(name: &str) -> Result<Option<String>, ConfigError> {
    let Some(value) = std::env::var_os(name) else { return Ok(None) };
    let value = value.into_string().map_err(|_| ConfigError::value(name, "expected UTF-8 text"))?;
    let value = value.trim();
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// The unknown variables that begin with `SCOPE3_`, sorted.
///
/// # Errors
/// If a variable looks like a mistyped setting: `SCOPE3_READONLY` must not leave a server open.
pub fn unknown_variables(settings: &[&Arg]) -> Result<Vec<String>, ConfigError> {
    let known: Vec<&str> =
        settings.iter().filter_map(|setting| setting.get_env()?.to_str()).chain(secrets::VARIABLES).collect();
    let mut unknown = Vec::new();
    for (name, value) in std::env::vars_os() {
        let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else { continue };
        match classify(name, value.trim(), &known) {
            Classification::Setting | Classification::NotOurs => {}
            Classification::Unknown => unknown.push(name.to_owned()),
            Classification::Mistyped(instead) => {
                return Err(ConfigError::Unknown {
                    name: name.to_owned(),
                    instead: Some(instead.to_owned()),
                });
            }
        }
    }
    unknown.sort();
    Ok(unknown)
}

/// How this program treats a variable.
#[derive(Debug, PartialEq, Eq)]
enum Classification<'a> {
    Setting,
    /// Without the prefix, or set by Kubernetes or Docker for a service with a similar name.
    NotOurs,
    /// With the prefix, perhaps from another tool for Scope3.
    Unknown,
    Mistyped(&'a str),
}

fn classify<'a>(name: &str, value: &str, known: &[&'a str]) -> Classification<'a> {
    let has_prefix = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    // An empty variable counts as unset.
    if !has_prefix || value.is_empty() {
        return Classification::NotOurs;
    }
    // Names are case-insensitive on Windows.
    if known.contains(&name) || cfg!(windows) && known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Classification::Setting;
    }
    if is_service_variable(name, value) {
        return Classification::NotOurs;
    }
    match known.iter().find(|known| is_mistyped(name, known)) {
        Some(instead) => Classification::Mistyped(instead),
        None => Classification::Unknown,
    }
}

/// Whether Kubernetes or Docker sets this variable for a service or container whose name begins with `scope3`.
/// See <https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables>.
fn is_service_variable(name: &str, value: &str) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    // The variables of a service named `scope3` have only a suffix: `SCOPE3_SERVICE_HOST`.
    let name = name.strip_prefix("SCOPE3").unwrap_or(name);
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    let has_protocol = |text: &str| {
        let mut parts = text.splitn(2, '_');
        parts.next().is_some_and(|protocol| PROTOCOLS.contains(&protocol))
            && parts.next().is_none_or(|rest| ["PROTO", "PORT", "ADDR"].contains(&rest))
    };
    name.match_indices("_PORT").any(|(at, found)| match name[at + found.len()..].strip_prefix('_') {
        // Kubernetes sets a URL here. The user who sets `SCOPE3_PORT=8080` probably wants `--bind`.
        None => name.ends_with("_PORT") && value.contains("://"),
        Some(rest) => rest.split_once('_').is_some_and(|(port, rest)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && has_protocol(rest)
        }),
    })
}

/// Whether a name is probably a mistyped setting: at most a quarter of its letters differ, and at most two. The prefix
/// `MCP_` is ignored, because users add it by mistake: `SCOPE3_MCP_TOOLSETS`.
fn is_mistyped(name: &str, setting: &str) -> bool {
    let normalized = |name: &str| name.to_ascii_uppercase().replace(PREFIX, "").replace('_', "");
    let setting = normalized(setting);
    let max_distance = (setting.len() / 4).min(2);
    let name = normalized(name);
    let is_close = |name: &str| strsim::osa_distance(name, &setting) <= max_distance;
    is_close(&name) || name.strip_prefix("MCP").is_some_and(is_close)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 14] = [
        "SCOPE3_API",
        "SCOPE3_API_KEY",
        "SCOPE3_API_KEY_FILE",
        "SCOPE3_API_URL",
        "SCOPE3_AUTH",
        "SCOPE3_BIND",
        "SCOPE3_ENVIRONMENT",
        "SCOPE3_EXCLUDE_TOOLS",
        "SCOPE3_LOG_FORMAT",
        "SCOPE3_MCP_LIMIT",
        "SCOPE3_MCP_TOKEN",
        "SCOPE3_READ_ONLY",
        "SCOPE3_TOOLS",
        "SCOPE3_TOOLSETS",
    ];

    #[test]
    fn variables_that_container_engines_set_for_services_are_ignored() {
        let services = ["SCOPE3", "SCOPE3_MCP", "SCOPE3_MCP_HTTP", "SCOPE3_API", "SCOPE3_MCP_PORT_AUTHORITY"];
        for service in services {
            for suffix in [
                "SERVICE_HOST=10.0.0.1",
                "SERVICE_PORT=8080",
                "SERVICE_PORT_HTTP=8080",
                "SERVICE_PORT_HTTP_METRICS=9090",
                "PORT=tcp://10.0.0.1:8080",
                "PORT=udp://10.0.0.1:53",
                "PORT_8080_TCP=tcp://10.0.0.1:8080",
                "PORT_8080_TCP_PROTO=tcp",
                "PORT_8080_TCP_PORT=8080",
                "PORT_8080_TCP_ADDR=10.0.0.1",
                "PORT_53_UDP=udp://10.0.0.1:53",
                "PORT_53_UDP_ADDR=10.0.0.1",
                "PORT_53_UDP_PORT=53",
                "PORT_53_UDP_PROTO=udp",
                "PORT_9_SCTP_ADDR=10.0.0.1",
            ] {
                let (suffix, value) = suffix.split_once('=').unwrap();
                let name = format!("{service}_{suffix}");
                assert_eq!(classify(&name, value, &KNOWN), Classification::NotOurs, "{name}");
            }
        }
    }

    #[test]
    fn mistyped_settings_are_distinguished_from_variables_of_other_tools() {
        for (name, setting) in [
            ("SCOPE3_READONLY", "SCOPE3_READ_ONLY"),
            ("SCOPE3_READ_ONYL", "SCOPE3_READ_ONLY"),
            ("SCOPE3_MCP_READ_ONLY", "SCOPE3_READ_ONLY"),
            ("scope3_read_only", "SCOPE3_READ_ONLY"),
            ("SCOPE3_TOOL", "SCOPE3_TOOLS"),
            ("SCOPE3_TOOLSET", "SCOPE3_TOOLSETS"),
            ("SCOPE3_MCP_TOOLSETS", "SCOPE3_TOOLSETS"),
            ("SCOPE3_EXCLUDED_TOOLS", "SCOPE3_EXCLUDE_TOOLS"),
            ("SCOPE3_EXCLUDE_TOOL", "SCOPE3_EXCLUDE_TOOLS"),
            ("SCOPE3_APIKEY", "SCOPE3_API_KEY"),
            ("SCOPE3_API_KEYFILE", "SCOPE3_API_KEY_FILE"),
            ("SCOPE3_ENVIROMENT", "SCOPE3_ENVIRONMENT"),
            ("SCOPE3_MCP_LIMITS", "SCOPE3_MCP_LIMIT"),
        ] {
            if cfg!(windows) && name == "scope3_read_only" {
                continue;
            }
            assert_eq!(classify(name, "1", &KNOWN), Classification::Mistyped(setting), "{name}");
        }
        for name in [
            "SCOPE3_BASE_URL",
            "SCOPE3_CLIENT_ID",
            "SCOPE3_CLIENT_SECRET",
            "SCOPE3_DEBUG",
            "SCOPE3_ORG_ID",
            "SCOPE3_HOME",
            "SCOPE3_PORT",
            "SCOPE3_USER",
            "SCOPE3_API_TOKEN",
            "SCOPE3_API_VERSION",
            "SCOPE3_LOG_LEVEL",
            "SCOPE3_APP",
            "SCOPE3_",
            "SCOPE3__",
            "SCOPE3_MCP_NAME",
            "SCOPE3_MCP_ENV_PATH",
            "SCOPE3_MCP_VERSION",
            "SCOPE3_MCP_PORT_HTTP",
            "SCOPE3_é",
        ] {
            assert_eq!(classify(name, "1", &KNOWN), Classification::Unknown, "{name}");
        }
        assert_eq!(
            classify("SCOPE3_READONLY", "", &KNOWN),
            Classification::NotOurs,
            "an empty variable counts as unset"
        );
        for name in ["SCOPE3", "SCOPE3X_TOOLS", "SCOPE_READ_ONLY", "PATH", "é", ""] {
            assert_eq!(classify(name, "1", &KNOWN), Classification::NotOurs, "{name}");
        }
    }
}
