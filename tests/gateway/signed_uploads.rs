//! A file that goes to a signed URL outside the API: what is announced, what is sent where, and what stays hidden.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use scope3_mcp_gateway::{
    Caller, GatewayConfig, KeyOwner,
    catalog::{Catalog, Surface},
    credentials::{ApiKey, KeyRing},
    journal::Filter,
    uploads::Uploads,
};
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    seller::{self, answer},
    support::Rig,
};

const CSV: &str = "buyer,account\nacme,1\n\"quill, books\",2\n";
const SHA256: &str = "66fa980e750a448d4a849440eb90e12f970cda86132eed5cb883d1e6ef0bc4dd";
const PREPARE: &str = "/account-mappings/imports/prepare";
const TOOL: &str = "prepare_seller_account_binding_feed";

struct World {
    api: MockServer,
    storage: MockServer,
    rig: Rig,
    folder: TempDir,
}

impl World {
    /// The API answers with `url` for the upload, and the storage with `stored`.
    async fn new(url: impl FnOnce(&str) -> Value, headers: Value, stored: ResponseTemplate) -> Self {
        let (api, storage) = (MockServer::start().await, MockServer::start().await);
        let prepared = answer(json!({
            "revisionId": "3f0e7c1a-1111-4222-8333-444455556666", "state": "uploading",
            "uploadUrl": url(&storage.uri()), "uploadHeaders": headers,
            "uploadExpiresAt": "2126-06-15T12:00:00Z",
        }));
        Mock::given(method("POST")).and(path(PREPARE)).respond_with(prepared).mount(&api).await;
        Mock::given(method("PUT")).respond_with(stored).mount(&storage).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("june.csv"), CSV).unwrap();
        let uploads = Uploads::below(folder.path().to_owned()).unwrap();
        let rig =
            seller::rig(&api.uri(), |parts| GatewayConfig { uploads, journal_arguments: true, ..parts });
        Self { api, storage, rig, folder }
    }

    async fn usual() -> Self {
        let url = |storage: &str| json!(format!("{storage}/bucket/1?signature=secret-signature"));
        Self::new(
            url,
            json!({ "x-amz-checksum": "abc", "content-type": "text/csv" }),
            ResponseTemplate::new(200),
        )
        .await
    }

    async fn stored(&self) -> Vec<Request> {
        self.storage.received_requests().await.unwrap()
    }
}

fn import(file: &str) -> Value {
    json!({
        "sourceRevision": "June", "mode": "snapshot", "coveredInventorySourceKeys": ["gam:1"], "file": file,
    })
}

#[tokio::test]
async fn a_file_is_announced_and_then_stored_without_the_key() {
    let world = World::usual().await;
    let result = world.rig.call(TOOL, import("june.csv")).await.unwrap().into_value();
    let announced: Value = world.api.received_requests().await.unwrap()[0].body_json().unwrap();
    let file = &announced["file"];
    assert_eq!(file["name"], "source_account_bindings.csv");
    assert_eq!((&file["sizeBytes"], &file["rowCount"]), (&json!(CSV.len()), &json!(2)));
    assert_eq!(file["sha256"], SHA256);
    assert_eq!(announced["sourceRevision"], "June");
    let [stored] = &world.stored().await[..] else { panic!("not one upload") };
    assert_eq!((&stored.body[..], stored.url.path()), (CSV.as_bytes(), "/bucket/1"));
    assert_eq!(stored.headers["x-amz-checksum"], "abc");
    for (name, value) in &stored.headers {
        let value = value.to_str().unwrap();
        assert!(!value.contains("scope3_") && name != "authorization" && !name.as_str().contains("api-key"));
    }
    assert_eq!(result["revisionId"], "3f0e7c1a-1111-4222-8333-444455556666");
    assert!(!result.to_string().contains("secret-signature"), "{result}");
    let entries = world.rig.gateway.state().entries(Filter::default()).await.unwrap();
    let kept = format!("{entries:?}");
    assert!(
        kept.contains("rowCount") && !kept.contains("secret-signature") && !kept.contains("quill"),
        "{kept}"
    );
    assert!(world.folder.path().join("june.csv").exists());
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_announced() {
    let world = World::usual().await;
    let mut arguments = import("june.csv");
    arguments["dryRun"] = true.into();
    let shown = world.rig.call(TOOL, arguments).await.unwrap().into_value();
    assert!(shown.to_string().contains("rowCount") && !shown.to_string().contains("quill"), "{shown}");
    assert!(world.api.received_requests().await.unwrap().is_empty() && world.stored().await.is_empty());
}

#[tokio::test]
async fn an_upload_that_fails_is_told_as_half_done() {
    let url = |storage: &str| json!(format!("{storage}/bucket/1?signature=secret-signature"));
    for status in [301, 403, 500] {
        let stored = ResponseTemplate::new(status).insert_header("location", "http://127.0.0.1:9/other");
        let world = World::new(url, json!({}), stored).await;
        let failure = world.rig.failure(TOOL, import("june.csv")).await;
        let message = failure["message"].as_str().unwrap();
        assert!(
            message.contains("the file was not uploaded") && message.contains(&status.to_string()),
            "{failure}"
        );
        assert_eq!(failure["changed"], "yes", "{failure}");
        assert!(!failure.to_string().contains("secret-signature"), "{failure}");
        assert_eq!(world.stored().await.len(), 1);
    }
}

#[tokio::test]
async fn a_file_goes_to_no_address_that_could_be_a_trap() {
    for url in [
        json!("http://169.254.169.254/latest/meta-data"),
        json!("https://storage.example/bucket"),
        json!("file:///etc/passwd"),
        json!("http://user:password@127.0.0.1/"),
        json!("nothing"),
        Value::Null,
        json!(7),
    ] {
        let given = url.clone();
        let world = World::new(|_| given, json!({}), ResponseTemplate::new(200)).await;
        let failure = world.rig.failure(TOOL, import("june.csv")).await;
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("no usable upload address"), "{url}: {failure}");
        assert!(world.stored().await.is_empty(), "{url}");
    }
}

#[tokio::test]
async fn an_answer_cannot_set_headers_that_carry_credentials_or_break_the_request() {
    let url = |storage: &str| json!(format!("{storage}/bucket/1"));
    for headers in [
        json!({ "Authorization": "Bearer x" }),
        json!({ "cookie": "a=b" }),
        json!({ "Host": "other.example" }),
        json!({ "Transfer-Encoding": "chunked" }),
        json!({ "x-a\r\nx-b": "1" }),
        json!({ "x-a": "1\r\nx-b: 2" }),
        json!({ "x-a": 1 }),
    ] {
        let world = World::new(url, headers.clone(), ResponseTemplate::new(200)).await;
        let failure = world.rig.failure(TOOL, import("june.csv")).await;
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("a header for the upload that cannot be sent"), "{headers}: {failure}");
        assert!(world.stored().await.is_empty(), "{headers}");
    }
}

#[tokio::test]
async fn a_file_that_may_not_be_sent_announces_nothing() {
    let world = World::usual().await;
    for file in ["../june.csv", "/etc/passwd", "no.csv", "data:text/csv,a", "data:text/csv;base64,"] {
        let failure = world.rig.failure(TOOL, import(file)).await;
        assert_eq!(
            (&failure["code"], &failure["changed"]),
            (&json!("VALIDATION_ERROR"), &json!("no")),
            "{file}"
        );
    }
    assert!(world.api.received_requests().await.unwrap().is_empty() && world.stored().await.is_empty());
}

#[tokio::test]
async fn an_import_goes_from_the_file_to_the_commit_in_the_sandbox() {
    let catalog = Catalog::of_surfaces(&[Surface::Storefront]);
    let sandbox = Sandbox::start(Options::default(), catalog).await.unwrap();
    let mut rig = seller::rig(&sandbox.url_of(Surface::Storefront).unwrap(), |parts| parts);
    let key = ApiKey::parse(&Sandbox::keys()[0].into()).unwrap();
    rig.caller = Caller::new(Arc::new(KeyRing::of(key)), KeyOwner::Server);
    let run = async |csv: &str| {
        let file = format!("data:text/csv;base64,{}", BASE64_STANDARD.encode(csv));
        let prepared = rig.call(TOOL, import(&file)).await.unwrap().into_value();
        assert!(!prepared.to_string().contains("signature"), "{prepared}");
        let of = json!({ "revisionId": prepared["revisionId"] });
        let preview = rig.call("preview_seller_account_binding_feed", of.clone()).await.unwrap().into_value();
        let mut commit = of.clone();
        commit["previewToken"] = preview["previewToken"].clone();
        rig.call("commit_seller_account_binding_feed", commit.clone()).await.unwrap();
        let now = rig.call("get_seller_account_binding_feed_revision", of).await.unwrap().into_value();
        assert_eq!(now["state"], "committed", "{now}");
        // The token of the preview is used up.
        commit["partial"] = "accepted_delta".into();
        let again = rig.failure("commit_seller_account_binding_feed", commit).await;
        assert_eq!(again["changed"], "no", "{again}");
        preview["impact"].clone()
    };
    let first = run(CSV).await;
    assert_eq!((&first["createCount"], &first["archiveCount"]), (&json!(2), &json!(0)), "{first}");
    let second = run("buyer,account\nacme,1\n").await;
    assert_eq!((&second["unchangedCount"], &second["archiveCount"]), (&json!(1), &json!(1)), "{second}");
}
