//! What is measured, under the names that operators see. Where nobody asks for measurements, this does nothing.
//!
//! No label names a key, a session or a caller, and each has few values: names and codes that come from outside are
//! counted under a common one.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

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
pub(crate) fn bound_reached(bound: &'static str) {
    counter!(BOUNDS, "bound" => bound).increment(1);
}

/// A tool call under way. One that is dropped before its end counts as cancelled.
#[derive(Debug)]
pub(crate) struct Call {
    tool: Cow<'static, str>,
    class: &'static str,
    started: Instant,
    outcome: Cow<'static, str>,
}

impl Call {
    pub(crate) fn begin(tool: Cow<'static, str>, class: &'static str) -> Self {
        Self { tool, class, started: Instant::now(), outcome: "CANCELLED".into() }
    }

    /// Ends it with `ok` or the code of its failure.
    pub(crate) fn end(mut self, outcome: Cow<'static, str>) {
        self.outcome = outcome;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Self { tool, class, started, outcome } = self;
        let (tool, outcome) = (std::mem::take(tool), std::mem::take(outcome));
        tracing::info!(tool = &*tool, %outcome, ms = started.elapsed().as_millis(), "call");
        histogram!(CALL_SECONDS, "tool" => tool.clone()).record(started.elapsed());
        counter!(CALLS, "tool" => tool, "class" => *class, "outcome" => outcome).increment(1);
    }
}

/// Counts an HTTP request to Scope3.
pub(crate) fn upstream(status: String, took: Duration) {
    histogram!(UPSTREAM_SECONDS).record(took);
    counter!(UPSTREAM, "status" => status).increment(1);
}
