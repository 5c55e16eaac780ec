//! A Redis server that responds, but does not write: no change is made, reads go on, and it is used again when it writes.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    CREATE, LIST, brand,
    state::{VERSION, assert_refused, program},
};
use crate::support::{
    Session,
    api::{FaultyApi, Then, made},
    redis::RedisServer,
};

const EXPORT: &str = "reporting_export_data";

/// What an export asks for.
fn export() -> serde_json::Value {
    json!({
        "campaignIds": ["c1"], "datasets": ["tactics"], "groupBy": ["date"],
        "dateRange": { "start": "2026-01-01", "end": "2026-01-02" },
    })
}

/// Spoils the server while a change is in flight, and repairs it.
async fn assert_survives(url: &str, reason: &str, spoil: impl FnOnce(), repair: impl FnOnce()) {
    let api = FaultyApi::start([]).await;
    let mut program = program(&["stdio", "--toolsets", "all"], &api);
    let mut session = Session::start(program.env("SCOPE3_STATE", url), VERSION).await;
    session.call(CREATE, brand("Before")).await;
    api.plan("In flight", made(Then::Hold));
    let call = session.ask("tools/call", json!({ "name": CREATE, "arguments": brand("In flight") })).await;
    api.wait_for(2).await;

    spoil();
    api.release();
    let response = session.receive().await.unwrap();
    assert_eq!((&response["id"], &response["result"]["isError"]), (&json!(call), &json!(false)), "{reason}");
    assert_refused(&mut session, &api, "Acme").await;
    let sent = api.received().len();
    let refused = session.call(EXPORT, export()).await;
    assert_eq!(refused["structuredContent"]["code"], "STATE_UNAVAILABLE", "{reason}: {refused}");
    assert_eq!(api.received().len(), sent, "{reason}: nothing is sent");
    for _ in 0..3 {
        let read = session.call(LIST, json!({})).await;
        assert_eq!(read["isError"], false, "{reason}: reads go on: {read}");
    }

    repair();
    let repaired = Instant::now();
    while session.call(CREATE, brand("Acme")).await["isError"] != false {
        assert!(repaired.elapsed() < Duration::from_secs(10), "{reason}: not used again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for name in ["Before", "In flight", "Acme"] {
        let again = session.call(CREATE, brand(name)).await;
        assert_eq!(again["structuredContent"]["scope3Mcp"]["repeated"], true, "{reason}: {name}: {again}");
        assert_eq!(api.made(name), 1, "{reason}: {name}");
    }
    session.call(EXPORT, export()).await;
    let (_, _, log) = session.end().await;
    assert!(log.contains(reason), "the operator reads why: {log}");
}

#[tokio::test]
async fn a_redis_server_that_does_not_write_stops_changes_until_it_writes() {
    for (spoil, repair, reason) in [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read only"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
    ] {
        let Some(redis) = RedisServer::start(&[]) else { return };
        let command = |command: &str| assert_eq!(redis.command(command), "+OK", "{command}");
        assert_survives(&redis.url(), reason, || command(spoil), || command(repair)).await;
    }
}

#[tokio::test]
async fn a_redis_server_that_cannot_save_stops_changes_until_it_can() {
    let Some(redis) = RedisServer::start(&["--save", "3600 1"]) else { return };
    let file = redis.directory.path().join("dump.rdb");
    let save = |is_saved: bool| {
        redis.command("BGSAVE");
        let (started, expected) =
            (Instant::now(), format!("rdb_last_bgsave_status:{}", if is_saved { "ok" } else { "err" }));
        while !redis.text("INFO persistence").contains(&expected) {
            assert!(started.elapsed() < Duration::from_secs(20), "BGSAVE does not end");
            thread::sleep(Duration::from_millis(20));
        }
    };
    let spoil = || {
        // The server cannot replace a directory with its file.
        std::fs::create_dir_all(file.join("in the way")).unwrap();
        save(false);
    };
    let repair = || {
        std::fs::remove_dir_all(&file).unwrap();
        save(true);
    };
    assert_survives(&redis.url(), "MISCONF", spoil, repair).await;
}

#[tokio::test]
async fn a_redis_server_that_answers_with_errors_stops_changes_until_it_does_not() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    for error in [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "CLUSTERDOWN The cluster is down",
    ] {
        redis.command("FLUSHALL");
        let relay = Relay::start(redis.port);
        let (_, reason) = error.split_once(' ').unwrap();
        assert_survives(&relay.url, reason, || relay.set(Some(error)), || relay.set(None)).await;
    }
}

/// Stands between the program and a Redis server, and can answer each command with an error in the server's place.
struct Relay {
    url: String,
    error: Arc<Mutex<Option<&'static str>>>,
}

impl Relay {
    fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let relay = Self { url, error: Arc::default() };
        let error = Arc::clone(&relay.error);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (back, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || copy(back, to_client));
                let error = Arc::clone(&error);
                thread::spawn(move || forward(client, server, &error));
            }
        });
        relay
    }

    fn set(&self, error: Option<&'static str>) {
        *lock(&self.error) = error;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ended = std::io::copy(&mut from, &mut to);
    let _closed = to.shutdown(Shutdown::Both);
}

/// Passes commands on, or answers them.
fn forward(mut client: TcpStream, mut server: TcpStream, error: &Mutex<Option<&'static str>>) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let length = client.read(&mut bytes).unwrap_or(0);
        let read = &bytes[..length];
        let written = match *lock(error) {
            _ if length == 0 => break,
            Some(error) => {
                // A command begins with the number of its words: `*3`.
                let commands =
                    usize::from(read[0] == b'*') + read.windows(3).filter(|part| part == b"\r\n*").count();
                client.write_all(format!("-{error}\r\n").repeat(commands).as_bytes())
            }
            None => server.write_all(read),
        };
        if written.is_err() {
            break;
        }
    }
    let _closed = server.shutdown(Shutdown::Both);
}
