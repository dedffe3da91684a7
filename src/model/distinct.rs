//! A sketch that counts distinct texts: `HyperLogLog` with 1,024 registers, 3% standard error, exact-ish while few.
//!
//! Source: Flajolet and others, 2007, with linear counting for small counts.

const REGISTERS: usize = 1024;
const INDEX_BITS: u32 = 10;

/// A mergeable count of distinct texts. As bytes: one a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distinct {
    registers: Vec<u8>,
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct { registers: vec![0; REGISTERS] }
    }
}

impl Distinct {
    /// Adds a text.
    pub fn insert(&mut self, text: &str) {
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let index = (hash >> (64 - INDEX_BITS)) as usize;
        // A one behind the hash bounds the rank where all of them are zero.
        let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() + 1;
        let rank = u8::try_from(rank).unwrap_or(u8::MAX);
        self.registers[index] = self.registers[index].max(rank);
    }

    /// Unites with another.
    pub fn merge(&mut self, other: &Distinct) {
        for (own, other) in self.registers.iter_mut().zip(&other.registers) {
            *own = (*own).max(*other);
        }
    }

    /// The estimated count.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, not negative"
    )]
    pub fn count(&self) -> u64 {
        let m = REGISTERS as f64;
        let zeros = self.registers.iter().filter(|rank| **rank == 0).count();
        let sum: f64 = self.registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let estimate = if raw <= 2.5 * m && zeros > 0 { m * (m / zeros as f64).ln() } else { raw };
        estimate.round() as u64
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.registers.clone()
    }

    /// Back from bytes; `None` where they are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Distinct> {
        (bytes.len() == REGISTERS).then(|| Distinct { registers: bytes.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: std::ops::Range<u32>) -> Distinct {
        let mut distinct = Distinct::default();
        range.for_each(|number| distinct.insert(&format!("user-{number}")));
        distinct
    }

    #[test]
    fn few_are_counted_nearly_exactly_and_many_within_ten_percent() {
        assert_eq!(of(0..0).count(), 0);
        assert!((9..=11).contains(&of(0..10).count()));
        let many = of(0..100_000).count();
        assert!((90_000..=110_000).contains(&many), "{many}");
    }

    #[test]
    fn merging_counts_common_texts_once() {
        let mut merged = of(0..1000);
        merged.merge(&of(500..1500));
        assert_eq!(merged, of(0..1500));
        assert_eq!(Distinct::from_bytes(&merged.to_bytes()), Some(merged));
    }
}
