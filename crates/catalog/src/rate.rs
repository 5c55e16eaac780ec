//! Rates such as `500/h`.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// A number of requests and the time in which they may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests.
    pub count: NonZeroU32,
    /// The span. The number applies to any span of this length.
    pub per: Per,
}

/// The spans that a rate can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

impl Per {
    /// The length of the span.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }

    /// Its name: `hour`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

/// The largest count of a rate, because permits are stored one by one.
const MAX_COUNT: u32 = 1_000_000;

/// The error for a text that is not a rate.
#[derive(Debug, thiserror::Error)]
#[error("expected a number from 1 to {MAX_COUNT} and a unit, such as `500/h`, `100/m` or `10/s`")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, unit) = text.split_once('/').ok_or(RateError)?;
        let per = match unit {
            "s" => Per::Second,
            "m" => Per::Minute,
            "h" => Per::Hour,
            _ => return Err(RateError),
        };
        let count: NonZeroU32 = count.parse().map_err(|_| RateError)?;
        if count.get() > MAX_COUNT {
            return Err(RateError);
        }
        Ok(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Second => "s",
            Per::Minute => "m",
            Per::Hour => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_period() {
        for (text, count, seconds, word) in
            [("10/s", 10, 1, "second"), ("100/m", 100, 60, "minute"), ("500/h", 500, 3600, "hour")]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(
                (rate.count.get(), rate.per.duration()),
                (count, Duration::from_secs(seconds)),
                "{text}"
            );
            assert_eq!((rate.per.word(), rate.to_string().as_str()), (word, text));
        }
        assert_eq!("1000000/h".parse::<Rate>().unwrap().count.get(), MAX_COUNT);
        for text in ["", "500", "500/", "/h", "0/h", "-1/h", "1.5/h", "1000001/h", "500/d", "500/hour"] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains("`500/h`"), "{text}: {error}");
        }
    }
}
