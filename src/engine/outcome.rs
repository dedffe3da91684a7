//! Result of a statement's run.

use arrow::array::RecordBatch;
use datafusion::common::Result;

/// Batches of a run, and the number of rows that it read.
pub(crate) struct Outcome {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) rows_read: u64,
}

impl Outcome {
    pub(crate) fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }
}

/// Converts rows to JSON objects: timestamps as RFC 3339, maps as objects, null columns omitted.
pub(crate) fn json_rows(batches: &[RecordBatch]) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    let bytes = writer.into_inner();
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&bytes).map_err(|error| datafusion::common::exec_datafusion_err!("rows as JSON: {error}"))
}
