//! The memory limits of the server: one for the whole server, and one for each part.

use crate::catalog::component::Reading;
use crate::engine::COUNTERS_SHARE;

/// Default memory limit of the server.
const DEFAULT_BYTES: usize = 512 << 20;
/// Divisor: the program itself and its working memory get this fraction of the limit.
const PROGRAM: usize = 8;
/// Minimum memory in bytes of the program itself.
const PROGRAM_LEAST: usize = 96 << 20;

/// Memory limits in bytes of the server process. Query workers are separate processes with limits of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// The whole server.
    pub total: usize,
    /// Tables of received rows.
    pub rows: usize,
    /// Minimum for received rows, if the process needs more elsewhere.
    pub rows_least: usize,
    /// Rollup tables; their counters take another eighth of it.
    pub rollups: usize,
    /// Requests in flight.
    pub inflight: usize,
    /// Digests for detecting resends.
    pub resends: usize,
}

/// The limits set in the file. A part without a limit gets its share of the remaining memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    /// In bytes, with the line of the key.
    pub(super) total: Option<(usize, usize)>,
    pub(super) rows: Option<usize>,
    pub(super) rollups: Option<usize>,
    pub(super) inflight: Option<usize>,
    pub(super) resends: Option<usize>,
}

/// Shares in percent, in the order of [`Given::parts`].
const SHARES: [usize; 4] = [48, 24, 20, 8];

impl Given {
    /// Returns the limits of rows, rollups with their counters, requests in flight, and resends.
    fn parts(self) -> [Option<usize>; 4] {
        let rollups = self.rollups.map(|bytes| bytes.saturating_add(bytes / COUNTERS_SHARE));
        [self.rows, rollups, self.inflight, self.resends]
    }

    /// Divides the memory among the parts.
    pub(super) fn share(self, reading: &Reading<'_>) -> MemoryConfig {
        let parts = self.parts();
        let given = parts.iter().flatten().fold(0, |sum: usize, bytes| sum.saturating_add(*bytes));
        let shares: usize = parts.iter().zip(SHARES).filter(|(part, _)| part.is_none()).map(|(_, share)| share).sum();
        let whole = self.total.map_or(DEFAULT_BYTES, |(total, _)| total);
        let to_share = whole.saturating_sub((whole / PROGRAM).max(PROGRAM_LEAST));
        let left = match self.total {
            Some((total, line)) => {
                let least = given.saturating_add(hundredths(LEFT_LEAST, shares, 100));
                if least > to_share {
                    reading.gather.fault(line, "extensions.store.memory", too_small(total, least, given));
                }
                to_share.saturating_sub(given)
            }
            // Without a configured total, a large part does not reduce the others.
            None => hundredths(to_share, shares, 100).max(to_share.saturating_sub(given)),
        };
        let part = |index: usize| parts[index].unwrap_or_else(|| hundredths(left, SHARES[index], shares));
        let [rows, rollups, inflight, resends] = [0, 1, 2, 3].map(part);
        let all = [rollups, inflight, resends].into_iter().fold(rows, usize::saturating_add);
        let needed = with_program(all);
        let total = if self.total.is_some() { whole } else { whole.max(needed) };
        let rows_least = self.rows.unwrap_or(rows / ROWS_GIVE);
        MemoryConfig {
            total,
            rows,
            rows_least,
            rollups: rollups / (COUNTERS_SHARE + 1) * COUNTERS_SHARE,
            inflight,
            resends,
        }
    }
}

/// Divisor: received rows without a limit of their own keep this part of their share.
const ROWS_GIVE: usize = 3;
/// Minimum memory for all parts together.
const LEFT_LEAST: usize = 48 << 20;

/// Adds the memory of the program to that of the parts.
fn with_program(parts: usize) -> usize {
    parts.saturating_add((parts / (PROGRAM - 1)).max(PROGRAM_LEAST))
}

/// Returns `share` of `shares` parts.
fn hundredths(bytes: usize, share: usize, shares: usize) -> usize {
    bytes.saturating_mul(share) / shares.max(1)
}

fn too_small(total: usize, least: usize, given: usize) -> String {
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    format!(
        "expected at least {}MiB: {}MiB for the parts that have a size of their own, room for the others, and the program \
         itself; found {}MiB",
        mib(with_program(least)),
        mib(given),
        mib(total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::yaml::Gather;

    const MIB: usize = 1 << 20;

    fn shared(given: Given) -> (MemoryConfig, Vec<String>) {
        let gather = Gather::new("c.yaml");
        let memory = given.share(&Reading::new("c.yaml", &gather));
        (memory, gather.take().iter().map(ToString::to_string).collect())
    }

    /// Returns the sum of the limits of all parts.
    fn sum(memory: MemoryConfig) -> usize {
        memory.rows + memory.rollups + memory.rollups / COUNTERS_SHARE + memory.inflight + memory.resends
    }

    #[test]
    fn parts_and_the_program_are_the_whole() {
        for (total, program) in [(144, 96), (512, 96), (800, 100), (1 << 20, 1 << 17)] {
            let (memory, faults) = shared(Given { total: Some((total * MIB, 7)), ..Given::default() });
            assert_eq!(faults, Vec::<String>::new());
            assert_eq!(memory.total, total * MIB);
            let all = sum(memory);
            let parts = (total - program) * MIB;
            assert!(all <= parts && all + 100 > parts, "{all} of {total} MiB");
        }
        let (by_default, _) = shared(Given::default());
        let (said, _) = shared(Given { total: Some((512 * MIB, 1)), ..Given::default() });
        assert_eq!(by_default, said);
    }

    #[test]
    fn a_part_that_is_given_has_its_size() {
        let rows = Given { rows: Some(400 * MIB), ..Given::default() };
        let (alone, faults) = shared(rows);
        assert_eq!((alone.rows, alone.rows_least, faults.len()), (400 * MIB, 400 * MIB, 0));
        let shared_rows = shared(Given::default()).0;
        assert_eq!(shared_rows.rows_least, shared_rows.rows / 3);
        assert_eq!(alone.inflight, shared(Given::default()).0.inflight, "nobody says what the whole is");
        assert!(alone.total > 512 * MIB && sum(alone) + 96 * MIB <= alone.total);
        let (within, faults) = shared(Given { total: Some((800 * MIB, 1)), ..rows });
        assert_eq!((within.rows, within.total, faults.len()), (400 * MIB, 800 * MIB, 0));
        // 800 MiB - 100 MiB for the program - 400 MiB of rows = 300 MiB; requests in flight get 20 of the 52 remaining shares.
        assert_eq!(within.inflight, 300 * MIB * 20 / 52);
    }

    #[test]
    fn a_whole_that_is_less_than_its_parts_is_a_fault() {
        let given = Given { total: Some((500 * MIB, 7)), rows: Some(400 * MIB), ..Given::default() };
        let (_, faults) = shared(given);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("c.yaml:7: extensions.store.memory: expected at least "), "{}", faults[0]);
        let least = faults[0].split("at least ").nth(1).and_then(|rest| rest.split("MiB").next()?.parse().ok());
        let least: usize = least.expect("a number of MiB");
        assert_eq!(shared(Given { total: Some((least * MIB, 7)), ..given }).1, Vec::<String>::new());
    }
}
