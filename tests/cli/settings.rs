//! Settings: an invalid one is rejected with exit code 2 and the name that the user wrote, and a valid one is used.

use clap::Arg;
use scope3_mcp::cli::Cli;
use serde_json::Value;

use crate::support::{command, key_text, run};

async fn rejected(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut program = command(arguments);
    // Variables would override a settings file.
    program.env_remove("SCOPE3_STATE").env_remove("SCOPE3_CONFIRM").env_remove("SCOPE3_API");
    program.envs(environment.iter().copied());
    let outcome = run(&mut program).await;
    assert_eq!(outcome.code, Some(2), "{arguments:?} {environment:?}: {}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
    outcome.stderr
}

async fn offered(arguments: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let mut program = command(arguments);
    let outcome = run(program.args(["tools", "list", "--json"]).envs(environment.iter().copied())).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let list: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
    list.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// Every setting of the program, as its parser defines it.
pub(crate) fn settings() -> Vec<Arg> {
    let settings: Vec<Arg> =
        Cli::command().get_arguments().filter(|argument| argument.get_env().is_some()).cloned().collect();
    assert!(settings.len() > 25);
    settings
}

pub(crate) fn flag(setting: &Arg) -> String {
    format!("--{}", setting.get_long().unwrap())
}

pub(crate) fn variable(setting: &Arg) -> &str {
    setting.get_env().unwrap().to_str().unwrap()
}

/// A temporary settings file.
pub(crate) struct File {
    folder: tempfile::TempDir,
}

impl File {
    pub(crate) fn new(text: &str) -> Self {
        let file = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(file.path(), text).unwrap();
        file
    }

    pub(crate) fn path(&self) -> String {
        self.folder.path().join("settings.toml").to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn unknown_names_are_rejected_everywhere() {
    assert!(rejected(&["--read-onli"], &[]).await.contains("--read-onli"));
    let error = rejected(&[], &[("SCOPE3_READONLY", "1")]).await;
    assert!(error.contains("SCOPE3_READONLY") && error.contains("SCOPE3_READ_ONLY"), "{error}");
    assert!(rejected(&["no-such-command"], &[]).await.contains("no-such-command"));
    let file = File::new("read-onlly = true\n");
    let error = rejected(&["--config", &file.path(), "tools", "list"], &[]).await;
    assert!(
        error.contains("settings.toml:1: ") && error.contains("read-onlly") && error.contains("read_only"),
        "{error}"
    );
}

#[tokio::test]
async fn variables_of_container_engines_and_of_other_tools_do_not_stop_the_server() {
    let mut program = command(&["stdio", "--sandbox"]);
    for service in ["SCOPE3", "SCOPE3_MCP", "SCOPE3_MCP_HTTP"] {
        for (suffix, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP", "8080"),
            ("PORT", "tcp://10.0.0.1:8080"),
            ("PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("PORT_8080_TCP_PROTO", "tcp"),
            ("PORT_8080_TCP_PORT", "8080"),
            ("PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("PORT_53_UDP_ADDR", "10.0.0.1"),
        ] {
            program.env(format!("{service}_{suffix}"), value);
        }
    }
    let outcome = run(&mut program).await;
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));

    let outcome =
        run(program.env("SCOPE3_BASE_URL", "https://example.com").env("SCOPE3_CLIENT_ID", "7")).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", outcome.stderr);
    assert!(
        lines[0].contains("WARN") && lines[0].contains("SCOPE3_BASE_URL, SCOPE3_CLIENT_ID"),
        "{}",
        lines[0]
    );
    assert!(!lines[0].contains("example.com"), "values may be secrets: {}", lines[0]);
}

#[tokio::test]
async fn an_empty_value_counts_as_unset() {
    let secrets =
        ["SCOPE3_API_KEY", "SCOPE3_BACKUP_API_KEYS", "SCOPE3_API_KEY_ISSUED", "SCOPE3_MCP_TOKEN", "RUST_LOG"];
    let settings = settings();
    let expected = run(&mut command(&["stdio"])).await.stderr;
    for name in settings.iter().map(variable).chain(secrets) {
        for nothing in ["", " \t"] {
            let outcome = run(command(&["stdio"]).env(name, nothing)).await;
            assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
            assert_eq!(
                outcome.stderr.lines().count(),
                expected.lines().count(),
                "{name}: {}",
                outcome.stderr
            );
        }
    }
    for setting in &settings {
        let flag = flag(setting);
        let mut command_lines = vec![vec![format!("{flag}="), "stdio".to_owned()]];
        if setting.get_action().takes_values() {
            command_lines.push(vec!["stdio".to_owned(), flag, " ".to_owned()]);
        }
        for arguments in command_lines {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let outcome = run(&mut command(&arguments)).await;
            assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.stderr);
        }
    }
    let in_file = settings.iter().filter(|setting| *setting.get_id() != "config");
    let lines: Vec<String> = in_file.map(|setting| format!("{} = ''", setting.get_id())).collect();
    let file = File::new(&lines.join("\n"));
    let outcome = run(&mut command(&["--config", &file.path(), "stdio"])).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[tokio::test]
async fn an_empty_value_does_not_override_a_lower_source() {
    let file = File::new("tools = 'pmp_list'\nexclude-tools = 'get_usage'\nallow_host = []\n");
    let path = file.path();
    let local = ["read_result", "describe_tool"];
    let environment = [("SCOPE3_CONFIG", path.as_str()), ("SCOPE3_TOOLS", " ")];
    assert_eq!(offered(&[], &environment).await, ["pmp_list", local[0], local[1]]);
    let environment = [("SCOPE3_CONFIG", path.as_str()), ("SCOPE3_TOOLS", "signal_list")];
    assert_eq!(offered(&["--tools="], &environment).await, ["signal_list", local[0], local[1]]);
    assert_eq!(offered(&["--config", ""], &environment).await, ["signal_list", local[0], local[1]]);
    let default = offered(&[], &[]).await;
    for nothing in ["", ",", " , "] {
        assert_eq!(offered(&[], &[("SCOPE3_TOOLSETS", nothing)]).await, default, "{nothing:?}");
    }
    assert_eq!(
        offered(&[], &[("SCOPE3_TOOLS", " pmp_list ,, signal_list,")]).await,
        ["pmp_list", "signal_list", "get_usage", local[0], local[1]]
    );
}

/// An invalid value for a setting. `None` if every value is accepted.
fn invalid_value(setting: &Arg) -> Option<&'static str> {
    match setting.get_id().as_str() {
        // Calls report a missing key file, because it may be created later.
        "api_key_file" => None,
        "api_key_command" => Some("'"),
        "config" | "log_file" => Some("/no/such/folder/file"),
        "state" => Some("/dev/null/state.db"),
        _ => Some("not / a * value"),
    }
}

#[tokio::test]
async fn an_error_names_the_setting_as_the_user_wrote_it() {
    for setting in settings() {
        let Some(value) = invalid_value(&setting) else { continue };
        let (flag, variable, id) = (flag(&setting), variable(&setting), setting.get_id().as_str());
        // `http` uses every setting, and ends at once only if a setting is rejected.
        let bind = if id == "bind" { [].as_slice() } else { &["--bind", "127.0.0.1:0"] };
        let base: Vec<&str> =
            ["http", "--sandbox"].iter().chain(bind).copied().filter(|it| *it != flag).collect();

        let by_flag = format!("{flag}={value}");
        let error = rejected(&[&base[..], &[&by_flag]].concat(), &[]).await;
        assert!(error.contains(&flag) && !error.contains(variable), "{error}");

        let error = rejected(&base, &[(variable, value)]).await;
        assert!(error.starts_with(&format!("error: {variable}: ")), "{error}");
        assert!(!error.contains(&flag), "the user did not type the flag: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");

        if id == "config" {
            continue;
        }
        let file = File::new(&format!("# Mine\n\n{id} = \"{value}\"\n"));
        let error = rejected(&[&base[..], &["--config", &file.path()]].concat(), &[]).await;
        assert!(error.contains(&format!("settings.toml:3: {id}: ")), "{error}");
        assert!(!error.contains(&flag) && !error.contains(variable), "the user typed neither: {error}");
    }
}

#[tokio::test]
async fn an_invalid_value_is_rejected_with_the_valid_ones() {
    for (name, variable, value, allowed) in [
        ("--on-limit", "SCOPE3_ON_LIMIT", "maybe", "wait"),
        ("--mcp-limit", "SCOPE3_MCP_LIMIT", "lots", "500/h"),
        ("--mcp-limit", "SCOPE3_MCP_LIMIT", "0/h", "500/h"),
        ("--max-wait", "SCOPE3_MAX_WAIT", "20", "20s"),
        ("--environment", "SCOPE3_ENVIRONMENT", "live", "staging"),
        ("--api", "SCOPE3_API", "buyers", "campaign"),
        ("--api-url", "SCOPE3_API_URL", "http://api.example.com", "https:"),
        ("--api-url", "SCOPE3_API_URL", "api.example.com", "https://"),
        ("--api-url", "SCOPE3_API_URL", "https://api.example.com/rest/v1", "--api campaign"),
        ("--log-format", "SCOPE3_LOG_FORMAT", "xml", "json"),
        ("--toolsets", "SCOPE3_TOOLSETS", "campaign", "campaigns"),
        ("--tools", "SCOPE3_TOOLS", "list_campagns", "list_campaigns"),
        ("--exclude-tools", "SCOPE3_EXCLUDE_TOOLS", "list_campagns", "list_campaigns"),
        ("--bind", "SCOPE3_BIND", "0.0.0.0", "0.0.0.0:8080"),
        ("--customer", "SCOPE3_CUSTOMER", "0", "not in 1.."),
    ] {
        let error = rejected(&[&format!("{name}={value}"), "stdio"], &[]).await;
        assert!(error.contains(name) && error.contains(allowed), "{error}");
        let error = rejected(&["stdio"], &[(variable, value)]).await;
        assert!(error.contains(variable) && error.contains(allowed), "{error}");
    }
    for name in ["SCOPE3_READ_ONLY", "SCOPE3_SANDBOX"] {
        let error = rejected(&[], &[(name, "perhaps")]).await;
        assert!(error.contains(name) && error.contains("true or false"), "{error}");
    }
}

#[tokio::test]
async fn a_parser_error_keeps_its_lines_and_suggests_the_right_setting() {
    let error = rejected(&["stdio", "--on-limit", "maybe"], &[]).await;
    assert!(error.contains("\n  [possible values: reject, wait]\n"), "{error}");
    for (arguments, suggestion) in [
        (["http", "--port", "8080"].as_slice(), "--bind 127.0.0.1:8080"),
        (&["http", "--port=8080"], "--bind 127.0.0.1:8080"),
        (&["--host", "0.0.0.0", "http"], "--bind"),
        (&["sandbox", "--port", "8080"], "--bind"),
        (&["stdio", "--api-key", "scope3_aaaa_hidden"], "SCOPE3_API_KEY"),
        (&["--token=hidden", "http"], "SCOPE3_MCP_TOKEN"),
        (&["tools", "list", "--verbose"], "RUST_LOG"),
    ] {
        let error = rejected(arguments, &[]).await;
        assert!(error.lines().any(|line| line.contains("tip: ") && line.contains(suggestion)), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    }
    assert!(!rejected(&["scope3_aaaa_hidden"], &[]).await.contains("hidden"));
    for url in [
        "http://user:hidden@example.com",
        "https://user:hidden@example.com",
        "user:hidden@example.com",
        "scope3_a_hidden",
    ] {
        for (flag, variable) in [
            ("--api-url", "SCOPE3_API_URL"),
            ("--public-url", "SCOPE3_PUBLIC_URL"),
            ("--config", "SCOPE3_CONFIG"),
        ] {
            let error = rejected(&["http", flag, url], &[]).await;
            assert!(error.contains(flag) && !error.contains("hidden"), "{error}");
            let error = rejected(&["http"], &[(variable, url)]).await;
            assert!(error.contains(variable) && !error.contains("hidden"), "{error}");
        }
    }
    let long = "x".repeat(100_000);
    assert!(rejected(&[&long], &[]).await.len() < 500);
    assert!(rejected(&["--mcp-limit", &long], &[]).await.len() < 500);
    assert!(rejected(&[], &[("SCOPE3_MCP_LIMIT", &long)]).await.len() < 500);
    assert!(rejected(&[], &[("SCOPE3_TOOLS", &long)]).await.len() < 500);
}

#[tokio::test]
async fn a_key_is_set_once_and_related_settings_are_validated() {
    let key = key_text("secret");
    let error = rejected(&["--api-key-file", "/none", "stdio"], &[("SCOPE3_API_KEY", &key)]).await;
    assert!(error.contains("SCOPE3_API_KEY, --api-key-file"), "{error}");
    let error = rejected(&["stdio"], &[("SCOPE3_API_KEY", &key), ("SCOPE3_API_KEY_COMMAND", "x")]).await;
    assert!(error.contains("SCOPE3_API_KEY, SCOPE3_API_KEY_COMMAND"), "{error}");
    let error = rejected(&["stdio"], &[("SCOPE3_BACKUP_API_KEYS", "sk-other-hidden")]).await;
    assert!(error.contains("SCOPE3_BACKUP_API_KEYS") && !error.contains("hidden"), "{error}");
    assert!(rejected(&["stdio"], &[("SCOPE3_API_KEY_ISSUED", "yesterday")]).await.contains("2026-01-31"));
    assert!(rejected(&["--api-key-command", "'", "stdio"], &[]).await.contains("--api-key-command"));
}

#[tokio::test]
async fn flags_override_the_environment_which_overrides_the_file() {
    let file =
        File::new("tools = ['pmp_list', 'pmp_create']\nread-only = true\nexclude_tools = ['get_usage']\n");
    let file = &file.path();
    let local = ["read_result", "describe_tool"];
    assert_eq!(offered(&["--config", file], &[]).await, ["pmp_list", local[0], local[1]]);
    assert_eq!(offered(&[], &[("SCOPE3_CONFIG", file)]).await, ["pmp_list", local[0], local[1]]);
    let environment = [("SCOPE3_TOOLS", "signal_list"), ("SCOPE3_CONFIG", file)];
    assert_eq!(offered(&[], &environment).await, ["signal_list", local[0], local[1]]);
    assert_eq!(offered(&["--tools", "format_list"], &environment).await, ["format_list", local[0], local[1]]);
    let open = [("SCOPE3_READ_ONLY", "false"), ("SCOPE3_CONFIG", file)];
    assert_eq!(offered(&[], &open).await, ["pmp_list", "pmp_create", local[0], local[1]]);
}

#[tokio::test]
async fn an_error_in_a_settings_file_names_its_line() {
    for (text, named) in [
        ("\n\non-limit = 'maybe'", "settings.toml:3: on-limit: "),
        ("read-only = 'perhaps'", "settings.toml:1: read-only: "),
        ("# A list\ntools = [", "settings.toml:2: "),
        ("tools = { a = 1 }", "settings.toml:1: tools: expected a string"),
        ("mcp-limit = 500.5", "settings.toml:1: mcp-limit: expected a string"),
        ("read-only = true\nread_only = false", "settings.toml:2: `read_only` is already set in line 1"),
        ("api_key = 'scope3_aaaa_hidden'", "SCOPE3_API_KEY"),
        ("config = 'other.toml'", "settings.toml:1: unknown setting `config`"),
        ("\u{feff}# with a byte order mark\non-limit = 1", "settings.toml:2: on-limit: "),
    ] {
        let file = File::new(text);
        let error = rejected(&["--config", &file.path(), "tools", "list"], &[]).await;
        assert!(error.contains(named) && !error.contains("hidden"), "{text}: {error}");
    }
    assert!(rejected(&["--config", "/no/such/file"], &[]).await.contains("/no/such/file"));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    assert!(rejected(&["--config", folder], &[]).await.contains(folder));
}

#[cfg(not(windows))]
#[tokio::test]
async fn a_settings_file_in_a_default_location_is_used_unless_another_is_named() {
    let home = tempfile::tempdir().unwrap();
    let write = |folder: &str, text: &str| {
        let folder = home.path().join(folder).join("scope3-mcp");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), text).unwrap();
    };
    let path_of = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (home_folder, xdg) = (path_of(""), path_of("xdg"));
    let local = ["get_usage", "read_result", "describe_tool"];
    let only = |tool| [[tool].as_slice(), &local].concat();
    write(".config", "tools = 'pmp_list'\n");
    write("xdg", "tools = 'signal_list'\n");
    assert_eq!(offered(&[], &[("HOME", &home_folder)]).await, only("pmp_list"));
    assert_eq!(offered(&[], &[("HOME", &home_folder), ("XDG_CONFIG_HOME", &xdg)]).await, only("signal_list"));
    assert_eq!(offered(&[], &[("HOME", &home_folder), ("XDG_CONFIG_HOME", "")]).await, only("pmp_list"));
    assert_eq!(offered(&[], &[("HOME", &home_folder), ("SCOPE3_CONFIG", "")]).await, only("pmp_list"));
    let named = File::new("tools = 'format_list'\n").path();
    // A named file must exist; the default location is not used instead.
    assert!(rejected(&["--config", &named], &[("HOME", &home_folder)]).await.contains(&named));
    let named = File::new("tools = 'format_list'\n");
    assert_eq!(offered(&["--config", &named.path()], &[("HOME", &home_folder)]).await, only("format_list"));
    let default = offered(&[], &[]).await;
    for nowhere in ["", "relative", "/no/such/folder"] {
        let found = offered(&[], &[("HOME", nowhere), ("XDG_CONFIG_HOME", nowhere)]).await;
        assert_eq!(found, default, "{nowhere}");
    }
    write("xdg", "\ntoolz = 1\n");
    let error = rejected(&["stdio"], &[("XDG_CONFIG_HOME", &xdg)]).await;
    assert!(error.contains("xdg/scope3-mcp/config.toml:2: unknown setting `toolz`"), "{error}");
}

#[tokio::test]
async fn a_setting_that_a_command_does_not_use_is_accepted_silently() {
    let file = File::new("bind = '127.0.0.1:1'\nmax_sessions = 5\n");
    for arguments in [["stdio", "--sandbox"].as_slice(), &["--max-calls", "3", "tools", "list"]] {
        let outcome =
            run(command(arguments).envs([("SCOPE3_AUTH", "token"), ("SCOPE3_CONFIG", &file.path())])).await;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_example_file_has_every_setting_and_is_accepted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.example.toml");
    let example = std::fs::read_to_string(path).unwrap();
    // All settings are commented out.
    let is_setting = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    assert_eq!(example.lines().find(is_setting), None);
    let lines = example.lines().filter_map(|line| line.strip_prefix("# "));
    let all: Vec<&str> = lines.filter(is_setting).collect();
    for setting in settings().iter().filter(|setting| *setting.get_id() != "config") {
        let name = setting.get_long().unwrap();
        let line = all.iter().find(|line| line.split_once(" = ").unwrap().0 == name);
        assert!(line.is_some(), "`{name}` is not in docs/config.example.toml");
        let default = setting.get_default_values().first().and_then(|value| value.to_str());
        if let Some(default) = default.filter(|_| setting.get_action().takes_values()) {
            let value = line.unwrap().split_once(" = ").unwrap().1.trim_matches(['[', ']', '"']);
            assert_eq!(value.trim_matches('"'), default, "the default of `{name}`");
        }
    }
    // These files must exist.
    let must_exist = |line: &&str| ["policy = ", "openapi = "].iter().any(|name| line.starts_with(name));
    let accepted: Vec<&str> = all.into_iter().filter(|line| !must_exist(line)).collect();
    let file = File::new(&accepted.join("\n"));
    let outcome = run(command(&["--config", &file.path(), "tools", "list"]).env_remove("SCOPE3_API")).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}
