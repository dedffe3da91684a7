//! What one request became: Arrow batches, and what had to be refused of it.

use super::null_columns::memory_bytes;
use arrow::record_batch::RecordBatch;

/// The rows of one request, by table.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    /// When it was received, nanoseconds since the Unix epoch.
    pub received_unix_nano: i64,
    /// Table name and its rows, in the column order of `schemas/<table>.yaml`. No empty batches.
    pub tables: Vec<(&'static str, RecordBatch)>,
    /// Spans, data points or log records that were kept.
    pub items: u64,
    /// What was refused, though the request as a whole is good.
    pub rejected: Rejected,
}

impl Decoded {
    /// Bytes of memory that the batches hold.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.tables.iter().map(|(_, batch)| memory_bytes(batch)).sum()
    }
}

/// What the sender is told of the items that were refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// How many they are.
    pub rejected: u64,
    /// Why, for people.
    pub message: String,
}

impl From<Rejected> for Answer {
    fn from(rejected: Rejected) -> Answer {
        Answer { rejected: rejected.items.len() as u64, message: rejected.message }
    }
}

/// Items refused out of an otherwise good request: OTLP's partial success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Running numbers of the refused items within the request, from 0, ascending.
    pub items: Vec<u32>,
    /// Why, for people: the first few reasons, each with the item's place, the value found and the value expected.
    pub message: String,
}
