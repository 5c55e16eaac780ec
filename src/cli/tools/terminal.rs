//! Asking for consent on the terminal.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use async_trait::async_trait;
use scope3_mcp_gateway::consent::{Answer, Ask};
use tokio::sync::oneshot;

use super::layout;

/// The person at the terminal.
#[derive(Debug, Clone, Default)]
pub(super) struct Terminal {
    is_asking: Arc<AtomicBool>,
}

impl Terminal {
    /// Whether a question waits for its answer. Nothing else is printed meanwhile.
    pub(super) fn is_asking(&self) -> bool {
        self.is_asking.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Ask for Terminal {
    fn obstacle(&self) -> Option<String> {
        let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        (!is_terminal).then(|| "this is no terminal; `--yes` consents in advance".to_owned())
    }

    async fn ask(&self, question: &str) -> Answer {
        self.is_asking.store(true, Ordering::Relaxed);
        let answer = match show(question) {
            Ok(()) => read_answer().await,
            Err(error) => Answer::Unavailable(error.to_string()),
        };
        self.is_asking.store(false, Ordering::Relaxed);
        answer
    }
}

fn show(question: &str) -> io::Result<()> {
    let columns = layout::columns().unwrap_or(layout::DEFAULT_COLUMNS);
    let mut err = io::stderr().lock();
    for line in question.lines() {
        for part in layout::wrapped(&layout::harmless(line), columns, "", "  ") {
            writeln!(err, "{part}")?;
        }
    }
    write!(err, "Type yes to go on: ")?;
    err.flush()
}

/// Reads a line. A thread of its own waits for it, which does not keep the program from ending.
async fn read_answer() -> Answer {
    let (sender, line) = oneshot::channel();
    let read = move || {
        let mut line = String::new();
        let outcome = io::stdin().read_line(&mut line).map(|_| line);
        // The call may have ended meanwhile.
        drop(sender.send(outcome));
    };
    if let Err(error) = thread::Builder::new().name("answer".to_owned()).spawn(read) {
        return Answer::Unavailable(error.to_string());
    }
    match line.await {
        Ok(Ok(line)) if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") => Answer::Accepted,
        Ok(Ok(line)) if line.is_empty() => Answer::Cancelled,
        Ok(Ok(_)) => Answer::Declined,
        Ok(Err(error)) => Answer::Unavailable(error.to_string()),
        Err(_) => Answer::Cancelled,
    }
}
