//! New keys and tokens without a restart.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use scope3_mcp_gateway::credentials::KeyRing;

use crate::{config::Settings, transport::http::Token};

/// How often the token file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the token file again when it changes, and the token file and the key on SIGHUP.
pub(super) async fn follow(mut hangup: Hangup, settings: Settings, keys: Arc<KeyRing>, token: Option<Token>) {
    let token = token.filter(|_| settings.mcp_token_file.is_some());
    let mut seen = modified(settings.mcp_token_file.as_deref()).await;
    loop {
        let is_requested = tokio::select! {
            () = hangup.received() => true,
            () = tokio::time::sleep(LOOK), if token.is_some() => false,
        };
        if is_requested {
            reload(&keys).await;
        }
        let now = modified(settings.mcp_token_file.as_deref()).await;
        if let Some(token) = &token
            && (is_requested || now != seen)
        {
            reload_token(&settings, token).await;
        }
        seen = now;
    }
}

async fn reload(keys: &KeyRing) {
    keys.reload();
    match keys.keys().await {
        Ok(keys) => {
            let keys: Vec<_> = keys.iter().map(|key| key.fingerprint().to_string()).collect();
            tracing::info!(keys = keys.join(","), "the API key was read again");
        }
        Err(error) => tracing::warn!(error = error.in_full(), "cannot read the API key again"),
    }
}

async fn reload_token(settings: &Settings, token: &Token) {
    let settings = settings.clone();
    // A network file system can hang.
    let read = tokio::task::spawn_blocking(move || settings.mcp_token()).await;
    match read {
        Ok(Ok(Some(text))) => {
            if token.replace(&text) {
                tracing::info!("the token of clients has changed");
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "cannot read the token again; the old one stays valid"),
        Ok(Ok(None)) | Err(_) => {}
    }
}

async fn modified(file: Option<&Path>) -> Option<SystemTime> {
    tokio::fs::metadata(file?).await.ok()?.modified().ok()
}

/// The signal that asks to read secrets again. From its creation on, it does not end the program.
pub(super) struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn received(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    }
}
