//! A state that cannot be written: reads continue, no change is made, and nothing is forgotten.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{CREATE, LIST, brand};
use crate::support::{
    Session,
    api::{FaultyApi, Then, made},
    command, key_text, run,
};

const VERSION: &str = "2025-11-25";

/// The program in front of this API.
fn program(arguments: &[&str], api: &FaultyApi) -> Command {
    let mut program = command(arguments);
    program.env("SCOPE3_API_KEY", key_text("only")).env("SCOPE3_API_URL", &api.url);
    program
}

/// A program over standard input and output, with a state in this file.
fn stdio(api: &FaultyApi, file: &Path) -> Command {
    let mut program = program(&["stdio", "--toolsets", "all"], api);
    program.env("SCOPE3_STATE", file);
    program
}

/// The body of a failed result.
fn failure(result: &Value) -> Value {
    assert_eq!(result["isError"], true, "{result}");
    result["structuredContent"].clone()
}

async fn assert_refused(session: &mut Session, api: &FaultyApi, name: &str) -> Value {
    let before = api.received().len();
    let failure = failure(&session.call(CREATE, brand(name)).await);
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("STATE_UNAVAILABLE"), &json!("no")));
    assert_eq!((api.made(name), api.received().len()), (0, before), "{failure}");
    let read = session.call(LIST, json!({})).await;
    assert_eq!(read["isError"], false, "reads continue: {read}");
    failure
}

#[cfg(unix)]
#[tokio::test]
async fn an_agent_does_not_read_where_the_state_is_and_the_operator_does() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let parent = directory.path().join("secret-place");
    let mut session = Session::start(&mut stdio(&api, &parent.join("state.db")), VERSION).await;
    session.call(CREATE, brand("Before")).await;
    std::fs::remove_dir_all(&parent).unwrap();
    std::fs::write(&parent, "a file in the place of the directory").unwrap();
    let failure = assert_refused(&mut session, &api, "Acme").await;
    let usage = session.call("get_usage", json!({})).await;
    for text in [failure.to_string(), usage.to_string()] {
        assert!(text.contains("its file cannot be created") && !text.contains("secret-place"), "{text}");
    }
    let (_, _, log) = session.end().await;
    let call = log.lines().find(|line| line.contains("STATE_UNAVAILABLE")).unwrap();
    assert!(call.contains("secret-place/state.db"), "{log}");
}

#[tokio::test]
async fn a_running_process_changes_nothing_more_when_a_newer_version_has_upgraded_the_file() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let file = directory.path().join("state.db");
    let mut session = Session::start(&mut stdio(&api, &file), VERSION).await;
    session.call(CREATE, brand("Before")).await;
    let newer = rusqlite::Connection::open(&file).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    let failure = assert_refused(&mut session, &api, "Acme").await;
    assert!(failure["message"].as_str().unwrap().contains("a newer version"), "{failure}");
    // The older program does not start either, and leaves the file as it is.
    let outcome = run(stdio(&api, &file).args(["--log-format", "text"])).await;
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let rows: u32 = newer.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_running_process_sees_that_another_one_moved_the_damaged_file_aside() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let file = directory.path().join("state.db");
    let mut session = Session::start(&mut stdio(&api, &file), VERSION).await;
    session.call(CREATE, brand("Acme")).await;
    rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    // The other process finds the damage.
    let mut other = Session::start(&mut stdio(&api, &file), VERSION).await;
    for session in [&mut other, &mut session] {
        let failure = assert_refused(session, &api, "Another").await;
        assert!(failure["message"].as_str().unwrap().contains("journal accept-loss"), "{failure}");
    }
    let mut accept = program(&["journal", "accept-loss"], &api);
    assert_eq!(run(accept.env("SCOPE3_STATE", &file)).await.code, Some(0));
    session.call(CREATE, brand("Another")).await;
    other.call(CREATE, brand("Another")).await;
    assert_eq!((api.made("Acme"), api.made("Another")), (1, 1));
}

/// Runs a program within a mount namespace of its own, after a shell command there.
#[cfg(target_os = "linux")]
async fn in_namespace(prepare: &str, directory: &Path, program: &Command) -> Option<Command> {
    let program = program.as_std();
    // Root needs no user namespace; other users need one, and some machines forbid it.
    let mut unshare = vec!["--mount"];
    if !rustix::process::geteuid().is_root() {
        unshare.push("--map-root-user");
    }
    let mut probe = Command::new("unshare");
    let probe = run(probe.args(&unshare).args(["mount", "-t", "tmpfs", "tmpfs"]).arg(directory)).await;
    if probe.code != Some(0) {
        return None;
    }
    let mut wrapped = Command::new("unshare");
    wrapped.args(&unshare).args(["sh", "-c", &format!("{prepare} && exec \"$@\""), "sh"]);
    wrapped.arg(program.get_program()).args(program.get_args()).env_clear().kill_on_drop(true);
    wrapped.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped.env("PLACE", directory);
    Some(wrapped)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_stops_changes_and_a_change_in_flight_is_recorded_when_there_is_room() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let program = stdio(&api, &directory.path().join("state.db"));
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$PLACE\"";
    let Some(mut program) = in_namespace(mount, directory.path(), &program).await else { return };
    let mut session = Session::start(&mut program, VERSION).await;
    session.call(CREATE, brand("Before")).await;
    api.plan("In flight", made(Then::Hold));
    let call = session.ask("tools/call", json!({ "name": CREATE, "arguments": brand("In flight") })).await;
    api.wait_for(2).await;

    // The disk of the program, as this process sees it.
    let root = format!("/proc/{}/root", session.child.id().unwrap());
    let filler = Path::new(&root).join(directory.path().strip_prefix("/").unwrap()).join("filler");
    std::fs::write(&filler, vec![0; 2 << 20]).unwrap_err();
    api.release();
    let response = session.receive().await.unwrap();
    assert_eq!((&response["id"], &response["result"]["isError"]), (&json!(call), &json!(false)));
    let failure = assert_refused(&mut session, &api, "Acme").await;
    assert!(failure["message"].as_str().unwrap().contains("full"), "{failure}");
    let failure = assert_refused(&mut session, &api, "Acme").await;
    assert!(failure["message"].as_str().unwrap().contains("full"), "{failure}");

    std::fs::remove_file(&filler).unwrap();
    // It is tried once a second.
    for name in ["Before", "In flight"] {
        let result = session.call(CREATE, brand(name)).await;
        assert_eq!(result["structuredContent"]["scope3Mcp"]["repeated"], true, "{result}");
    }
    session.call(CREATE, brand("Acme")).await;
    assert_eq!((api.made("Before"), api.made("In flight"), api.made("Acme")), (1, 1, 1));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_read_only_state_stops_changes_and_advises_the_operator() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let file = directory.path().join("scope3-mcp/state.db");
    let mount = "mount --bind \"$PLACE\" \"$PLACE\" && mount -o remount,ro,bind \"$PLACE\"";
    // First without a file, then with one.
    for name in ["Acme", "Another"] {
        let named = stdio(&api, &file);
        let Some(mut named) = in_namespace(mount, directory.path(), &named).await else { return };
        let outcome = run(&mut named).await;
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("mount a volume that this user can write to"), "{}", outcome.stderr);
        // Nobody asked for this file, so the program starts without it.
        let mut by_default = program(&["stdio", "--toolsets", "all"], &api);
        by_default.env_remove("SCOPE3_STATE").env("XDG_STATE_HOME", directory.path());
        let mut by_default = in_namespace(mount, directory.path(), &by_default).await.unwrap();
        let mut session = Session::start(&mut by_default, VERSION).await;
        assert_refused(&mut session, &api, name).await;
        drop(session);
        Session::start(&mut stdio(&api, &file), VERSION).await.call(CREATE, brand(name)).await;
        assert_eq!(api.made(name), 1);
    }
}

/// Makes locks fail as on NFS without a lock service.
#[cfg(target_os = "linux")]
const NO_LOCKS: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <stdarg.h>
    int flock(int file, int how) { errno = ENOLCK; return -1; }
    static int lock(const char *name, int file, int command, void *argument) {
        if (command == F_SETLK || command == F_SETLKW) { errno = ENOLCK; return -1; }
        int (*next)(int, int, ...) = dlsym(RTLD_NEXT, name);
        return next(file, command, argument);
    }
    int fcntl(int file, int command, ...) {
        va_list list; va_start(list, command); void *argument = va_arg(list, void *); va_end(list);
        return lock("fcntl", file, command, argument);
    }
    int fcntl64(int file, int command, ...) {
        va_list list; va_start(list, command); void *argument = va_arg(list, void *); va_end(list);
        return lock("fcntl64", file, command, argument);
    }
"#;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_system_without_locks_is_refused_at_once() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let [source, library] = ["locks.c", "locks.so"].map(|name| directory.path().join(name));
    std::fs::write(&source, NO_LOCKS).unwrap();
    let mut compile = Command::new("cc");
    let compiled = run(compile.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl")).await;
    assert_eq!(compiled.code, Some(0), "{}", compiled.stderr);
    let file = directory.path().join("scope3-mcp/state.db");
    let started = std::time::Instant::now();
    let outcome = run(stdio(&api, &file).env("LD_PRELOAD", &library)).await;
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("use a local disk"), "{}", outcome.stderr);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());

    let mut by_default = program(&["stdio", "--toolsets", "all"], &api);
    by_default.env_remove("SCOPE3_STATE").env("XDG_STATE_HOME", directory.path());
    let mut session = Session::start(by_default.env("LD_PRELOAD", &library), VERSION).await;
    let failure = assert_refused(&mut session, &api, "Acme").await;
    assert!(failure["message"].as_str().unwrap().contains("no locks"), "{failure}");
}
