//! The contract of a published document, imported from the command line.

use std::fs;

use tempfile::TempDir;

use crate::support::{Outcome, command, run};

const DOCUMENT: &str = "
openapi: 3.0.0
info: { title: Things, version: 2.0.0 }
servers: [{ url: https://api.interchange.io/api/v2/buyer }]
paths:
  /things:
    get: { operationId: listThings, parameters: [{ name: take, in: query, schema: { type: integer } }] }
";

async fn import(folder: &TempDir, document: &str) -> Outcome {
    fs::write(folder.path().join("things.yaml"), document).unwrap();
    let arguments = ["catalog", "import", "things.yaml", "--surface", "buyer"];
    run(command(&arguments).current_dir(folder.path())).await
}

#[tokio::test]
async fn an_import_writes_the_contract_and_says_what_changed() {
    let folder = TempDir::new().unwrap();
    let first = import(&folder, DOCUMENT).await;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert!(
        first.stdout.contains("1 operations and 0 shared schemas, from version 2.0.0"),
        "{}",
        first.stdout
    );
    let path = folder.path().join("tools/buyer/contract.json");
    let contract = fs::read_to_string(&path).unwrap();
    assert!(contract.contains("\"request\": \"GET /things\""), "{contract}");

    let again = import(&folder, DOCUMENT).await;
    assert!(again.stdout.contains("0 added, 0 removed, 0 changed"), "{}", again.stdout);
    assert_eq!(fs::read_to_string(&path).unwrap(), contract);

    let newer = import(
        &folder,
        &format!("{}    post: {{ operationId: makeThing }}\n", DOCUMENT.replace("integer", "number")),
    )
    .await;
    assert!(newer.stdout.contains("1 added, 0 removed, 1 changed"), "{}", newer.stdout);
    assert!(newer.stdout.contains("  changed listThings (parameter take)"), "{}", newer.stdout);
}

#[tokio::test]
async fn an_import_that_fails_writes_nothing() {
    let folder = TempDir::new().unwrap();
    for (document, expected) in [
        ("openapi: [", "things.yaml: line 1, expected YAML or JSON"),
        (
            &DOCUMENT.replace("listThings", "'a b'"),
            "things.yaml: line 7, paths./things.get.operationId: expected",
        ),
        (
            &DOCUMENT.replace("api.interchange.io", "api.example.com"),
            "expected the document of https://api.interchange.io",
        ),
    ] {
        let outcome = import(&folder, document).await;
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
        assert!(!folder.path().join("tools").exists());
    }
    let missing = ["catalog", "import", "missing.yaml", "--surface", "buyer"];
    let outcome = run(command(&missing).current_dir(folder.path())).await;
    assert!(
        outcome.code == Some(1) && outcome.stderr.contains("missing.yaml: cannot be read"),
        "{}",
        outcome.stderr
    );
    let outcome = run(&mut command(&["catalog", "import", "x", "--surface", "sell"])).await;
    assert!(outcome.code == Some(2) && outcome.stderr.contains("storefront"), "{}", outcome.stderr);
}
