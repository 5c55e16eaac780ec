//! External systems: sellers, signals agents and webhook receivers. The sandbox never calls them. It behaves as if all
//! respond, except those whose host ends in `.invalid`, a reserved name that never resolves (RFC 2606). Tests use it to
//! cause failures.

use url::{Host, Url};

/// Whether the system at a URL responds.
pub(super) fn is_reachable(url: &str) -> bool {
    let url = Url::parse(url);
    let host = url.as_ref().ok().and_then(Url::host_str);
    host.is_some_and(|host| host != "invalid" && !host.ends_with(".invalid"))
}

/// The error for a system that does not respond.
pub(super) const UNREACHABLE: &str = "Service unavailable: host not found";

/// Whether a URL leads to the local machine or a private network.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        None => true,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end))
        }
        Some(Host::Ipv4(address)) => {
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
        }
        Some(Host::Ipv6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some_and(|v4| v4.is_private() || v4.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_invalid_hosts_are_unreachable() {
        assert!(is_reachable("https://seller.example/adcp"));
        assert!(!is_reachable("https://seller.invalid/adcp"));
        assert!(!is_reachable("nonsense"));
    }

    #[test]
    fn private_addresses_are_recognized() {
        for url in [
            "https://localhost/x",
            "https://api.localhost",
            "https://127.0.0.2",
            "https://10.1.2.3",
            "https://192.168.0.9",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00::1]/",
        ] {
            assert!(is_private(&Url::parse(url).unwrap()), "{url}");
        }
        for url in ["https://hooks.example/x", "https://8.8.8.8", "https://localhost.example"] {
            assert!(!is_private(&Url::parse(url).unwrap()), "{url}");
        }
    }
}
