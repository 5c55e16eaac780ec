//! The rate limit of a key: at most the rate's count in any window of the rate's length.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use scope3_mcp_catalog::rate::Rate;

/// The requests of each customer within the current window.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    rate: Rate,
    requests: HashMap<u32, VecDeque<Instant>>,
}

impl RateLimiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, requests: HashMap::new() }
    }

    /// Counts a request, or returns the time until the next one is permitted. Rejected requests do not count.
    pub(crate) fn acquire(&mut self, customer: u32, now: Instant) -> Result<(), Duration> {
        let window = self.rate.per.duration();
        let requests = self.requests.entry(customer).or_default();
        while requests.front().is_some_and(|&at| now.duration_since(at) >= window) {
            requests.pop_front();
        }
        let max = usize::try_from(self.rate.count.get()).unwrap_or(usize::MAX);
        match requests.front() {
            Some(&oldest) if requests.len() >= max => Err(window.saturating_sub(now.duration_since(oldest))),
            _ => {
                requests.push_back(now);
                Ok(())
            }
        }
    }

    /// How many requests of a window are permitted, how many of them a customer has left, and when the first one that
    /// counts stops to count.
    pub(crate) fn left(&self, customer: u32, now: Instant) -> (u64, u64, Duration) {
        let (window, limit) = (self.rate.per.duration(), u64::from(self.rate.count.get()));
        let ages = self.requests.get(&customer).into_iter().flatten().map(|&at| now.duration_since(at));
        let counted: Vec<Duration> = ages.filter(|age| *age < window).collect();
        let oldest = counted.first().copied().unwrap_or_default();
        (limit, limit.saturating_sub(counted.len() as u64), window.saturating_sub(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_applies_in_every_window_and_to_each_customer() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut limiter = RateLimiter::new("2/m".parse().unwrap());
        assert_eq!(limiter.acquire(1, at(0)), Ok(()));
        assert_eq!(limiter.acquire(1, at(30)), Ok(()));
        assert_eq!(limiter.acquire(1, at(45)), Err(Duration::from_secs(15)));
        assert_eq!(limiter.left(1, at(45)), (2, 0, Duration::from_secs(15)));
        assert_eq!(limiter.left(2, at(45)), (2, 2, Duration::from_mins(1)));
        assert_eq!(limiter.acquire(2, at(45)), Ok(()));
        assert_eq!(limiter.acquire(1, at(60)), Ok(()));
        assert_eq!(limiter.acquire(1, at(61)), Err(Duration::from_secs(29)));
    }
}
