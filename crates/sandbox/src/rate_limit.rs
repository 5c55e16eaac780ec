//! The rate limit of a key: in any span of the rate's length, no more than its count.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use scope3_mcp_catalog::rate::Rate;

/// The requests of each customer that still count.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    rate: Rate,
    taken: HashMap<u32, VecDeque<Instant>>,
}

impl RateLimiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, taken: HashMap::new() }
    }

    /// Counts a request, or tells how long it is until one will be let through. Refused requests do not count.
    pub(crate) fn acquire(&mut self, customer: u32, now: Instant) -> Result<(), Duration> {
        let span = self.rate.per.duration();
        let taken = self.taken.entry(customer).or_default();
        while taken.front().is_some_and(|&at| now.duration_since(at) >= span) {
            taken.pop_front();
        }
        let most = usize::try_from(self.rate.count.get()).unwrap_or(usize::MAX);
        match taken.front() {
            Some(&oldest) if taken.len() >= most => Err(span.saturating_sub(now.duration_since(oldest))),
            _ => {
                taken.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_in_every_span_and_for_each_customer() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut limiter = RateLimiter::new("2/m".parse().unwrap());
        assert_eq!(limiter.acquire(1, at(0)), Ok(()));
        assert_eq!(limiter.acquire(1, at(30)), Ok(()));
        assert_eq!(limiter.acquire(1, at(45)), Err(Duration::from_secs(15)));
        assert_eq!(limiter.acquire(2, at(45)), Ok(()));
        assert_eq!(limiter.acquire(1, at(60)), Ok(()));
        assert_eq!(limiter.acquire(1, at(61)), Err(Duration::from_secs(29)));
    }
}
