//! Disks that are full, read-only or without locks. The program sees them in a mount namespace of its own. Where the system
//! forbids that, these tests say that they were skipped; as root in CI, they fail.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::process::Command;

use super::{
    CREATE, brand,
    state::{VERSION, assert_refused, program, stdio},
};
use crate::support::{
    Session,
    api::{FaultyApi, Then, made},
    redis::requirement::skip,
    run,
};

/// Runs a program within a mount namespace of its own, after a shell command there.
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
        // `make test` runs as root in CI, and needs namespaces for the image too. Other users may have none.
        let missing = format!("no mount namespace: {}", probe.stderr.trim_end());
        skip(&missing, rustix::process::geteuid().is_root());
        return None;
    }
    let mut wrapped = Command::new("unshare");
    wrapped.args(&unshare).args(["sh", "-c", &format!("{prepare} && exec \"$@\""), "sh"]);
    wrapped.arg(program.get_program()).args(program.get_args()).env_clear().kill_on_drop(true);
    wrapped.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped.env("PLACE", directory);
    Some(wrapped)
}

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

#[tokio::test]
async fn a_file_system_without_locks_is_refused_at_once() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let [source, library] = ["locks.c", "locks.so"].map(|name| directory.path().join(name));
    std::fs::write(&source, NO_LOCKS).unwrap();
    let mut compile = Command::new("cc");
    let compiled = run(compile.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl")).await;
    assert_eq!(compiled.code, Some(0), "{}", compiled.stderr);
    let file = directory.path().join("scope3-mcp/state.db");
    let started = Instant::now();
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
