//! The metrics, under the names that operators see. Without a recorder, this does nothing.
//!
//! No label contains a key, a session or a caller, and each label has few values: names and codes from outside are
//! counted under a common value.

use std::{borrow::Cow, time::Duration};

use metrics::{counter, gauge, histogram};

/// Tool calls that have ended, by tool, class of limit and outcome.
pub const CALLS: &str = "scope3_mcp_calls_total";
/// How long tool calls take.
pub const CALL_SECONDS: &str = "scope3_mcp_call_duration_seconds";
/// HTTP requests to Scope3, by status, or by error if there is no status.
pub const UPSTREAM: &str = "scope3_mcp_upstream_requests_total";
/// How long HTTP requests to Scope3 take.
pub const UPSTREAM_SECONDS: &str = "scope3_mcp_upstream_request_duration_seconds";

/// How often one of the server's own limits was reached, by limit.
pub const BOUNDS: &str = "scope3_mcp_bounds_reached_total";

/// Whether the state that processes share is available: 1 or 0.
pub const STATE: &str = "scope3_mcp_state_available";

/// Security events that could not be written to their file.
pub const AUDIT_FAILURES: &str = "scope3_mcp_audit_failures_total";

/// Counts a security event that could not be written to its file.
pub fn audit_failed() {
    counter!(AUDIT_FAILURES).increment(1);
}

/// Records whether the shared state is available.
pub fn state_available(is_available: bool) {
    gauge!(STATE).set(f64::from(u8::from(is_available)));
}

/// Counts that a limit of this server was reached. `bound` is a fixed name in `snake_case`, such as `connections`.
pub fn bound_reached(bound: &'static str) {
    counter!(BOUNDS, "bound" => bound).increment(1);
}

/// Counts a tool call that has ended. `outcome` is `ok` or the code of the failure.
pub fn call_ended(tool: Cow<'static, str>, class: &'static str, outcome: Cow<'static, str>, after: Duration) {
    histogram!(CALL_SECONDS, "tool" => tool.clone()).record(after);
    counter!(CALLS, "tool" => tool, "class" => class, "outcome" => outcome).increment(1);
}

/// Counts an HTTP request to Scope3.
pub fn upstream(status: String, took: Duration) {
    histogram!(UPSTREAM_SECONDS).record(took);
    counter!(UPSTREAM, "status" => status).increment(1);
}
