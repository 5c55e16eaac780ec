//! What only a Redis server can do. Each test has a server of its own.

#[path = "../../../../../tests/support/redis.rs"]
mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use self::server::RedisServer;
use super::{Link, RedisState, beat_once};
use crate::{
    journal::{Begun, Ending, EntryState, Filter},
    state::{
        Loss, State, StateError,
        tests::{
            DAY, HOUR, Machine, Place,
            confirmations::{code, send},
            key, promises, request,
            schedule::intent,
            take, windows,
        },
    },
};

/// A bit longer than the time after which a silent process counts as dead.
const SILENCE: Duration = Duration::from_secs(16);

/// A process that shows that it is alive only when it uses the state, unless the test says so.
fn process(server: &RedisServer, machine: &Machine) -> RedisState {
    let mut link = Link::new(server.url().parse().unwrap(), machine.clock());
    link.sets_time = true;
    RedisState::with(link, DAY)
}

impl Place for RedisServer {
    fn process(&self, machine: &Machine) -> Arc<dyn State> {
        Arc::new(process(self, machine))
    }

    fn wake(&self) -> Duration {
        SILENCE
    }
}

promises!(RedisServer::start(&["--appendfsync", "no"]), 12);

fn done() -> Ending {
    Ending { state: EntryState::Done, code: None, ids: Vec::new(), outcome: None }
}

#[tokio::test]
async fn a_clock_that_jumps_neither_frees_nor_blocks_permits_while_a_process_runs() {
    let Some(server) = RedisServer::start(&[]) else { return };
    for (who, jump) in [("a", 1), ("b", -1)] {
        let machine = Machine::new();
        let running = process(&server, &machine);
        let one = || request(who, windows("1/h"));
        running.acquire(one()).await.unwrap().unwrap();
        machine.set(|reading| {
            reading.wall = if jump > 0 { reading.wall + DAY } else { reading.wall.saturating_sub(DAY) };
        });
        beat_once(&running.link).await.unwrap();
        let new = process(&server, &machine);
        assert_eq!(new.acquire(one()).await.unwrap().unwrap_err().next_in, HOUR);
        machine.pass(HOUR);
        assert_eq!(new.acquire(one()).await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn what_a_dead_process_sent_is_unknown_and_what_it_had_not_sent_was_not_made() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let machine = Machine::new();
    let (dead, other) = (process(&server, &machine), process(&server, &machine));
    let sent = send(&dead, intent(0, None)).await;
    let Begun::Send(intended) = dead.begin(intent(1, None)).await.unwrap() else { panic!("it is new") };
    drop(dead);
    let state = async |id| other.entry(id).await.unwrap().unwrap().state;
    machine.pass(Duration::from_secs(14));
    assert_eq!(state(sent).await, EntryState::Sent);
    machine.pass(Duration::from_secs(2));
    assert_eq!((state(sent).await, state(intended.id).await), (EntryState::Unknown, EntryState::Refused));
    assert_eq!(other.entry(sent).await.unwrap().unwrap().code.as_deref(), Some("INTERRUPTED"));
}

#[tokio::test]
async fn a_process_that_was_only_slow_still_ends_its_change_unless_it_was_sent_again() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let machine = Machine::new();
    let (slow, other) = (process(&server, &machine), process(&server, &machine));
    let (first, second) = (send(&slow, intent(0, None)).await, send(&slow, intent(1, None)).await);
    machine.pass(SILENCE);
    let confirmation = code(&other, 0).await;
    code(&other, 1).await;
    let again = send(&other, intent(0, Some(confirmation.code))).await;
    slow.end(first, done()).await.unwrap();
    slow.end(second, done()).await.unwrap();
    let state = async |id| other.entry(id).await.unwrap().unwrap().state;
    assert_eq!(state(first).await, EntryState::Unknown, "it was sent again meanwhile");
    assert_eq!(state(second).await, EntryState::Done);
    assert_eq!(state(again).await, EntryState::Sent);
    // The process lives, so its next change is not taken for that of a dead one.
    let third = send(&slow, intent(2, None)).await;
    assert_eq!(state(third).await, EntryState::Sent);
}

#[tokio::test]
async fn a_begin_that_is_interrupted_anywhere_leaves_no_change_in_progress() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let machine = Machine::new();
    let (state, other) = (process(&server, &machine), process(&server, &machine));
    state.open().await.unwrap();
    for change in 0..100_usize {
        let patience = Duration::from_micros(20 * change as u64);
        let begun = tokio::time::timeout(patience, state.begin(intent(change, None))).await;
        if let Ok(begun) = begun {
            let Begun::Send(started) = begun.unwrap() else { panic!("it is new") };
            state.end(started.id, done()).await.unwrap();
        }
    }
    // The last requests may still be under way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    beat_once(&state.link).await.unwrap();
    let entries = other.entries(Filter::default()).await.unwrap();
    assert!(entries.iter().all(|entry| !entry.state.is_open()), "{entries:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_slow_or_restarted_is_used_again_when_it_works() {
    let Some(mut server) = RedisServer::start(&[]) else { return };
    let machine = Machine::new();
    let state = process(&server, &machine);
    let id = send(&state, intent(0, None)).await;
    take(&state, "1/h").await.unwrap();
    server.kill();
    let error = state.begin(intent(1, None)).await.unwrap_err();
    assert!(matches!(error, StateError::Redis { .. }) && !error.is_usage(), "{error}");
    server.restart();
    assert_eq!(state.entry(id).await.unwrap().unwrap().state, EntryState::Sent, "it is on disk");
    assert!(take(&state, "1/h").await.is_err());

    server.signal("-STOP");
    let asked = Instant::now();
    state.begin(intent(1, None)).await.unwrap_err();
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    server.signal("-CONT");
    state.end(id, done()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_refuses_to_write_makes_the_state_unavailable() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let machine = Machine::new();
    let state = process(&server, &machine);
    state.open().await.unwrap();
    for (spoil, repair, reason) in [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read only"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
    ] {
        assert_eq!(server.command(spoil), "+OK");
        server.command("CLIENT KILL TYPE normal");
        let error = state.begin(intent(0, None)).await.unwrap_err();
        let text = error.to_string().to_lowercase();
        assert!(text.contains(&reason.to_lowercase()), "{reason}: {error}");
        assert!(!error.is_usage(), "{error}");
        assert_eq!(server.command(repair), "+OK");
        state.open().await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let Some(server) = RedisServer::start(&["--requirepass", "right"]) else { return };
    let state = |password: &str| {
        let url = format!("redis://:{password}@127.0.0.1:{}", server.port);
        RedisState::at(url.parse().unwrap())
    };
    let wrong = state("wr0ng");
    let error = format!("{:?} {wrong:?}", wrong.open().await.unwrap_err());
    assert!(error.contains("127.0.0.1") && !error.contains("wr0ng"), "{error}");
    state("right").open().await.unwrap();
}

#[tokio::test]
async fn an_emptied_server_gets_the_permits_of_its_processes_and_changes_wait_for_the_operator() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let machine = Machine::new();
    let (one, other) = (process(&server, &machine), process(&server, &machine));
    for state in [&one, &other, &one, &other] {
        take(state, "4/h").await.unwrap();
        machine.pass(Duration::from_mins(1));
    }
    let id = send(&one, intent(0, None)).await;
    one.end(id, done()).await.unwrap();
    server.command("FLUSHALL");

    // Until both have noticed, nobody gets a permit.
    let refused = take(&one, "4/h").await.unwrap_err();
    assert!(refused.next_in <= SILENCE, "{refused:?}");
    let error = other.begin(intent(0, None)).await.unwrap_err();
    assert!(matches!(error, StateError::Lost(_)) && !error.is_usage(), "{error}");
    machine.pass(SILENCE);
    let refused = take(&process(&server, &machine), "4/h").await.unwrap_err();
    assert_eq!(refused.next_in + Duration::from_mins(4) + SILENCE, HOUR);
    assert_eq!(other.used(key("a"), windows("4/h")).await.unwrap()[0].permits, 4);

    assert!(matches!(one.begin(intent(0, None)).await, Err(StateError::Lost(_))));
    assert_eq!(process(&server, &machine).accept_loss().await.unwrap(), Some(Loss::Gone));
    assert_eq!(one.accept_loss().await.unwrap(), None);
    assert!(send(&one, intent(0, None)).await > id, "numbers of entries are not used again");
}

#[tokio::test]
async fn an_empty_server_at_the_same_address_gets_the_permits_too() {
    let Some(mut server) = RedisServer::start(&[]) else { return };
    let machine = Machine::new();
    let state = process(&server, &machine);
    for _ in 0..3 {
        take(&state, "3/h").await.unwrap();
    }
    server.kill();
    server.erase();
    server.restart();
    assert!(take(&state, "3/h").await.is_err());
    machine.pass(SILENCE);
    assert_eq!(take(&state, "3/h").await.unwrap_err().next_in + SILENCE, HOUR);
    assert!(matches!(state.begin(intent(0, None)).await, Err(StateError::Lost(_))));
    machine.pass(HOUR);
    assert_eq!(take(&state, "3/h").await, Ok(()));
}

#[tokio::test]
async fn a_server_with_a_newer_format_is_left_as_it_is() {
    let Some(server) = RedisServer::start(&[]) else { return };
    server.command("HSET {scope3-mcp}:installation id 1 secret 2 format 7");
    let error = RedisState::at(server.url().parse().unwrap()).open().await.unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("format 7; this version knows up to 1"),
        "{error}"
    );
    assert_eq!(server.command("DBSIZE"), ":1");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_take_exactly_500_permits() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let processes = (0..8).map(|_| {
        let state = RedisState::at(server.url().parse().unwrap());
        tokio::spawn(async move {
            let mut taken = 0;
            for _ in 0..80 {
                taken += u32::from(take(&state, "500/h").await.is_ok());
            }
            taken
        })
    });
    let taken = futures_util::future::join_all(processes).await;
    let taken: Vec<u32> = taken.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken.iter().sum::<u32>(), 500, "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_eight_processes_make_at_once_is_sent_once() {
    let Some(server) = RedisServer::start(&[]) else { return };
    for change in 0..10 {
        let processes = (0..8).map(|_| {
            let state = RedisState::at(server.url().parse().unwrap());
            tokio::spawn(
                async move { matches!(state.begin(intent(change, None)).await.unwrap(), Begun::Send(_)) },
            )
        });
        let begun = futures_util::future::join_all(processes).await;
        assert_eq!(begun.into_iter().filter(|sent| *sent.as_ref().unwrap()).count(), 1);
    }
}

#[tokio::test]
async fn redis_holds_no_key_and_all_names_have_one_prefix() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let state = RedisState::at(server.url().parse().unwrap());
    let id = send(&state, intent(0, None)).await;
    take(&state, "5/h").await.unwrap();
    state.end(id, done()).await.unwrap();
    code(&state, 0).await;
    let all: u32 = server.command("DBSIZE")[1..].parse().unwrap();
    let script = "EVAL \"return #redis.call('KEYS','{scope3-mcp}:*')\" 0";
    assert_eq!(server.command(script), format!(":{all}"));
    let file = walk(server.directory.path());
    let has = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    assert!(has(b"scope3-mcp") && !has(key("a").as_bytes()) && !has(b"scope3_"));
}

/// The contents of all files below a directory.
fn walk(directory: &std::path::Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.flat_map(|path| if path.is_dir() { walk(&path) } else { std::fs::read(path).unwrap() }).collect()
}

#[tokio::test]
async fn the_certificate_of_a_server_is_checked() {
    if !server::has_program("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let [key, certificate] = ["key.pem", "certificate.pem"].map(|name| directory.path().join(name));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success());
    let port = server::free_port().to_string();
    let [key, certificate] = [&key, &certificate].map(|path| path.to_str().unwrap());
    let options = ["--tls-port", &port, "--tls-key-file", key, "--tls-cert-file", certificate];
    let options = [&options[..], &["--tls-ca-cert-file", certificate]].concat();
    let Some(_server) = RedisServer::start(&options) else { return };
    let state = RedisState::at(format!("rediss://localhost:{port}").parse().unwrap());
    let error = state.open().await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
}
