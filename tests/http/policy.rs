//! A policy file that changes while the server runs.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::support::{Mcp, Server, message};

const ALL: &str = "permit(principal, action, resource);";

fn write(path: &Path, text: &str, later: u64) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let time = SystemTime::now() + Duration::from_secs(later);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// The number of listed tools, after a time in which the server may look at the file.
async fn listed(client: &Mcp) -> usize {
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let response: Value = message(client.post(&list).await).await;
    response["result"]["tools"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_changed_file_is_in_force_and_a_broken_one_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.cedar");
    write(&path, ALL, 0);
    let server = Server::sandbox(&["--policy", path.to_str().unwrap()]);
    let client = server.client().begin("2025-06-18").await;
    let all = listed(&client).await;
    write(&path, &format!("{ALL} forbid(principal, action in Action::\"effect:spend\", resource);"), 10);
    let fewer = listed(&client).await;
    assert!(fewer < all, "{fewer} of {all}");
    write(&path, &format!("{ALL}\nforbid(principal, action, resorce);"), 20);
    for _ in 0..2 {
        assert_eq!(listed(&client).await, fewer, "the earlier rules stay in force");
    }
    let log = server.log();
    let reports: Vec<&str> = log.lines().filter(|line| line.contains("policy_rejected")).collect();
    assert!(reports.len() == 1 && reports[0].contains("rules.cedar:2:"), "{log}");
    assert_eq!(log.matches("policy_reloaded").count(), 1, "{log}");
    write(&path, ALL, 30);
    assert_eq!(listed(&client).await, all);
}
