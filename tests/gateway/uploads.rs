//! Files as arguments: what is sent of them, which are rejected, and what others see of them.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use scope3_mcp_gateway::{
    Api, Caller, ClientConfig, GatewayConfig, KeyOwner, Profile, ResponseMemory,
    catalog::{Catalog, Surface},
    credentials::{ApiKey, KeyRing},
    journal::Filter,
    policy::{Policy, Selection},
    uploads::{MAX_FILE_BYTES, Uploads},
};
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::Rig;

const CSV: &str = "date,impressions\r\n2026-06-15,1000\r\n";

/// A gateway to the APIs of sellers and of measurement, which both answer with success.
struct World {
    server: MockServer,
    folder: TempDir,
    rig: Rig,
}

impl World {
    /// Files below `allowed` in the folder may be sent.
    async fn new() -> Self {
        Self::with(|parts, folder| {
            let uploads = Uploads::below(folder.join("allowed")).unwrap();
            GatewayConfig { uploads, ..parts }
        })
        .await
    }

    async fn with(change: impl FnOnce(GatewayConfig, &Path) -> GatewayConfig) -> Self {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({ "data": { "id": 7 }, "error": null }));
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("allowed")).unwrap();
        let rig = Rig::changed(&server.uri(), |parts| {
            let surfaces = vec![Surface::Storefront, Surface::Measurement];
            let catalog = Catalog::of_surfaces(&surfaces);
            let choice = Selection {
                toolsets: Some(vec!["all".to_owned()]),
                surfaces: surfaces.clone(),
                ..Selection::default()
            };
            let api = |surface| {
                let profile = Profile::of(surface).unwrap();
                let memory = ResponseMemory::new(256 << 20);
                let base = server.uri().parse().unwrap();
                Api::new(profile, base, ClientConfig::default(), memory, profile.quotas.to_vec())
            };
            let policy = Policy::new(&catalog, choice).unwrap();
            let surfaces = surfaces.into_iter().map(api).collect();
            let repeat_guard = Duration::from_mins(15);
            let parts =
                GatewayConfig { catalog, policy, surfaces, repeat_guard, journal_arguments: true, ..parts };
            change(parts, folder.path())
        });
        Self { server, folder, rig }
    }

    /// Writes a file below the allowed directory.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join("allowed").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// How many requests arrived.
    async fn sent(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }

    /// The parts of the last request, by name: the headers of each, and its content.
    async fn parts(&self) -> Vec<(String, String, Vec<u8>)> {
        let request = self.server.received_requests().await.unwrap().pop().unwrap();
        let length: usize = request.headers["content-length"].to_str().unwrap().parse().unwrap();
        assert_eq!(length, request.body.len());
        let kind = request.headers["content-type"].to_str().unwrap();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let bytes = &request.body;
        let mark = format!("--{boundary}");
        let at: Vec<usize> =
            (0..bytes.len()).filter(|start| bytes[*start..].starts_with(mark.as_bytes())).collect();
        let parts = at.windows(2).map(|ends| &bytes[ends[0] + mark.len() + 2..ends[1] - 2]);
        parts
            .map(|part| {
                let end = part.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
                let head = String::from_utf8(part[..end].to_vec()).unwrap();
                let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
                (name.to_owned(), head.clone(), part[end + 4..].to_vec())
            })
            .collect()
    }

    /// A call with a file that must be rejected. Returns the message.
    async fn rejected(&self, rig: &Rig, file: &str) -> String {
        let failure = rig.failure("upload_measurement_data", measured(file)).await;
        let shown = &file[..file.len().min(60)];
        assert_eq!(failure["code"], "VALIDATION_ERROR", "{shown}: {failure}");
        assert_eq!(failure["changed"], "no", "{shown}");
        assert_eq!(failure["details"]["problems"][0]["path"], "file", "{shown}: {failure}");
        assert_eq!(self.sent().await, 0, "{shown}");
        let entries = self.rig.gateway.state().entries(Filter::default()).await.unwrap();
        assert!(entries.is_empty(), "{shown}: {entries:?}");
        failure["message"].as_str().unwrap().to_owned()
    }
}

fn measured(file: &str) -> Value {
    json!({ "file": file, "type": "MEDIA_DELIVERY" })
}

fn data(kind: &str, content: impl AsRef<[u8]>) -> String {
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(content))
}

fn sha256(content: impl AsRef<[u8]>) -> String {
    let digits = Sha256::digest(content).into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[tokio::test]
async fn a_file_below_the_directory_is_sent_with_its_name_and_type() {
    let world = World::new().await;
    for (path, name, kind) in [
        ("report.csv", "report.csv", "text/csv"),
        ("june/My prices.JSON", "My prices.JSON", "application/json"),
        ("june/a\"b.csv", "a_b.csv", "text/csv"),
        ("plain", "plain", "application/octet-stream"),
    ] {
        world.write(path, format!("{path}{CSV}"));
        world.rig.call("upload_measurement_data", measured(path)).await.unwrap();
        let parts = world.parts().await;
        let names: Vec<&str> = parts.iter().map(|(name, ..)| &**name).collect();
        assert_eq!(names, ["file", "type"]);
        let (_, head, content) = &parts[0];
        assert_eq!(
            head,
            &format!(
                "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}"
            )
        );
        assert_eq!(*content, format!("{path}{CSV}").into_bytes());
        assert_eq!(parts[1].2, b"MEDIA_DELIVERY");
    }
}

#[tokio::test]
async fn a_data_url_is_sent_as_its_content_for_each_tool_with_a_file() {
    let world = World::with(|parts, _| parts).await;
    let binary: Vec<u8> = (0..=255).collect();
    for (tool, mut arguments) in [
        ("upload_inventory_feed", json!({ "sourceId": "s", "contractId": "static-avails-feed:v1" })),
        ("preview_modular_inventory_source_avails_upload", json!({ "sourceId": "s" })),
        ("upload_measurement_data", json!({ "type": "CUSTOMER_USAGE" })),
    ] {
        arguments["file"] = data("text/csv;charset=utf-8", &binary).into();
        world.rig.call(tool, arguments).await.unwrap();
        let parts = world.parts().await;
        let (_, head, content) = parts.iter().find(|(name, ..)| name == "file").unwrap();
        assert!(head.ends_with("filename=\"upload.csv\"\r\nContent-Type: text/csv"), "{tool}: {head}");
        assert_eq!(*content, binary, "{tool}");
    }
    let unpadded = BASE64_STANDARD.encode("ab").trim_end_matches('=').to_owned();
    world.rig.call("upload_measurement_data", measured(&format!("DATA:;BASE64,{unpadded}"))).await.unwrap();
    let (_, head, content) = world.parts().await.swap_remove(0);
    assert!(head.ends_with("filename=\"upload.bin\"\r\nContent-Type: application/octet-stream"), "{head}");
    assert_eq!(content, b"ab");
}

#[tokio::test]
async fn a_file_of_exactly_the_limit_is_sent_and_one_byte_more_is_not() {
    let world = World::new().await;
    world.write("most.csv", vec![b'a'; MAX_FILE_BYTES]);
    world.write("more.csv", vec![b'a'; MAX_FILE_BYTES + 1]);
    for file in ["more.csv", &data("text/csv", vec![b'a'; MAX_FILE_BYTES + 1])] {
        let message = world.rejected(&world.rig, file).await;
        assert!(message.contains("`file` is larger than 10485760 bytes (10 MB)"), "{message}");
    }
    for file in ["most.csv", &data("text/plain", vec![b'b'; MAX_FILE_BYTES])] {
        world.rig.call("upload_measurement_data", measured(file)).await.unwrap();
        assert_eq!(world.parts().await[0].2.len(), MAX_FILE_BYTES);
    }
}

#[tokio::test]
async fn what_is_not_a_file_below_the_directory_is_rejected() {
    let world = World::new().await;
    let outside = world.folder.path().join("secret.csv");
    std::fs::write(&outside, "s3cret").unwrap();
    world.write("empty.csv", "");
    world.write("june/report.csv", CSV);
    for (file, expected) in [
        ("../secret.csv", "leads out of the allowed upload directory"),
        ("june/../../secret.csv", "leads out of the allowed upload directory"),
        (outside.to_str().unwrap(), "leads out of the allowed upload directory"),
        ("/dev/zero", "leads out of the allowed upload directory"),
        ("june", "is a directory: expected a file"),
        (".", "is a directory: expected a file"),
        ("empty.csv", "is an empty file"),
        ("missing.csv", "cannot be read below the allowed upload directory"),
        ("june/report.csv/x", "cannot be read below the allowed upload directory"),
        ("a\0b", "cannot be read below the allowed upload directory"),
        ("", "must not be empty"),
        ("data:text/csv,a", "is a data: URL without base64"),
        ("data:text/csv;base64", "is a data: URL without base64"),
        ("data:", "is a data: URL without base64"),
        ("data:ünïcödé,a", "is a data: URL without base64"),
        ("data:text/csv;base64,s3cret!", "whose content is not valid base64"),
        ("data:text/csv;base64,", "is an empty file"),
    ] {
        let message = world.rejected(&world.rig, file).await;
        assert!(message.contains(expected), "{file}: {message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn no_link_leads_out_and_no_pipe_or_device_is_read() {
    use std::os::unix::{fs::PermissionsExt, fs::symlink, net::UnixListener};

    let world = World::new().await;
    let allowed = world.folder.path().join("allowed");
    std::fs::write(world.folder.path().join("secret.csv"), "s3cret").unwrap();
    world.write("report.csv", CSV);
    symlink("../secret.csv", allowed.join("out.csv")).unwrap();
    symlink(world.folder.path(), allowed.join("up")).unwrap();
    symlink("/dev/zero", allowed.join("zero")).unwrap();
    symlink("loop", allowed.join("loop")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, allowed.join("pipe"), mode).unwrap();
    let _socket = UnixListener::bind(allowed.join("socket")).unwrap();
    let out = "leads out of the allowed upload directory";
    let other = "is a device, a pipe or a socket: expected a file";
    let unreadable = "cannot be read below the allowed upload directory";
    let mut bad = vec![
        ("out.csv", out),
        ("up/secret.csv", out),
        ("zero", out),
        ("loop", unreadable),
        ("pipe", other),
        ("socket", other),
    ];
    world.write("locked.csv", CSV);
    std::fs::set_permissions(allowed.join("locked.csv"), PermissionsExt::from_mode(0o000)).unwrap();
    // Root can read everything.
    if std::fs::read(allowed.join("locked.csv")).is_err() {
        bad.push(("locked.csv", unreadable));
    }
    for (file, expected) in bad {
        let rejected = tokio::time::timeout(Duration::from_secs(10), world.rejected(&world.rig, file));
        let message = rejected.await.unwrap_or_else(|_| panic!("{file} blocks"));
        assert!(message.contains(expected), "{file}: {message}");
    }
    symlink("report.csv", allowed.join("inside.csv")).unwrap();
    world.rig.call("upload_measurement_data", measured("inside.csv")).await.unwrap();
}

#[tokio::test]
async fn a_path_needs_an_allowed_directory_and_the_servers_own_key() {
    let world = World::with(|parts, _| parts).await;
    let message = world.rejected(&world.rig, "report.csv").await;
    assert!(message.contains("`--allow-upload` (`SCOPE3_ALLOW_UPLOAD`)"), "{message}");

    let world = World::new().await;
    world.write("report.csv", CSV);
    let caller = Caller { key_owner: KeyOwner::Caller, ..world.rig.caller.clone() };
    let stranger = Rig { gateway: Arc::clone(&world.rig.gateway), caller };
    for path in ["report.csv", "missing.csv", "../x"] {
        let message = world.rejected(&stranger, path).await;
        assert!(
            message.contains("`file` is a path, which only calls with this server's own key"),
            "{message}"
        );
    }
    stranger.call("upload_measurement_data", measured(&data("text/csv", CSV))).await.unwrap();
    assert_eq!(world.parts().await[0].2, CSV.as_bytes());

    let world = World::new().await;
    std::fs::remove_dir(world.folder.path().join("allowed")).unwrap();
    let message = world.rejected(&world.rig, "report.csv").await;
    assert!(message.contains("the directory of `--allow-upload` cannot be opened"), "{message}");
    Uploads::below(world.folder.path().join("missing")).unwrap_err();
}

#[tokio::test]
async fn the_same_content_is_a_repeated_change_and_other_content_another_one() {
    let world = World::new().await;
    world.write("report.csv", CSV);
    let call = || world.rig.call("upload_measurement_data", measured("report.csv"));
    assert!(!call().await.unwrap().notes.contains_key("repeated"));
    assert_eq!(call().await.unwrap().notes["repeated"], true);
    assert_eq!(world.sent().await, 1);
    world.write("report.csv", CSV.replace("1000", "1001"));
    assert!(!call().await.unwrap().notes.contains_key("repeated"));
    assert_eq!(world.sent().await, 2);
}

#[tokio::test]
async fn the_journal_a_dry_run_and_the_log_describe_the_file_without_its_content() {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let (sink, world) = (Sink::default(), World::new().await);
    let writer = sink.clone();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG);
    let _log = tracing::subscriber::set_default(log.with_writer(move || writer.clone()).finish());
    let encoded = data("text/csv", CSV);
    let described = json!({ "name": "upload.csv", "bytes": CSV.len(), "sha256": sha256(CSV) });

    let mut arguments = measured(&encoded);
    arguments["dryRun"] = true.into();
    let shown = world.rig.call("upload_measurement_data", arguments).await.unwrap().into_value();
    assert_eq!(shown["parts"], json!({ "file": described, "type": "MEDIA_DELIVERY" }), "{shown}");
    assert_eq!(world.sent().await, 0);

    world.rig.call("upload_measurement_data", measured(&encoded)).await.unwrap();
    let entry = world.rig.gateway.state().entries(Filter::default()).await.unwrap().pop().unwrap();
    let kept: Value = serde_json::from_str(entry.arguments.as_deref().unwrap()).unwrap();
    assert_eq!(kept, json!({ "file": described, "type": "MEDIA_DELIVERY" }));

    world.rig.call("upload_measurement_data", measured(&format!("{encoded}!"))).await.unwrap_err();
    let log = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("upload_measurement_data"), "{log}");
    let base64 = BASE64_STANDARD.encode(CSV);
    assert!(!log.contains("impressions") && !log.contains(&base64[..16]), "{log}");
}

#[tokio::test]
async fn a_person_is_asked_about_the_content_and_a_code_counts_for_it_alone() {
    let world = World::with(|parts, folder| {
        let uploads = Uploads::below(folder.join("allowed")).unwrap();
        let rules = "permit(principal, action, resource);\n@ask(\"It leaves the house\") \
                     forbid(principal, action == Action::\"preview_modular_inventory_source_avails_upload\", resource);";
        std::fs::write(folder.join("rules.cedar"), rules).unwrap();
        let policy = parts.policy.with_file(folder.join("rules.cedar"), &parts.catalog).unwrap();
        GatewayConfig { policy, uploads, ..parts }
    })
    .await;
    let tool = "preview_modular_inventory_source_avails_upload";
    world.write("avails.csv", CSV);
    let asked = world.rig.failure(tool, json!({ "sourceId": "s", "file": "avails.csv" })).await;
    let question = asked["message"].as_str().unwrap();
    assert!(question.contains("avails.csv") && question.contains(&sha256(CSV)), "{question}");
    assert!(question.contains(&format!("\"bytes\":{}", CSV.len())), "{question}");
    let code = &asked["confirmation"]["code"];
    let confirmed = json!({ "sourceId": "s", "file": "avails.csv", "confirmation": code });
    world.write("avails.csv", "other");
    assert_eq!(world.rig.failure(tool, confirmed.clone()).await["code"], "CONFIRMATION_INVALID");
    assert_eq!(world.sent().await, 0);
    world.write("avails.csv", CSV);
    world.rig.call(tool, confirmed).await.unwrap();
    assert_eq!(world.parts().await[0].2, CSV.as_bytes());
}

#[tokio::test]
async fn the_sandbox_takes_files() {
    let catalog = Catalog::of_surfaces(&[Surface::Measurement]);
    let sandbox = Sandbox::start(Options::default(), catalog).await.unwrap();
    let profile = Profile::of(Surface::Measurement).unwrap();
    let base = sandbox.url_of(Surface::Measurement).unwrap().parse().unwrap();
    let memory = ResponseMemory::new(1 << 20);
    let api = Api::new(profile, base, ClientConfig::default(), memory, profile.quotas.to_vec());
    let mut world =
        World::with(|parts, _| GatewayConfig { surfaces: [api].into_iter().collect(), ..parts }).await;
    let key = ApiKey::parse(&Sandbox::keys()[0].into()).unwrap();
    world.rig.caller = Caller::new(Arc::new(KeyRing::of(key)), KeyOwner::Server);
    let success = world.rig.call("upload_measurement_data", measured(&data("text/csv", CSV))).await.unwrap();
    assert_eq!(success.notes["sandbox"], true);
}
