//! A sketch that counts distinct texts: exact for small counts, above that `HyperLogLog` with 1,024 registers and 3% standard
//! error.
//!
//! Source: Flajolet and others, 2007, with linear counting for small counts.

use std::collections::BTreeSet;

const REGISTERS: usize = 1024;
const INDEX_BITS: u32 = 10;
/// Maximum number of texts that are counted exactly.
const EXACT_MAX: usize = 256;
/// First byte of a serialized exact count, so that its length always differs from that of the registers.
const EXACT_MARK: u8 = 1;

/// A mergeable count of distinct texts. Serialized as registers of one byte each, as in earlier versions, or as a mark followed
/// by hashes of eight bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distinct {
    /// Hashes of all texts.
    Exact(BTreeSet<u64>),
    /// Registers of the sketch.
    Estimated(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct::Exact(BTreeSet::new())
    }
}

impl Distinct {
    /// Adds a text.
    pub fn insert(&mut self, text: &str) {
        self.insert_hash(xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
    }

    fn insert_hash(&mut self, hash: u64) {
        match self {
            Distinct::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > EXACT_MAX {
                    let mut registers = vec![0; REGISTERS];
                    hashes.iter().for_each(|hash| register(&mut registers, *hash));
                    *self = Distinct::Estimated(registers);
                }
            }
            Distinct::Estimated(registers) => register(registers, hash),
        }
    }

    /// Merges another count into this one.
    pub fn merge(&mut self, other: &Distinct) {
        match (&mut *self, other) {
            (_, Distinct::Exact(hashes)) => hashes.iter().for_each(|hash| self.insert_hash(*hash)),
            (Distinct::Estimated(own), Distinct::Estimated(other)) => {
                for (own, other) in own.iter_mut().zip(other) {
                    *own = (*own).max(*other);
                }
            }
            (Distinct::Exact(_), Distinct::Estimated(_)) => {
                let own = std::mem::replace(self, other.clone());
                self.merge(&own);
            }
        }
    }

    /// Returns the count, estimated if it is large.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Distinct::Exact(hashes) => hashes.len() as u64,
            Distinct::Estimated(registers) => estimate(registers),
        }
    }

    /// Serializes the count.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Distinct::Exact(hashes) => {
                std::iter::once(EXACT_MARK).chain(hashes.iter().flat_map(|hash| hash.to_le_bytes())).collect()
            }
            Distinct::Estimated(registers) => registers.clone(),
        }
    }

    /// Deserializes a count; `None` if the bytes are invalid.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Distinct> {
        if bytes.len() == REGISTERS {
            return Some(Distinct::Estimated(bytes.to_vec()));
        }
        let (hashes, rest) = bytes.strip_prefix(&[EXACT_MARK])?.as_chunks::<8>();
        let fits = rest.is_empty() && hashes.len() <= EXACT_MAX;
        fits.then(|| Distinct::Exact(hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect()))
    }
}

fn register(registers: &mut [u8], hash: u64) {
    let index = (hash >> (64 - INDEX_BITS)) as usize;
    // The set bit after the hash limits the rank if all its bits are zero.
    let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() + 1;
    let rank = u8::try_from(rank).unwrap_or(u8::MAX);
    registers[index] = registers[index].max(rank);
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, not negative"
)]
fn estimate(registers: &[u8]) -> u64 {
    let m = REGISTERS as f64;
    let zeros = registers.iter().filter(|rank| **rank == 0).count();
    let sum: f64 = registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let estimate = if raw <= 2.5 * m && zeros > 0 { m * (m / zeros as f64).ln() } else { raw };
    estimate.round() as u64
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
    fn few_are_counted_exactly_and_many_within_ten_percent() {
        for few in [0, 1, 50, 256] {
            assert_eq!(of(0..few).count(), u64::from(few));
        }
        for many in [257, 1000, 100_000] {
            let found = of(0..many).count();
            assert!((u64::from(many) * 9 / 10..=u64::from(many) * 11 / 10).contains(&found), "{found} of {many}");
        }
    }

    #[test]
    fn merging_counts_common_texts_once() {
        for (one, other, all) in [(0..50, 25..75, 0..75), (0..200, 100..300, 0..300), (0..10, 5..1500, 0..1500)] {
            let mut merged = of(one.clone());
            merged.merge(&of(other.clone()));
            let mut merged_back = of(other);
            merged_back.merge(&of(one));
            assert_eq!(merged, of(all));
            assert_eq!(merged, merged_back);
            assert_eq!(Distinct::from_bytes(&merged.to_bytes()), Some(merged));
        }
    }

    #[test]
    fn registers_of_earlier_versions_are_read_and_what_is_none_is_not() {
        let mut registers = vec![0; 1024];
        registers[7] = 3;
        let mut old = Distinct::from_bytes(&registers).expect("registers");
        assert_eq!(old.count(), 1);
        old.merge(&of(0..10));
        assert!((9..=13).contains(&old.count()));
        for bytes in [&[][..], &[2], &[1, 2, 3], &[1; 1 + 8 * 257]] {
            assert_eq!(Distinct::from_bytes(bytes), None);
        }
    }
}
