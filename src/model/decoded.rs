//! Result of decoding one request: Arrow batches and rejected items.

use super::null_columns::memory_bytes;
use arrow::record_batch::RecordBatch;

/// The rows of one request, by table.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    /// When it was received, nanoseconds since the Unix epoch.
    pub received_unix_nano: i64,
    /// Table names and rows, in the column order of `schemas/<table>.yaml`. Contains no empty batches.
    pub tables: Vec<(&'static str, RecordBatch)>,
    /// Number of spans, data points or log records accepted.
    pub items: u64,
    /// Items that were rejected from an otherwise valid request.
    pub rejected: Rejected,
}

impl Decoded {
    /// Returns the memory used by the batches, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.tables.iter().map(|(_, batch)| memory_bytes(batch)).sum()
    }
}

/// Rejected items as reported to the sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Number of rejected items.
    pub rejected: u64,
    /// The reason, for people.
    pub message: String,
}

impl From<Rejected> for Answer {
    fn from(rejected: Rejected) -> Answer {
        Answer { rejected: rejected.items.len() as u64, message: rejected.message }
    }
}

/// Items rejected from an otherwise valid request: OTLP's partial success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Indices of the rejected items within the request, from 0, ascending.
    pub items: Vec<u32>,
    /// The first few reasons, for people, each with the item's position, the found and the expected value.
    pub message: String,
}
