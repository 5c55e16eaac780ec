//! A program in a terminal.

use std::{
    fs::File,
    io::{Read, Write},
    process::Stdio,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tokio::process::{Child, Command};

/// The maximum time of a command under test.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A program, started in a terminal of its own.
pub struct Terminal {
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    end: mpsc::Receiver<()>,
}

impl Terminal {
    /// Starts a command in a terminal of this width.
    pub fn start(command: &mut Command, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(path).unwrap();
        let child = command
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        // The `Command` also holds the terminal open. Without this, the reader would never end.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (ended, end) = mpsc::channel();
        let sink = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // A terminal without writers returns an error on Linux, and ends on other systems.
            while let Ok(length @ 1..) = screen.read(&mut chunk) {
                sink.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
            // The test may be over.
            let _sent = ended.send(());
        });
        Self { child, keyboard, shown, end }
    }

    /// What the terminal has shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8(self.shown.lock().unwrap().clone()).unwrap().replace("\r\n", "\n")
    }

    /// Waits until the terminal shows a text.
    pub async fn wait_for(&self, text: &str) {
        let waiting = async {
            while !self.shown().contains(text) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(TIMEOUT, waiting).await;
        assert!(waited.is_ok(), "`{text}` is not shown: {}", self.shown());
    }

    /// Types a text.
    pub fn input(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Sends the signal of Ctrl-C.
    pub fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    }

    /// Waits for the end of the program. Returns its exit code and everything that was shown.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(TIMEOUT, self.child.wait()).await.unwrap().unwrap();
        let shown = Arc::clone(&self.shown);
        let end = self.end;
        tokio::task::spawn_blocking(move || end.recv_timeout(TIMEOUT).unwrap()).await.unwrap();
        let shown = String::from_utf8(shown.lock().unwrap().clone()).unwrap();
        (status.code(), shown.replace("\r\n", "\n"))
    }
}
