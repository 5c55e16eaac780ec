//! A Redis server of a test's own, on a free port and in a directory of its own.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::unwrap_used, reason = "tests")]
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate, missing_docs, reason = "tests")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

#[path = "requirement.rs"]
pub mod requirement;
pub use self::requirement::has_program;

/// A running server. Dropping it ends the process.
pub struct RedisServer {
    process: Child,
    pub port: u16,
    pub directory: TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts a server, if the program `redis-server` is there. See [`has_program`].
    pub fn start(options: &[&str]) -> Option<Self> {
        if !has_program("redis-server") {
            return None;
        }
        let mut directory = tempfile::tempdir().unwrap();
        for _ in 0..10 {
            let port = free_port();
            let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
            let process = spawn(port, &directory, &options);
            let mut server = Self { process, port, directory, options };
            if server.is_ready() {
                return Some(server);
            }
            directory = tempfile::tempdir().unwrap();
        }
        panic!("redis-server does not start");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command and returns the first line of its response.
    pub fn command(&self, command: &str) -> String {
        try_command(self.port, command).unwrap()
    }

    /// Sends a command and returns the text of its response, which is a bulk string.
    pub fn text(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = line.trim_end().strip_prefix('$').unwrap().parse().unwrap();
        let mut text = vec![0; length];
        reader.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Ends the process as a crash does.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the server again with what it has on disk.
    pub fn restart(&mut self) {
        self.process = spawn(self.port, &self.directory, &self.options);
        assert!(self.is_ready(), "redis-server does not start again");
    }

    /// Removes what the server has on disk.
    pub fn erase(&mut self) {
        self.directory = tempfile::tempdir().unwrap();
    }

    /// Stops the process, which then accepts connections but does not respond, or lets it go on.
    pub fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    fn is_ready(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            // A server with a password is ready when it asks for it.
            match try_command(self.port, "PING") {
                Some(answer) if answer == "+PONG" || answer.starts_with("-NOAUTH") => return true,
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(port: u16, directory: &TempDir, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"])
        .args(options)
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn try_command(port: u16, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}
