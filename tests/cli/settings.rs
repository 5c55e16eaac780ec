//! Settings: what is wrong is refused with exit code 2 by the name that the user wrote, and what is right is used.

use clap::Arg;
use scope3_mcp::cli::Cli;
use serde_json::Value;

use crate::support::{command, key_text, run};

async fn refusal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut program = command(arguments);
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

/// Every setting of the program, as its parser knows it.
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

/// A settings file of its own.
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
async fn an_unknown_name_is_refused_everywhere() {
    assert!(refusal(&["--read-onli"], &[]).await.contains("--read-onli"));
    let said = refusal(&[], &[("SCOPE3_READONLY", "1")]).await;
    assert!(said.contains("SCOPE3_READONLY") && said.contains("SCOPE3_READ_ONLY"), "{said}");
    assert!(refusal(&["no-such-command"], &[]).await.contains("no-such-command"));
    let file = File::new("read-onlly = true\n");
    let said = refusal(&["--config", &file.path(), "tools", "list"], &[]).await;
    assert!(
        said.contains("settings.toml:1: ") && said.contains("read-onlly") && said.contains("read_only"),
        "{said}"
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
async fn a_setting_that_is_set_to_nothing_is_not_set() {
    let secrets =
        ["SCOPE3_API_KEY", "SCOPE3_BACKUP_API_KEYS", "SCOPE3_API_KEY_ISSUED", "SCOPE3_MCP_TOKEN", "RUST_LOG"];
    let settings = settings();
    let usual = run(&mut command(&["stdio"])).await.stderr;
    for name in settings.iter().map(variable).chain(secrets) {
        for nothing in ["", " \t"] {
            let outcome = run(command(&["stdio"]).env(name, nothing)).await;
            assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
            assert_eq!(outcome.stderr.lines().count(), usual.lines().count(), "{name}: {}", outcome.stderr);
        }
    }
    for setting in &settings {
        let flag = flag(setting);
        let mut ways = vec![vec![format!("{flag}="), "stdio".to_owned()]];
        if setting.get_action().takes_values() {
            ways.push(vec!["stdio".to_owned(), flag, " ".to_owned()]);
        }
        for arguments in ways {
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
async fn what_is_set_to_nothing_leaves_the_word_to_the_next() {
    let file = File::new("tools = 'pmp_list'\nexclude-tools = 'get_usage'\nallow_host = []\n");
    let path = file.path();
    let local = "describe_tool";
    let environment = [("SCOPE3_CONFIG", path.as_str()), ("SCOPE3_TOOLS", " ")];
    assert_eq!(offered(&[], &environment).await, ["pmp_list", local]);
    let environment = [("SCOPE3_CONFIG", path.as_str()), ("SCOPE3_TOOLS", "signal_list")];
    assert_eq!(offered(&["--tools="], &environment).await, ["signal_list", local]);
    assert_eq!(offered(&["--config", ""], &environment).await, ["signal_list", local]);
    let default = offered(&[], &[]).await;
    for nothing in ["", ",", " , "] {
        assert_eq!(offered(&[], &[("SCOPE3_TOOLSETS", nothing)]).await, default, "{nothing:?}");
    }
    assert_eq!(
        offered(&[], &[("SCOPE3_TOOLS", " pmp_list ,, signal_list,")]).await,
        ["pmp_list", "signal_list", "get_usage", local]
    );
}

/// A value that a setting cannot have. None where it can have any.
fn nonsense(setting: &Arg) -> Option<&'static str> {
    match setting.get_id().as_str() {
        // Calls report a file that is not there, since it may come.
        "api_key_file" => None,
        "api_key_command" => Some("'"),
        "config" | "log_file" => Some("/no/such/folder/file"),
        "state" => Some("/dev/null/state.db"),
        _ => Some("not / a * value"),
    }
}

#[tokio::test]
async fn a_refusal_names_what_the_user_wrote() {
    for setting in settings() {
        let Some(value) = nonsense(&setting) else { continue };
        let (flag, variable, id) = (flag(&setting), variable(&setting), setting.get_id().as_str());
        // With a command that uses every setting, and ends at once only because of the refusal.
        let bind = if id == "bind" { [].as_slice() } else { &["--bind", "127.0.0.1:0"] };
        let base: Vec<&str> =
            ["http", "--sandbox"].iter().chain(bind).copied().filter(|it| *it != flag).collect();

        let by_flag = format!("{flag}={value}");
        let said = refusal(&[&base[..], &[&by_flag]].concat(), &[]).await;
        assert!(said.contains(&flag) && !said.contains(variable), "{said}");

        let said = refusal(&base, &[(variable, value)]).await;
        assert!(said.starts_with(&format!("error: {variable}: ")), "{said}");
        assert!(!said.contains(&flag), "nobody typed that: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");

        if id == "config" {
            continue;
        }
        let file = File::new(&format!("# Mine\n\n{id} = \"{value}\"\n"));
        let said = refusal(&[&base[..], &["--config", &file.path()]].concat(), &[]).await;
        assert!(said.contains(&format!("settings.toml:3: {id}: ")), "{said}");
        assert!(!said.contains(&flag) && !said.contains(variable), "nobody typed that: {said}");
    }
}

#[tokio::test]
async fn an_invalid_value_is_refused_with_what_is_allowed() {
    for (name, variable, value, allowed) in [
        ("--on-limit", "SCOPE3_ON_LIMIT", "maybe", "wait"),
        ("--mcp-limit", "SCOPE3_MCP_LIMIT", "lots", "500/h"),
        ("--mcp-limit", "SCOPE3_MCP_LIMIT", "0/h", "500/h"),
        ("--max-wait", "SCOPE3_MAX_WAIT", "20", "20s"),
        ("--environment", "SCOPE3_ENVIRONMENT", "live", "staging"),
        ("--api", "SCOPE3_API", "buyers", "campaign"),
        ("--api-url", "SCOPE3_API_URL", "http://api.example.com", "https:"),
        ("--api-url", "SCOPE3_API_URL", "api.example.com", "https://"),
        ("--log-format", "SCOPE3_LOG_FORMAT", "xml", "json"),
        ("--toolsets", "SCOPE3_TOOLSETS", "campaign", "campaigns"),
        ("--tools", "SCOPE3_TOOLS", "campaign_lst", "campaign_list"),
        ("--exclude-tools", "SCOPE3_EXCLUDE_TOOLS", "campaign_lst", "campaign_list"),
        ("--bind", "SCOPE3_BIND", "0.0.0.0", "0.0.0.0:8080"),
    ] {
        let said = refusal(&[&format!("{name}={value}"), "stdio"], &[]).await;
        assert!(said.contains(name) && said.contains(allowed), "{said}");
        let said = refusal(&["stdio"], &[(variable, value)]).await;
        assert!(said.contains(variable) && said.contains(allowed), "{said}");
    }
    for name in ["SCOPE3_READ_ONLY", "SCOPE3_SANDBOX"] {
        let said = refusal(&[], &[(name, "perhaps")]).await;
        assert!(said.contains(name) && said.contains("true or false"), "{said}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_parser_keeps_its_lines_and_says_what_was_meant() {
    let said = refusal(&["stdio", "--on-limit", "maybe"], &[]).await;
    assert!(said.contains("\n  [possible values: reject, wait]\n"), "{said}");
    for (arguments, meant) in [
        (["http", "--port", "8080"].as_slice(), "--bind 127.0.0.1:8080"),
        (&["http", "--port=8080"], "--bind 127.0.0.1:8080"),
        (&["--host", "0.0.0.0", "http"], "--bind"),
        (&["sandbox", "--port", "8080"], "--bind"),
        (&["stdio", "--api-key", "scope3_aaaa_hidden"], "SCOPE3_API_KEY"),
        (&["--token=hidden", "http"], "SCOPE3_MCP_TOKEN"),
        (&["tools", "list", "--verbose"], "RUST_LOG"),
    ] {
        let said = refusal(arguments, &[]).await;
        assert!(said.lines().any(|line| line.contains("tip: ") && line.contains(meant)), "{said}");
        assert!(!said.contains("hidden"), "{said}");
    }
    assert!(!refusal(&["scope3_aaaa_hidden"], &[]).await.contains("hidden"));
    let long = "x".repeat(100_000);
    assert!(refusal(&[&long], &[]).await.len() < 500);
    assert!(refusal(&["--mcp-limit", &long], &[]).await.len() < 500);
    assert!(refusal(&[], &[("SCOPE3_MCP_LIMIT", &long)]).await.len() < 500);
    assert!(refusal(&[], &[("SCOPE3_TOOLS", &long)]).await.len() < 500);
}

#[tokio::test]
async fn keys_are_given_once_and_their_companions_must_be_right() {
    let key = key_text("secret");
    let said = refusal(&["--api-key-file", "/none", "stdio"], &[("SCOPE3_API_KEY", &key)]).await;
    assert!(said.contains("SCOPE3_API_KEY, --api-key-file"), "{said}");
    let said = refusal(&["stdio"], &[("SCOPE3_API_KEY", &key), ("SCOPE3_API_KEY_COMMAND", "x")]).await;
    assert!(said.contains("SCOPE3_API_KEY, SCOPE3_API_KEY_COMMAND"), "{said}");
    let said = refusal(&["stdio"], &[("SCOPE3_BACKUP_API_KEYS", "sk-other-hidden")]).await;
    assert!(said.contains("SCOPE3_BACKUP_API_KEYS") && !said.contains("hidden"), "{said}");
    assert!(refusal(&["stdio"], &[("SCOPE3_API_KEY_ISSUED", "yesterday")]).await.contains("2026-01-31"));
    assert!(refusal(&["--api-key-command", "'", "stdio"], &[]).await.contains("--api-key-command"));
}

#[tokio::test]
async fn flags_override_the_environment_and_that_overrides_the_file() {
    let file =
        File::new("tools = ['pmp_list', 'pmp_create']\nread-only = true\nexclude_tools = ['get_usage']\n");
    let file = &file.path();
    let local = "describe_tool";
    assert_eq!(offered(&["--config", file], &[]).await, ["pmp_list", local]);
    assert_eq!(offered(&[], &[("SCOPE3_CONFIG", file)]).await, ["pmp_list", local]);
    let environment = [("SCOPE3_TOOLS", "signal_list"), ("SCOPE3_CONFIG", file)];
    assert_eq!(offered(&[], &environment).await, ["signal_list", local]);
    assert_eq!(offered(&["--tools", "format_list"], &environment).await, ["format_list", local]);
    let open = [("SCOPE3_READ_ONLY", "false"), ("SCOPE3_CONFIG", file)];
    assert_eq!(offered(&[], &open).await, ["pmp_list", "pmp_create", local]);
}

#[tokio::test]
async fn a_settings_file_with_a_mistake_is_refused_by_its_line() {
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
        let said = refusal(&["--config", &file.path(), "tools", "list"], &[]).await;
        assert!(said.contains(named) && !said.contains("hidden"), "{text}: {said}");
    }
    assert!(refusal(&["--config", "/no/such/file"], &[]).await.contains("/no/such/file"));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    assert!(refusal(&["--config", folder], &[]).await.contains(folder));
}

#[cfg(not(windows))]
#[tokio::test]
async fn a_settings_file_at_the_usual_place_is_used_unless_another_is_named() {
    let home = tempfile::tempdir().unwrap();
    let place = |folder: &str, text: &str| {
        let folder = home.path().join(folder).join("scope3-mcp");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), text).unwrap();
    };
    let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (home_folder, xdg) = (at(""), at("xdg"));
    let local = ["get_usage", "describe_tool"];
    let only = |tool| [[tool].as_slice(), &local].concat();
    place(".config", "tools = 'pmp_list'\n");
    place("xdg", "tools = 'signal_list'\n");
    assert_eq!(offered(&[], &[("HOME", &home_folder)]).await, only("pmp_list"));
    assert_eq!(offered(&[], &[("HOME", &home_folder), ("XDG_CONFIG_HOME", &xdg)]).await, only("signal_list"));
    assert_eq!(offered(&[], &[("HOME", &home_folder), ("XDG_CONFIG_HOME", "")]).await, only("pmp_list"));
    assert_eq!(offered(&[], &[("HOME", &home_folder), ("SCOPE3_CONFIG", "")]).await, only("pmp_list"));
    let named = File::new("tools = 'format_list'\n").path();
    // A name that is given counts, even where nothing is there.
    assert!(refusal(&["--config", &named], &[("HOME", &home_folder)]).await.contains(&named));
    let named = File::new("tools = 'format_list'\n");
    assert_eq!(offered(&["--config", &named.path()], &[("HOME", &home_folder)]).await, only("format_list"));
    let default = offered(&[], &[]).await;
    for nowhere in ["", "relative", "/no/such/folder"] {
        assert_eq!(
            offered(&[], &[("HOME", nowhere), ("XDG_CONFIG_HOME", nowhere)]).await,
            default,
            "{nowhere}"
        );
    }
    place("xdg", "\ntoolz = 1\n");
    let said = refusal(&["stdio"], &[("XDG_CONFIG_HOME", &xdg)]).await;
    assert!(said.contains("xdg/scope3-mcp/config.toml:2: unknown setting `toolz`"), "{said}");
}

#[tokio::test]
async fn a_setting_that_does_not_matter_to_a_command_is_taken_in_silence() {
    let file = File::new("bind = '127.0.0.1:1'\nmax_sessions = 5\n");
    let environment = [("SCOPE3_AUTH", "token"), ("SCOPE3_CONFIG", &file.path())];
    for arguments in [["stdio", "--sandbox"].as_slice(), &["--max-calls", "3", "tools", "list"]] {
        let outcome = run(command(arguments).envs(environment)).await;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_example_file_has_every_setting_and_is_accepted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.example.toml");
    let example = std::fs::read_to_string(path).unwrap();
    // Its settings are commented out: as it is, it changes nothing.
    let is_setting = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    assert_eq!(example.lines().find(is_setting), None);
    let all: Vec<&str> =
        example.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting).collect();
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
    let file = File::new(&all.join("\n"));
    let outcome = run(&mut command(&["--config", &file.path(), "tools", "list"])).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}
