//! The commands of secret managers in `docs/keys.md`, each with a program that stands for the client: it accepts exactly the
//! arguments that the client's manual describes, and prints the key in the client's form.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::header};

use crate::support::{command, key_text, redis::requirement::has_program, run};

const PAGE: &str = include_str!("../../docs/keys.md");

/// What stands for a client.
struct Client {
    /// Its program.
    name: &'static str,
    /// A variable that the client reads, and must get.
    variable: &'static str,
    /// The arguments that it accepts, and what it then prints, as a format of `printf` with the key in the place of `%s`.
    answers: &'static [(&'static [&'static str], &'static str)],
}

const CLIENTS: [Client; 7] = [
    Client {
        name: "aws",
        variable: "AWS_PROFILE",
        answers: &[
            (
                &[
                    "secretsmanager",
                    "get-secret-value",
                    "--secret-id",
                    "scope3/api-key",
                    "--query",
                    "SecretString",
                    "--output",
                    "text",
                ],
                r"%s\n",
            ),
            (
                &[
                    "secretsmanager",
                    "get-secret-value",
                    "--secret-id",
                    "scope3",
                    "--query",
                    "SecretString",
                    "--output",
                    "text",
                ],
                r#"{"SCOPE3_API_KEY":"%s","other":"x"}\n"#,
            ),
        ],
    },
    Client {
        name: "az",
        variable: "AZURE_CONFIG_DIR",
        answers: &[(
            &[
                "keyvault",
                "secret",
                "show",
                "--vault-name",
                "my-vault",
                "--name",
                "scope3-api-key",
                "--query",
                "value",
                "--output",
                "tsv",
            ],
            r"%s\n",
        )],
    },
    Client {
        name: "gcloud",
        variable: "CLOUDSDK_CONFIG",
        answers: &[(
            &["secrets", "versions", "access", "latest", "--secret=scope3-api-key", "--project=my-project"],
            "%s",
        )],
    },
    Client {
        name: "vault",
        variable: "VAULT_ADDR",
        // It ends the line only on a terminal.
        answers: &[(&["kv", "get", "-mount=secret", "-field=api_key", "scope3"], "%s")],
    },
    Client {
        name: "op",
        variable: "OP_SERVICE_ACCOUNT_TOKEN",
        answers: &[(&["read", "op://Private/Scope3 API/credential"], r"%s\n")],
    },
    Client {
        name: "security",
        variable: "HOME",
        answers: &[(&["find-generic-password", "-s", "scope3-mcp", "-a", "api-key", "-w"], r"%s\n")],
    },
    Client {
        name: "secret-tool",
        variable: "DBUS_SESSION_BUS_ADDRESS",
        answers: &[(&["lookup", "service", "scope3-mcp", "account", "api-key"], "%s")],
    },
];

impl Client {
    /// Writes the program. Without its variable, with a variable of the server, or with other arguments, it fails.
    fn install(&self, directory: &Path) {
        let mut script = format!(
            "#!/bin/sh\n[ -n \"${}\" ] || exit 3\n[ -z \"$SCOPE3_API_URL\" ] || exit 4\n",
            self.variable
        );
        script.push_str("given=$(printf '%s\\n' \"$@\")\n");
        for (arguments, form) in self.answers {
            let line = format!(
                "[ \"$given\" = '{}' ] && exec printf '{form}' '{}'\n",
                arguments.join("\n"),
                key_text("only")
            );
            script.push_str(&line);
        }
        script.push_str("echo 'unknown arguments' >&2\nexit 2\n");
        let path = directory.join(self.name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// The commands on the page, as a shell passes them to the program, and the one in JSON.
fn documented() -> Vec<String> {
    let blocks = |language: &'static str| {
        PAGE.split(language).skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned())
    };
    let mut commands = Vec::new();
    for block in blocks("```sh\n") {
        for line in block.replace("\\\n", " ").lines() {
            let words = shell_words::split(line.split(" # ").next().unwrap()).unwrap();
            let value = words.iter().skip_while(|word| *word != "--api-key-command").nth(1);
            commands.extend(value.cloned());
        }
    }
    for block in blocks("```json\n") {
        let example: Value = serde_json::from_str(&block).unwrap();
        let variable = &example["mcpServers"]["scope3"]["env"]["SCOPE3_API_KEY_COMMAND"];
        commands.push(variable.as_str().unwrap().to_owned());
    }
    commands
}

#[tokio::test]
async fn each_documented_command_brings_the_key_that_the_client_prints() {
    if !has_program("jq") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for client in &CLIENTS {
        client.install(directory.path());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", directory.path().display());
    let commands = documented();
    let used: BTreeSet<&str> = CLIENTS
        .iter()
        .filter(|client| commands.iter().any(|command| command.contains(&format!("{} ", client.name))))
        .map(|client| client.name)
        .collect();
    assert_eq!((used.len(), commands.len()), (CLIENTS.len(), 9), "{commands:?}");
    for key_command in commands {
        let api = MockServer::start().await;
        let body = json!({ "success": true, "data": { "brandAgents": [] } });
        Mock::given(header("x-scope3-api-key", key_text("only").as_str()))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&api)
            .await;
        let mut program = command(&["tools", "call", "brand_agent_list", "--json"]);
        program
            .env("PATH", &path)
            .env("SCOPE3_API_URL", api.uri())
            .env("SCOPE3_API_KEY_COMMAND", &key_command);
        for client in &CLIENTS {
            program.env(client.variable, directory.path());
        }
        let outcome = run(&mut program).await;
        assert_eq!(outcome.code, Some(0), "{key_command}: {} {}", outcome.stdout, outcome.stderr);
        assert_eq!(api.received_requests().await.unwrap().len(), 1, "{key_command}");
    }
}

#[tokio::test]
async fn a_command_whose_output_has_the_quotation_marks_of_json_is_reported() {
    let mut program = command(&["tools", "call", "brand_agent_list", "--json"]);
    let key_command = format!("printf '\"%s\"\\n' {}", key_text("only"));
    let outcome = run(program.env("SCOPE3_API_KEY_COMMAND", key_command)).await;
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("AUTH_INVALID_FORMAT"), "{}", outcome.stdout);
    assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains("aaaaaaaa"));
}
