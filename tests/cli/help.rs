//! Help and completions are complete, and limited to what a command uses.

use crate::{
    settings::{File, flag, settings, variable},
    support::{command, run},
};

#[tokio::test]
async fn help_version_and_completions_work_with_invalid_settings() {
    let file = File::new("nonsense = 1\n");
    for (arguments, expected) in [
        (["--help"].as_slice(), "Usage: scope3-mcp"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["completions", "bash"], "complete"),
        (&["tools", "--help"], "search"),
        (&["help", "http"], "--allow-host"),
    ] {
        let mut program = command(arguments);
        let outcome = run(program.env("SCOPE3_READONLY", "1").env("SCOPE3_CONFIG", file.path())).await;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(outcome.stdout.contains(expected), "{arguments:?}: {}", outcome.stdout);
    }
}

#[tokio::test]
async fn help_shows_the_settings_that_a_command_uses_and_fits_80_columns() {
    const ALL: [&str; 9] =
        ["API key", "Scope3", "Tools", "Limits", "State", "Address", "HTTP server", "Log", "Settings file"];
    for (line, headings) in [
        ("", "API key|Scope3|Tools|Limits|State|Log|Settings file"),
        ("stdio", "API key|Scope3|Tools|Limits|State|Log|Settings file"),
        ("http", "API key|Scope3|Tools|Limits|State|Address|HTTP server|Log|Settings file"),
        ("sandbox", "Address|Log|Settings file"),
        ("demo", "Limits|Log|Settings file"),
        ("tools", "Tools|Log|Settings file"),
        ("tools list", "Tools|Log|Settings file"),
        ("tools show", "Tools|Log|Settings file"),
        ("tools search", "Tools|Log|Settings file"),
        ("tools call", "API key|Scope3|Tools|Limits|State|Log|Settings file"),
        ("journal", "State|Log|Settings file"),
        ("journal settle", "State|Log|Settings file"),
        ("usage", "API key|Scope3|Tools|Limits|State|Log|Settings file"),
        ("healthcheck", "Address|Settings file"),
        ("catalog import", "Log|Settings file"),
        ("completions", ""),
    ] {
        for help in ["-h", "--help"] {
            let arguments: Vec<&str> = line.split_whitespace().chain([help]).collect();
            let text = run(command(&arguments).env("COLUMNS", "200")).await.stdout;
            let shown: Vec<&str> = text.lines().filter_map(|line| line.strip_suffix(':')).collect();
            let settings: Vec<&str> = shown.iter().copied().filter(|it| ALL.contains(it)).collect();
            assert_eq!(settings.join("|"), headings, "{text}");
            let own = shown.iter().position(|it| *it == "Options").unwrap();
            assert!(
                settings.first().is_none_or(|first| own < shown.iter().position(|it| it == first).unwrap())
            );
            let wide = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{arguments:?}");
        }
    }
    let help = run(&mut command(&["http", "--help"])).await.stdout;
    for setting in settings() {
        assert!(help.contains(&flag(&setting)) && help.contains(variable(&setting)), "{help}");
    }
    assert!(help.contains("as SCOPE3_API_KEY:"), "help says where to set the key: {help}");
}

#[tokio::test]
async fn completions_include_tools_and_toolsets() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = run(&mut command(&["completions", shell])).await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stdout.contains("toolsets"), "{shell}");
        // Elvish and PowerShell do not complete values.
        let names = if ["elvish", "powershell"].contains(&shell) {
            [].as_slice()
        } else {
            &["creative_revise", "brand_agents"]
        };
        for known in names {
            assert!(outcome.stdout.contains(known), "{shell}: {known}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn bash_completes_the_name_of_a_tool() {
    let script = run(&mut command(&["completions", "bash"])).await.stdout;
    let file = File::new(&script);
    let ask = "source \"$0\"; COMP_WORDS=(scope3-mcp tools show creative_r); COMP_CWORD=3; \
               _scope3__mcp scope3-mcp creative_r show; echo \"${COMPREPLY[*]}\"";
    let Ok(output) = std::process::Command::new("bash").args(["-c", ask, &file.path()]).output() else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "creative_revise", "{output:?}");
}
