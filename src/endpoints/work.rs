//! Queries from outside as units of own work.

use super::{QueryAnswer, QueryError};
use crate::engine::functions::fingerprint;
use crate::model::own::WORK;
use arrow::array::RecordBatch;
use tracing::Instrument as _;
use tracing::field::Empty;

/// Bytes of a statement that are looked at.
const STATEMENT_BYTES_MAX: usize = 16 << 10;

/// Answers a query within a span that says what was asked, without its literals, and what came of it. The attributes are
/// not those of a database client's spans: own queries are no slow statements of the user's.
pub(super) async fn query(
    wire: &'static str,
    statement: &str,
    answering: impl Future<Output = Result<QueryAnswer, QueryError>>,
) -> Result<QueryAnswer, QueryError> {
    let work = tracing::info_span!(target: WORK, "query", wire, statement = Empty, rows = Empty, outcome = Empty, error = Empty);
    if !work.is_disabled() {
        let end = statement.floor_char_boundary(STATEMENT_BYTES_MAX);
        work.record("statement", fingerprint("postgresql", &statement[..end]));
    }
    let answer = answering.instrument(work.clone()).await;
    match &answer {
        Ok(answer) => {
            work.record("rows", answer.batches.iter().map(RecordBatch::num_rows).sum::<usize>());
            work.record("outcome", if answer.truncated { "cut off" } else { "answered" });
        }
        Err(error) => {
            // The error's text, which the client has, may repeat literals.
            let outcome = outcome(error);
            work.record("outcome", outcome).record("error", outcome);
        }
    }
    answer
}

fn outcome(error: &QueryError) -> &'static str {
    match error {
        QueryError::TooLong { .. } => "too long",
        QueryError::ReadOnly(_) => "read only",
        QueryError::Invalid(_) => "invalid",
        QueryError::TimedOut(_) => "timed out",
        QueryError::Memory(_) => "out of memory",
        QueryError::Failed(_) => "failed",
    }
}
