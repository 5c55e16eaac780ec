//! Ids in the forms that Scope3 uses. They come from a seeded generator, so the same requests get the same ids.

use fastrand::Rng;
use uuid::Builder;

use crate::clock::Moment;

/// Makes the ids of one customer's account. The customer id is the seed, so two customers get different ids.
#[derive(Debug)]
pub(crate) struct Ids {
    customer: u32,
    numbers: u64,
    random: Rng,
}

impl Ids {
    pub(crate) fn new(customer: u32) -> Self {
        Self { customer, numbers: 0, random: Rng::with_seed(customer.into()) }
    }

    /// Decimal digits: brand agents, stories, standards and their models.
    pub(crate) fn number(&mut self) -> String {
        self.numbers += 1;
        (u64::from(self.customer) * 1000 + self.numbers).to_string()
    }

    /// `campaign_1781524800000_k3x9q2`: campaigns, tactics, sales agents.
    pub(crate) fn dated(&mut self, prefix: &str, at: Moment) -> String {
        format!("{prefix}_{}_{}", at.as_millisecond(), self.base36(6))
    }

    /// `creative_k3x9q2ab`.
    pub(crate) fn short(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.base36(8))
    }

    /// `axe_k3x9q2_mbxh4c00`: the segment of a tactic. The second part is the time in base 36.
    pub(crate) fn segment(&mut self, at: Moment) -> String {
        format!("axe_{}_{}", self.base36(6), base36(at.as_millisecond().unsigned_abs()))
    }

    /// A version 4 UUID: signals, signals agents, activities.
    pub(crate) fn uuid(&mut self) -> String {
        Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid().to_string()
    }

    /// This many characters from `0-9a-z`.
    pub(crate) fn base36(&mut self, length: usize) -> String {
        (0..length).map(|_| self.random.digit(36)).collect()
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        digits.extend(u32::try_from(number % 36).ok().and_then(|digit| char::from_digit(digit, 36)));
        number /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::june;

    #[test]
    fn ids_have_the_documented_forms() {
        let now = june().now();
        let mut ids = Ids::new(12345);
        assert!(ids.number().chars().all(|c| c.is_ascii_digit()));
        let campaign = ids.dated("campaign", now);
        let parts: Vec<&str> = campaign.split('_').collect();
        assert_eq!(parts[..2], ["campaign", "1781524800000"]);
        assert_eq!(parts[2].len(), 6);
        let uuid = ids.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
        let segment = ids.segment(now);
        assert!(segment.starts_with("axe_") && segment.ends_with("_mqf5v9c0"), "{segment}");
        assert_eq!(ids.short("creative").len(), "creative_".len() + 8);
    }

    #[test]
    fn ids_are_reproducible_and_differ_between_customers() {
        let ids_of = |customer| {
            let mut ids = Ids::new(customer);
            (ids.number(), ids.short("creative"), ids.uuid())
        };
        assert_eq!(ids_of(12345), ids_of(12345));
        assert_ne!(ids_of(12345), ids_of(67890));
    }
}
