//! Ids in the forms that Scope3 gives them, made from a counter: the same requests get the same ids.

use super::clock::Moment;

/// The ids of one customer's account. The customer's number is mixed in, so that no two customers share one.
#[derive(Debug)]
pub(crate) struct Ids {
    customer: u64,
    made: u64,
}

impl Ids {
    pub(crate) fn new(customer: u32) -> Self {
        Self { customer: customer.into(), made: 0 }
    }

    /// Decimal digits: brand agents, stories, standards and their models.
    pub(crate) fn number(&mut self) -> String {
        self.made += 1;
        (self.customer * 1000 + self.made).to_string()
    }

    /// `campaign_1781524800000_k3x9q2`: campaigns, tactics, sales agents.
    pub(crate) fn dated(&mut self, prefix: &str, at: Moment) -> String {
        format!("{prefix}_{}_{}", at.as_millisecond(), self.base36(6))
    }

    /// `creative_k3x9q2ab`.
    pub(crate) fn short(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.base36(8))
    }

    /// `axe_k3x9q2_mbxh4c00`: the segment of a tactic.
    pub(crate) fn segment(&mut self, at: Moment) -> String {
        format!("axe_{}_{}", self.base36(6), base36(at.as_millisecond().unsigned_abs()))
    }

    /// A UUID of version 4: signals, signals agents, activities.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.mixed(), self.mixed());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// So many characters of `0-9a-z`.
    pub(crate) fn base36(&mut self, length: usize) -> String {
        let digits = base36(self.mixed());
        // The last digits of a 64-bit number are spread evenly; it has 11 or more of them nearly always.
        let padded = format!("{digits:0>13}");
        padded[padded.len() - length.min(13)..].to_owned()
    }

    /// The next number of the counter, mixed (splitmix64): different numbers stay different.
    fn mixed(&mut self) -> u64 {
        self.made += 1;
        let mut z = (self.customer << 32 | self.made).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits
            .push(b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(number % 36).unwrap_or_default()]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::june;

    #[test]
    fn have_the_documented_forms() {
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
    }

    #[test]
    fn repeat_for_one_customer_and_differ_between_two() {
        let made = |customer| {
            let mut ids = Ids::new(customer);
            (ids.number(), ids.short("creative"), ids.uuid())
        };
        assert_eq!(made(12345), made(12345));
        assert_ne!(made(12345), made(67890));
    }
}
