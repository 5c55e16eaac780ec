//! Settings: what is wrong is refused in one line, with exit code 2, and what is right is believed.

use serde_json::Value;

use crate::support::{command, key_text, run};

async fn refusal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut program = command(arguments);
    program.envs(environment.iter().copied());
    let outcome = run(&mut program).await;
    assert_eq!(outcome.code, Some(2), "{arguments:?} {environment:?}: {}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    assert_eq!(outcome.stderr.trim_end().lines().count(), 1, "{}", outcome.stderr);
    outcome.stderr
}

async fn offered(arguments: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let mut program = command(arguments);
    let outcome = run(program.args(["tools", "list", "--json"]).envs(environment.iter().copied())).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let list: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
    list.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_name_that_there_is_not_is_refused_wherever_it_stands() {
    assert!(refusal(&["--read-onli"], &[]).await.contains("--read-onli"));
    let said = refusal(&[], &[("SCOPE3_READONLY", "1")]).await;
    assert!(said.contains("SCOPE3_READONLY") && said.contains("SCOPE3_READ_ONLY"), "{said}");
    assert!(refusal(&["no-such-command"], &[]).await.contains("no-such-command"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "read-onlly = true\n").unwrap();
    let said = refusal(&["--config", file.to_str().unwrap(), "tools", "list"], &[]).await;
    assert!(said.contains("read-onlly") && said.contains("read_only"), "{said}");
}

#[tokio::test]
async fn a_value_that_there_is_not_is_refused_with_what_is_allowed() {
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
    ] {
        for said in [
            refusal(&[&format!("{name}={value}"), "stdio"], &[]).await,
            refusal(&["stdio"], &[(variable, value)]).await,
        ] {
            assert!(said.contains(name) && said.contains(allowed), "{said}");
        }
    }
    assert!(refusal(&[], &[("SCOPE3_READ_ONLY", "perhaps")]).await.contains("--read-only"));
    assert!(refusal(&[], &[("SCOPE3_SANDBOX", "2")]).await.contains("--sandbox"));
}

#[tokio::test]
async fn keys_are_named_once_and_their_companions_must_be_right() {
    let key = key_text("secret");
    let said = refusal(&["--api-key-file", "/none", "stdio"], &[("SCOPE3_API_KEY", &key)]).await;
    assert!(said.contains("set one of"), "{said}");
    let said = refusal(&["stdio"], &[("SCOPE3_BACKUP_API_KEYS", "sk-other-hidden")]).await;
    assert!(said.contains("SCOPE3_BACKUP_API_KEYS") && !said.contains("hidden"), "{said}");
    assert!(refusal(&["stdio"], &[("SCOPE3_API_KEY_ISSUED", "yesterday")]).await.contains("2026-01-31"));
    assert!(refusal(&["--api-key-command", "'", "stdio"], &[]).await.contains("--api-key-command"));
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(
        &file,
        "tools = ['pmp_list', 'pmp_create']\nread-only = true\nexclude_tools = ['get_usage']\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
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
async fn a_settings_file_with_a_wrong_value_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    for (text, named) in [
        ("on-limit = 'maybe'", "--on-limit"),
        ("read-only = 'perhaps'", "read-only"),
        ("read-only = [", "settings.toml"),
        ("tools = { a = 1 }", "tools"),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = refusal(&["--config", file.to_str().unwrap(), "tools", "list"], &[]).await;
        assert!(said.contains(named), "{text}: {said}");
    }
    assert!(refusal(&["--config", "/no/such/file"], &[]).await.contains("/no/such/file"));
}

#[tokio::test]
async fn help_version_and_completions_go_to_standard_output() {
    for (arguments, said) in [
        (["--help"].as_slice(), "Usage: scope3-mcp"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["completions", "bash"], "complete"),
        (&["tools", "--help"], "search"),
    ] {
        let outcome = run(&mut command(arguments)).await;
        assert_eq!(outcome.code, Some(0), "{arguments:?}");
        assert!(outcome.stdout.contains(said), "{arguments:?}: {}", outcome.stdout);
    }
}
