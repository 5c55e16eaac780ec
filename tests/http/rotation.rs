//! A new token or key takes effect without a restart.

use std::{fs, process::Command, time::Duration};

use tempfile::tempdir;

use crate::support::{FIRST, SECOND, Server, initialize};

#[tokio::test]
async fn a_token_file_is_read_again_when_it_changes_and_a_bad_one_keeps_the_old_token() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "first-token-of-clients").unwrap();
    let path = file.display().to_string();
    let server =
        Server::start(&["http", "--sandbox", "--bind", "127.0.0.1:0", "--mcp-token-file", &path], &[]);
    let status = async |token: &str| {
        let client = server.client().with("authorization", &format!("Bearer {token}"));
        client.status(&initialize("2025-06-18")).await
    };
    assert!(server.log().contains("every user of this machine can read"), "{}", server.log());
    assert_eq!(status("first-token-of-clients").await, 200);
    fs::write(&file, "second-token-of-clients\n").unwrap();
    for _ in 0..100 {
        if status("second-token-of-clients").await == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status("second-token-of-clients").await, 200);
    assert_eq!(status("first-token-of-clients").await, 401);
    fs::write(&file, "\n").unwrap();
    while !server.log().contains("the old one stays valid") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status("second-token-of-clients").await, 200);
    assert!(!server.log().contains("token-of-clients"), "{}", server.log());
}

#[tokio::test]
async fn a_hangup_reads_the_key_again() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, FIRST).unwrap();
    let path = file.display().to_string();
    let arguments =
        ["http", "--bind", "127.0.0.1:0", "--api-url", "http://127.0.0.1:9", "--api-key-file", &path];
    let server = Server::start(&arguments, &[]);
    let mut seen = Vec::new();
    for key in [FIRST, SECOND] {
        fs::write(&file, key).unwrap();
        Command::new("kill").args(["-HUP", &server.id().to_string()]).status().unwrap();
        let lines = || server.log().lines().filter(|line| line.contains("read again")).count();
        for _ in 0..500 {
            if lines() > seen.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(lines(), seen.len() + 1, "{}", server.log());
        let log = server.log();
        seen.push(log.lines().rfind(|line| line.contains("read again")).unwrap().to_owned());
    }
    let fingerprint = |line: &str| line.rsplit("keys=").next().unwrap().to_owned();
    assert_ne!(fingerprint(&seen[0]), fingerprint(&seen[1]), "{seen:?}");
}
