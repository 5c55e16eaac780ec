//! Socket options, and the number of sockets that the process can open.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How long a connection is idle before the first keep-alive probe, and the interval of the next ones.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// Makes a connection fail when its client disappears without closing it, so that it does not hold a stream.
/// `unacknowledged` is how long sent data may stay unacknowledged.
pub(super) fn set_options(stream: &TcpStream, unacknowledged: Duration) -> io::Result<()> {
    // Responses are written in parts. Without this, a part waits until the client acknowledges the previous ones.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_RETRIES))?;
    // On other systems, a broken connection fails minutes later, when the system gives up retransmission.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(unacknowledged))?;
    #[cfg(not(target_os = "linux"))]
    let _ = unacknowledged;
    Ok(())
}

/// Whether an error means that the process or the system has no file descriptors left.
pub(super) fn are_descriptors_used_up(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let codes = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
        error.raw_os_error().is_some_and(|code| codes.contains(&code))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

/// File descriptors reserved for everything except connections of clients: connections to Scope3, files, the program.
#[cfg(unix)]
const RESERVED_DESCRIPTORS: u64 = 192;

/// How many of `requested` connections the process can have. Raises its limit of open files if possible.
#[cfg(unix)]
pub(super) fn available_connections(requested: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = u64::try_from(requested).unwrap_or(u64::MAX).saturating_add(RESERVED_DESCRIPTORS);
    let limit = getrlimit(Resource::Nofile);
    // `None` means no limit.
    let Some(current) = limit.current.filter(|current| *current < needed) else { return requested };
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let current = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }) {
        Ok(()) => raised,
        Err(error) => {
            tracing::debug!(%error, "cannot raise the limit of open files");
            current
        }
    };
    let available = current - RESERVED_DESCRIPTORS.min(current / 2);
    let available = usize::try_from(available).unwrap_or(requested).min(requested);
    if available < requested {
        tracing::warn!(
            open_files = current,
            connections = available,
            "the limit of open files allows fewer connections than --max-connections"
        );
    }
    available
}

/// How many of `requested` connections the process can have. On this system, only its memory limits them.
#[cfg(not(unix))]
pub(super) fn available_connections(requested: usize) -> usize {
    requested
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_detect_clients_that_disappear() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        set_options(&stream, Duration::from_secs(30)).unwrap();
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap() && socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_TIME);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_RETRIES);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
        }
    }
}
