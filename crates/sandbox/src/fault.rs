//! Simulated faults: a share of the requests fails with a status.

use std::{str::FromStr, time::Duration};

use axum::{
    Json,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use serde_json::json;

use crate::{clock::Moment, response::ApiResponse};

/// A status with which a share of the requests fails, written `503:0.1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// The HTTP status, from 400 to 599.
    pub status: u16,
    /// The share of requests: more than 0, at most 1.
    pub share: f64,
}

/// An invalid fault.
#[derive(Debug, thiserror::Error)]
#[error("expected a status from 400 to 599 and a share above 0 and up to 1, such as `503:0.1`")]
pub struct FaultError;

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (status, share) = text.split_once(':').ok_or(FaultError)?;
        let status = status.parse().map_err(|_| FaultError)?;
        let share = share.parse().map_err(|_| FaultError)?;
        let is_valid = (400..=599).contains(&status) && share > 0.0 && share <= 1.0;
        if is_valid { Ok(Self { status, share }) } else { Err(FaultError) }
    }
}

/// The parts of a request in which shares are added. Integers are exact, whereas ten times 0.1 as a float is not 1.
const ONE_REQUEST: u64 = 1_000_000;

/// Spreads faults evenly: a share of 0.1 fails every tenth request.
#[derive(Debug)]
pub(crate) struct Faults(Vec<Schedule>);

#[derive(Debug)]
struct Schedule {
    status: StatusCode,
    step: u64,
    due: u64,
}

impl Faults {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        Self(faults.iter().filter_map(Schedule::new).collect())
    }

    /// The status with which the next request fails, if it fails. If two faults are due, the second waits for the next
    /// request.
    pub(crate) fn next(&mut self) -> Option<StatusCode> {
        for schedule in &mut self.0 {
            schedule.due = schedule.due.saturating_add(schedule.step);
        }
        let due = self.0.iter_mut().find(|schedule| schedule.due >= ONE_REQUEST)?;
        due.due -= ONE_REQUEST;
        Some(due.status)
    }
}

impl Schedule {
    fn new(fault: &Fault) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "clamped to the range just before"
        )]
        let step = (fault.share.clamp(0.0, 1.0) * ONE_REQUEST as f64).round() as u64;
        Some(Self { status: StatusCode::from_u16(fault.status).ok()?, step: step.max(1), due: 0 })
    }
}

/// The response of a fault: Scope3's JSON, or for 502 and 504 the page of a proxy.
pub(crate) fn response(status: StatusCode, now: Moment) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            let title = format!("{} {reason}", status.as_u16());
            let page = format!(
                "<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n</body>\n</html>\n"
            );
            (status, Html(page)).into_response()
        }
        StatusCode::TOO_MANY_REQUESTS => {
            ApiResponse::rate_limited(Duration::from_secs(1), now).into_response()
        }
        StatusCode::UNAUTHORIZED => ApiResponse::invalid_key().into_response(),
        _ => (status, Json(json!({"error": reason, "code": code(status)}))).into_response(),
    }
}

fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "AUTHENTICATION_FAILED",
        404 => "NOT_FOUND",
        503 => "SERVICE_UNAVAILABLE",
        400..=499 => "INVALID_REQUEST",
        _ => "UNKNOWN_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_parsed() {
        assert_eq!("503:0.1".parse::<Fault>().unwrap(), Fault { status: 503, share: 0.1 });
        assert_eq!("429:1".parse::<Fault>().unwrap(), Fault { status: 429, share: 1.0 });
        for wrong in ["503", "200:0.1", "600:0.1", "503:0", "503:1.5", "503:NaN", "503:-1", "x:0.1", ""] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_of_a_tenth_fails_every_tenth_request() {
        let mut faults = Faults::new(&[Fault { status: 503, share: 0.1 }]);
        let failed: Vec<usize> = (1..=40).filter(|_| faults.next().is_some()).collect();
        assert_eq!(failed, [10, 20, 30, 40]);
    }

    #[test]
    fn several_faults_keep_their_shares() {
        let mut faults =
            Faults::new(&[Fault { status: 500, share: 0.25 }, Fault { status: 502, share: 0.25 }]);
        let mut count = |status: u16| {
            (0..100).filter_map(|_| faults.next()).filter(|failed| failed.as_u16() == status).count()
        };
        assert_eq!((count(500), count(502)), (25, 25));
    }
}
