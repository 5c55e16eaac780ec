//! Newer documents from the command line: pulled, compared, checked, used, and noticed by a server that runs.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, path},
};

use crate::support::{
    Outcome, Session, command,
    documents::{NEWER, write},
    key_text, run,
};

const AT: &str = "/api/v2/buyer/openapi.yaml";

/// A server that publishes this document.
async fn published(text: &str) -> MockServer {
    let server = MockServer::start().await;
    let document = ResponseTemplate::new(200).set_body_string(text).insert_header("etag", "\"one\"");
    Mock::given(path(AT))
        .and(header("if-none-match", "\"one\""))
        .respond_with(ResponseTemplate::new(304))
        .mount(&server)
        .await;
    Mock::given(path(AT)).respond_with(document).mount(&server).await;
    server
}

async fn catalog(cache: &TempDir, server: &MockServer, arguments: &[&str]) -> Outcome {
    let url = format!("{}/api/v2/buyer", server.uri());
    let mut program = command(&[&["catalog"], arguments].concat());
    program.env("XDG_CACHE_HOME", cache.path()).env("SCOPE3_API_KEY", key_text("only"));
    if arguments.first() == Some(&"pull") {
        program.args(["--api", "buyer", "--api-url", &url]);
    }
    run(&mut program).await
}

fn files(cache: &TempDir) -> Vec<String> {
    let folder = cache.path().join("scope3-mcp/documents/buyer");
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn tools(cache: &TempDir, arguments: &[&str]) -> Vec<String> {
    let all = [&["tools", "list", "--json", "--api", "buyer", "--toolsets", "all"], arguments].concat();
    let outcome = run(command(&all).env("XDG_CACHE_HOME", cache.path())).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let list: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let tools = list.as_array().or_else(|| list["tools"].as_array()).unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn has_gadget(names: &[String]) -> bool {
    names.iter().any(|name| name == "make_gadget")
}

#[tokio::test]
async fn a_pulled_document_is_used_only_when_the_operator_says_so() {
    let (cache, server) = (TempDir::new().unwrap(), published(NEWER).await);
    let pulled = catalog(&cache, &server, &["pull"]).await;
    assert_eq!((pulled.code, pulled.stderr.as_str()), (Some(0), ""), "{}", pulled.stdout);
    assert!(
        pulled.stdout.contains("buyer: 3 operations from http") && pulled.stdout.contains("ETag \"one\"")
    );
    assert!(pulled.stdout.contains("1 new"), "{}", pulled.stdout);
    assert!(!has_gadget(&tools(&cache, &[]).await), "nothing is activated");

    let again = catalog(&cache, &server, &["pull"]).await;
    assert!(again.stdout.contains("buyer: unchanged since"), "{}{}", again.stdout, again.stderr);
    for request in server.received_requests().await.unwrap() {
        assert!(!request.headers.contains_key("authorization"), "the key must not be sent");
        assert!(!request.headers.contains_key("x-scope3-api-key"));
    }

    let diff = catalog(&cache, &server, &["diff", "buyer"]).await;
    for line in [
        "new       make_gadget (spend, POST /gadgets)",
        "gone      get_campaign: the built-in tool stays",
        "changed   list_advertisers: ",
        "new argument team",
        "described delete_campaign (calls need a confirmation)",
        "now:    \"Deletes the campaign and everything in it.\"",
    ] {
        assert!(diff.stdout.contains(line), "{line}\n{}", diff.stdout);
    }

    let used = catalog(&cache, &server, &["use", "buyer"]).await;
    assert_eq!(used.code, Some(0), "{}", used.stderr);
    assert!(used.stdout.contains("catalog use --acknowledge buyer"), "{}", used.stdout);
    assert!(has_gadget(&tools(&cache, &[]).await));
    let acknowledged = catalog(&cache, &server, &["use", "--acknowledge", "buyer"]).await;
    assert!(acknowledged.stdout.contains("acknowledged: "), "{}", acknowledged.stdout);
    let diff = catalog(&cache, &server, &["diff"]).await;
    assert!(!diff.stdout.contains("need a confirmation"), "{}", diff.stdout);

    let back = catalog(&cache, &server, &["use", "--built-in", "buyer"]).await;
    assert!(back.stdout.contains("the built-in document is in use"), "{}", back.stdout);
    assert!(!has_gadget(&tools(&cache, &[]).await));
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_not_stored() {
    let foreign = NEWER.replace("https://api.interchange.io", "https://evil.example");
    for (response, expected) in [
        (
            ResponseTemplate::new(200).set_body_string(foreign),
            "line 3, servers.0.url: expected `https://api.interchange.io",
        ),
        (ResponseTemplate::new(200).set_body_string("a: ["), "expected YAML or JSON"),
        (ResponseTemplate::new(302).insert_header("location", "/elsewhere"), "got status 302"),
        (ResponseTemplate::new(404), "got status 404"),
        (ResponseTemplate::new(304), "got status 304"),
        (ResponseTemplate::new(200).set_body_bytes(vec![b' '; (32 << 20) + 1]), "at most 32 MB"),
    ] {
        let (cache, server) = (TempDir::new().unwrap(), MockServer::start().await);
        Mock::given(path(AT)).respond_with(response).mount(&server).await;
        let pulled = catalog(&cache, &server, &["pull"]).await;
        assert_eq!(pulled.code, Some(1), "{expected}: {}", pulled.stdout);
        assert!(pulled.stderr.contains(expected), "{expected}: {}", pulled.stderr);
        assert_eq!(files(&cache), Vec::<String>::new());
        let used = catalog(&cache, &server, &["use", "buyer"]).await;
        assert_eq!(used.code, Some(1));
        assert!(used.stderr.contains("no document of `buyer` was pulled"), "{}", used.stderr);
    }
}

#[tokio::test]
async fn a_pull_needs_an_api_with_a_published_document() {
    let cache = TempDir::new().unwrap();
    let outcome =
        run(command(&["catalog", "pull", "--api", "campaign"]).env("XDG_CACHE_HOME", cache.path())).await;
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("--api: expected an API with a published document"),
        "{}",
        outcome.stderr
    );
    let outcome = run(&mut command(&["catalog", "pull", "--api", "buyer"])).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("expected a folder for caches"), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_document_of_the_settings_is_used_or_stops_the_start() {
    let (cache, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let good = format!("buyer={}", write(folder.path(), NEWER).display());
    assert!(has_gadget(&tools(&cache, &["--openapi", &good]).await));
    assert!(has_gadget(&tools(&cache, &["--openapi", &good]).await), "what was read before is used");
    let list = ["tools", "list", "--api", "buyer", "--toolsets", "new", "--openapi", &good];
    let outcome = run(&mut command(&list)).await;
    assert!(outcome.stdout.contains("make_gadget"), "{}{}", outcome.stdout, outcome.stderr);
    let outcome = run(&mut command(&["tools", "list", "--api", "campaign", "--openapi", &good])).await;
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("--openapi: expected a document of an active API"), "{}", outcome.stderr);
    write(folder.path(), &NEWER.replace("/gadgets:", "/../gadgets:"));
    let outcome = run(&mut command(&["stdio", "--api", "buyer", "--openapi", &good])).await;
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("paths./../gadgets: expected a path"), "{}", outcome.stderr);
}

/// Waits until the list of tools has changed, and returns whether the new tool is in it.
async fn after_change(session: &mut Session) -> bool {
    loop {
        let message = session.receive().await.expect("the server has ended");
        if message["method"] == "notifications/tools/list_changed" {
            break;
        }
    }
    let list = session.request("tools/list", json!({})).await;
    list["result"]["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "make_gadget")
}

fn server_command(cache: &Path) -> tokio::process::Command {
    let mut program = command(&["stdio", "--api", "buyer", "--toolsets", "default,new"]);
    program.env("XDG_CACHE_HOME", cache).env("SCOPE3_API_KEY", key_text("only"));
    program
}

#[tokio::test]
async fn a_server_that_runs_notices_the_choice_and_tells_its_client() {
    let (cache, server) = (TempDir::new().unwrap(), published(NEWER).await);
    catalog(&cache, &server, &["pull"]).await;
    let mut session = Session::spawn(&mut server_command(cache.path()));
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let response = session.request("initialize", hello).await;
    assert_eq!(response["result"]["capabilities"]["tools"]["listChanged"], true, "{response}");
    session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    session.request("tools/list", json!({})).await;
    catalog(&cache, &server, &["use", "buyer"]).await;
    assert!(after_change(&mut session).await, "the new tool is there");

    // A choice that cannot be used changes nothing, and the log says why.
    let choice = cache.path().join("scope3-mcp/documents/buyer/active.json");
    fs::write(&choice, "{ \"digest\": \"../../etc/passwd\" }").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let list = session.request("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["name"] == "make_gadget"), "the current catalog stays");
    catalog(&cache, &server, &["use", "--built-in", "buyer"]).await;
    assert!(!after_change(&mut session).await);
    let (_, code, log) = session.end().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("the current catalog stays"), "{log}");
}

#[tokio::test]
async fn a_start_uses_what_was_chosen_and_survives_what_cannot_be_used() {
    let (cache, server) = (TempDir::new().unwrap(), published(NEWER).await);
    catalog(&cache, &server, &["pull"]).await;
    catalog(&cache, &server, &["use", "buyer"]).await;
    let mut session = Session::start(&mut server_command(cache.path()), "2025-11-25").await;
    let result = session.call("make_gadget", json!({ "dryRun": true })).await;
    assert!(result.to_string().contains("/gadgets"), "{result}");
    session.end().await;
    for file in files(&cache).into_iter().filter(|name| !name.starts_with("active")) {
        fs::remove_file(cache.path().join("scope3-mcp/documents/buyer").join(file)).unwrap();
    }
    let session = Session::start(&mut server_command(cache.path()), "2025-11-25").await;
    let (_, code, log) = session.end().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("a chosen document cannot be used; the built-in ones are"), "{log}");
}

#[tokio::test]
async fn a_check_lists_everything_that_is_wrong() {
    let folder = TempDir::new().unwrap();
    let wrong = "openapi: 3.1.0
info: { title: Buyer, version: 2.1.0 }
servers: [{ url: 'https://api.interchange.io/api/v2/buyer' }]
paths:
  /a/{id}:
    get: { operationId: a }
    post: { operationId: a }
    put: { operationId: c, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/No' } } } } }
    delete: { operationId: d, parameters: [{ name: key, in: path, required: true, schema: { type: string, pattern: '(a' } }] }
";
    let file = write(folder.path(), wrong);
    let outcome = run(&mut command(&["catalog", "check", file.to_str().unwrap()])).await;
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    for line in [
        "error: line 7, paths./a/{id}.post.operationId: `a` is also the id of `GET /a/{id}`",
        "error: line 8, paths./a/{id}.put.requestBody.content.application/json.schema.$ref: `#/components/schemas/No` is not",
        "note:  paths./a/{id}.get: no parameter declares `{id}` of the path",
        "note:  paths./a/{id}.delete: the path has no `{key}`",
        "parameters.0.schema.pattern: left out: the validator cannot read this pattern",
    ] {
        assert!(outcome.stdout.contains(line), "{line}\n{}", outcome.stdout);
    }
    let good = write(folder.path(), NEWER);
    let outcome = run(&mut command(&["catalog", "check", good.to_str().unwrap()])).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stdout);
    let foreign = write(folder.path(), &NEWER.replace("api.interchange.io", "evil.example"));
    let outcome = run(&mut command(&["catalog", "check", foreign.to_str().unwrap()])).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stdout.contains("got https://evil.example/api/v2/buyer"), "{}", outcome.stdout);
    let diff =
        run(command(&["catalog", "diff", foreign.to_str().unwrap()]).env("XDG_CACHE_HOME", folder.path()))
            .await;
    assert_eq!(diff.code, Some(1), "{}", diff.stdout);
}
