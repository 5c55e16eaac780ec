//! What is measured, under the names that operators see. Where nobody asks for measurements, this does nothing.
//!
//! No label names a key, a session or a caller, and each has few values: names and codes that come from outside are
//! counted under a common one.

use std::{borrow::Cow, time::Duration};

use metrics::{counter, histogram};

/// Tool calls that have ended, by tool, class of limit and outcome.
pub const CALLS: &str = "scope3_mcp_calls_total";
/// How long tool calls take.
pub const CALL_SECONDS: &str = "scope3_mcp_call_duration_seconds";
/// HTTP requests to Scope3, by status, or by what went wrong where there is none.
pub const UPSTREAM: &str = "scope3_mcp_upstream_requests_total";
/// How long HTTP requests to Scope3 take.
pub const UPSTREAM_SECONDS: &str = "scope3_mcp_upstream_request_duration_seconds";

/// How often one of the server's own bounds was reached, by bound.
pub const BOUNDS: &str = "scope3_mcp_bounds_reached_total";

/// Counts that a bound of this server was reached. `bound` is a fixed word in `snake_case`, such as `connections`.
pub fn bound_reached(bound: &'static str) {
    counter!(BOUNDS, "bound" => bound).increment(1);
}

/// Counts a tool call that has ended with `ok` or the code of its failure.
pub fn call_ended(tool: Cow<'static, str>, class: &'static str, outcome: Cow<'static, str>, after: Duration) {
    histogram!(CALL_SECONDS, "tool" => tool.clone()).record(after);
    counter!(CALLS, "tool" => tool, "class" => class, "outcome" => outcome).increment(1);
}

/// Counts an HTTP request to Scope3.
pub fn upstream(status: String, took: Duration) {
    histogram!(UPSTREAM_SECONDS).record(took);
    counter!(UPSTREAM, "status" => status).increment(1);
}
