//! Counts by key.

/// Maximum count of a bin.
pub(super) const BIN_MAX: u64 = u16::MAX as u64;
/// Maximum number of bins; beyond it the lowest are merged.
pub(super) const BINS_MAX: usize = 4096;

/// A key and the number of values at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) key: i32,
    /// At most [`BIN_MAX`].
    pub(super) count: u32,
}

/// Bins by key. A count above [`BIN_MAX`] takes several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bins(Vec<Bin>);

impl Bins {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bin> {
        self.0.iter()
    }

    /// Adds counts with ascending keys.
    pub(super) fn add(&mut self, counts: &[(i32, u64)]) {
        let mut merged = Vec::with_capacity(self.0.len() + counts.len());
        let mut own = self.0.iter().copied().peekable();
        for &(key, count) in counts {
            while let Some(bin) = own.next_if(|bin| bin.key < key) {
                merged.push(bin);
            }
            // Of several bins with the same key, only the first may not be full.
            let before = own.next_if(|bin| bin.key == key).map_or(0, |bin| u64::from(bin.count));
            push(&mut merged, key, before + count);
        }
        merged.extend(own);
        self.0 = trimmed(merged);
    }
}

/// Appends as many bins as the count needs: the remainder first, then full ones.
fn push(bins: &mut Vec<Bin>, key: i32, count: u64) {
    let rest = if count <= BIN_MAX { count } else { count % BIN_MAX };
    #[expect(clippy::cast_possible_truncation, reason = "at most BIN_MAX")]
    let bin = |count: u64| Bin { key, count: count as u32 };
    if rest > 0 || count == 0 {
        bins.push(bin(rest));
    }
    if count > BIN_MAX {
        bins.extend((0..count / BIN_MAX).map(|_| bin(BIN_MAX)));
    }
}

/// Returns at most [`BINS_MAX`] bins, plus those for the overflow of the lowest.
fn trimmed(bins: Vec<Bin>) -> Vec<Bin> {
    let Some(over) = bins.len().checked_sub(BINS_MAX).filter(|over| *over > 0) else { return bins };
    let (lowest, kept) = bins.split_at(over);
    let mut all = Vec::with_capacity(BINS_MAX + 1);
    let mut missing = 0;
    for bin in lowest {
        missing += u64::from(bin.count);
        if missing > BIN_MAX {
            push(&mut all, bin.key, BIN_MAX);
            missing -= BIN_MAX;
        }
    }
    let Some((first, rest)) = kept.split_first() else { return all };
    let sum = u64::from(first.count) + missing;
    if sum > BIN_MAX {
        push(&mut all, first.key, sum - BIN_MAX);
    }
    push(&mut all, first.key, sum.min(BIN_MAX));
    all.extend_from_slice(rest);
    all
}
