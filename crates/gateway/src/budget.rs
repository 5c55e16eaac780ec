//! Budget caps: the most that a call, or a day, may commit.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, ZonedDateTime};
use scope3_mcp_catalog::{
    Commitment, Effect, Unmeasured, commitment, commitment_in, in_words, replaces_amount,
};

use crate::{
    CallError, Gateway, caller::Call, consent::Confirm, failure::Failure, journal::DayCap, question::Matter,
    record::CallRecord,
};

/// An amount of money in a currency, such as `5000 USD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    hundredths: i64,
    currency: String,
}

/// A text that is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an amount and its currency, such as `5000 USD` or `99.50 EUR`")]
pub struct InvalidAmount;

impl FromStr for Amount {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (amount, currency) = text.trim().split_once(char::is_whitespace).ok_or(InvalidAmount)?;
        let currency = currency.trim();
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "00"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_code || !is_number(whole) || !is_number(fraction) || fraction.len() > 2 {
            return Err(InvalidAmount);
        }
        let hundredths = format!("{whole}{fraction:0<2}").parse().map_err(|_| InvalidAmount)?;
        Ok(Self { hundredths, currency: currency.to_owned() })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(self.hundredths, &self.currency))
    }
}

/// The operator's caps. Each list has at most one amount for a currency.
#[derive(Debug, Clone, Default)]
pub struct Caps {
    /// The most that one call may commit.
    pub per_call: Vec<Amount>,
    /// The most that all calls of a day may commit. The day is that of the operator's time zone.
    pub per_day: Vec<Amount>,
}

/// Why the caps do not allow a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// It commits more than a call may.
    #[error("it commits {amount}, and the operator of this server allows at most {cap} per call")]
    Call {
        /// What it commits.
        amount: Amount,
        /// The cap.
        cap: Amount,
    },
    /// It commits more than is left of the day's cap.
    #[error(
        "it commits {amount}, and {left} of the {cap} is left that the operator of this server allows per day"
    )]
    Day {
        /// What it commits.
        amount: Amount,
        /// The cap.
        cap: Amount,
        /// What is left.
        left: Amount,
    },
    /// There is no cap for its currency.
    #[error("it commits {amount}, and the operator of this server set a cap for {allowed} only")]
    Currency {
        /// What it commits.
        amount: Amount,
        /// The currencies that have a cap, separated by commas.
        allowed: String,
    },
    /// Nobody can tell what it commits.
    #[error("the operator of this server caps what calls may commit, and {0}")]
    Unmeasured(#[from] Unmeasured),
}

impl Caps {
    /// Whether the operator set none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.per_call.is_empty() && self.per_day.is_empty()
    }

    /// Checks what a call commits against the cap of a call. Returns the cap of the day, which the state checks.
    ///
    /// # Errors
    /// If the caps do not allow the call, whatever was committed before.
    pub(crate) fn check(&self, commitment: &Commitment) -> Result<Option<Amount>, OverBudget> {
        if commitment.hundredths <= 0 {
            return Ok(None);
        }
        if let Some(cap) = find(&self.per_call, commitment)?
            && commitment.hundredths > cap.hundredths
        {
            return Err(OverBudget::Call { amount: amount(commitment), cap: cap.clone() });
        }
        Ok(find(&self.per_day, commitment)?.cloned())
    }
}

impl Gateway {
    /// Finds out what a call commits, and checks it against the caps.
    pub(super) async fn measure(
        &self,
        call: &Call,
        matter: &mut Matter<'_>,
        record: &mut CallRecord,
    ) -> Result<(), CallError> {
        let tool = &matter.entry.tool;
        // A draft commits nothing.
        if tool.effect != Effect::Spend {
            return Ok(());
        }
        let mut replaced = None;
        if let Some(money) = tool.money.as_ref().filter(|money| replaces_amount(money, matter.arguments))
            && let Some(replaces) = &money.replaces
            && (self.confirm != Confirm::Off || !self.caps.is_empty())
        {
            replaced = self.read_objects(call, matter, &replaces.from, record).await;
            if replaced.is_none() && !self.caps.is_empty() {
                let unread = OverBudget::Unmeasured(Unmeasured::NotRead);
                return Err(Failure::over_budget(matter.entry, &unread).into());
            }
        }
        let mut measured = commitment(tool, matter.arguments, replaced.as_deref());
        if measured == Err(Unmeasured::NoAmount)
            && let Some(spends) = &tool.spends
        {
            measured = match self.read_spends(call, matter, spends, record).await {
                Some(data) => commitment_in(spends, &data).map(Some),
                None => Err(Unmeasured::NotRead),
            };
        }
        if self.caps.is_empty() {
            matter.commitment = measured.ok().flatten();
            return Ok(());
        }
        let over = |error: OverBudget| Failure::over_budget(matter.entry, &error);
        let measured = measured.map_err(|unmeasured| over(unmeasured.into()))?;
        let day = measured.as_ref().map(|found| self.caps.check(found)).transpose().map_err(over)?;
        (matter.commitment, matter.day) = (measured, day.flatten());
        Ok(())
    }
}

/// The cap for the currency of a commitment, if there are caps.
fn find<'a>(caps: &'a [Amount], commitment: &Commitment) -> Result<Option<&'a Amount>, OverBudget> {
    if caps.is_empty() {
        return Ok(None);
    }
    let cap = caps.iter().find(|cap| cap.currency == commitment.currency);
    let currencies = || caps.iter().map(|cap| &*cap.currency).collect::<Vec<_>>().join(", ");
    let missing = || OverBudget::Currency { amount: amount(commitment), allowed: currencies() };
    cap.map(Some).ok_or_else(missing)
}

fn amount(commitment: &Commitment) -> Amount {
    Amount { hundredths: commitment.hundredths, currency: commitment.currency.clone() }
}

impl Amount {
    /// The currency.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// As the cap of the current day.
    pub(crate) fn of_today(&self) -> DayCap {
        DayCap { hundredths: self.hundredths, since: start_of_day() }
    }

    /// What is left of this cap when so much is committed, in hundredths.
    pub(crate) fn less(&self, committed: i64) -> Self {
        Self { hundredths: self.hundredths.saturating_sub(committed).max(0), currency: self.currency.clone() }
    }

    /// The amount alone, such as `5,000.00`.
    pub(crate) fn without_currency(&self) -> String {
        in_words(self.hundredths, "").trim_end().to_owned()
    }

    /// Why a commitment exceeds this cap of the day, of which so much is committed, in hundredths.
    pub(crate) fn exceeded_by(&self, commitment: &Commitment, committed: i64) -> OverBudget {
        OverBudget::Day { amount: amount(commitment), cap: self.clone(), left: self.less(committed) }
    }
}

/// When the current day began in the operator's time zone, which `TZ` or the system sets.
pub(crate) fn start_of_day() -> Timestamp {
    let now = ZonedDateTime::now();
    now.start_of_day().map_or_else(|_| now.timestamp(), |start| start.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(hundredths: i64) -> Commitment {
        Commitment { hundredths, currency: "USD".to_owned(), before: None }
    }

    #[test]
    fn an_amount_has_a_number_and_a_currency() {
        for (text, shown) in
            [("5000 USD", "5,000.00 USD"), (" 99.5  EUR ", "99.50 EUR"), ("0 JPY", "0.00 JPY")]
        {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), shown, "{text}");
        }
        for bad in
            ["", "5000", "USD", "USD 5000", "5,000 USD", "-5 USD", "5 usd", "1e3 USD", "5.123 USD", "5. USD"]
        {
            assert_eq!(bad.parse::<Amount>(), Err(InvalidAmount), "{bad}");
        }
        assert_eq!(format!("{} USD", "9".repeat(30)).parse::<Amount>(), Err(InvalidAmount));
    }

    #[test]
    fn a_call_keeps_to_the_cap_of_its_currency() {
        let caps = Caps { per_call: vec!["50 USD".parse().unwrap()], per_day: Vec::new() };
        assert_eq!(caps.check(&usd(5_000)), Ok(None));
        let over = caps.check(&usd(5_001)).unwrap_err().to_string();
        assert!(over.contains("50.01 USD") && over.contains("at most 50.00 USD per call"), "{over}");
        let euros = Commitment { currency: "EUR".to_owned(), ..usd(1) };
        assert!(matches!(caps.check(&euros), Err(OverBudget::Currency { .. })));
        assert_eq!(caps.check(&Commitment { hundredths: 0, ..euros }), Ok(None), "it commits nothing more");
    }
}
