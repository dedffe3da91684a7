//! Queries from outside as units of own work.

use super::{QueryAnswer, QueryError};
use crate::model::own::WORK;
use arrow::array::RecordBatch;
use tracing::Instrument as _;
use tracing::field::Empty;

/// Answers a query within a span that says what came of it. What was asked, without its literals, is noted by whoever has
/// read it, for a text that nobody has looked at yet may take long to fold; `shape` is that, where it is known before. The
/// attributes are not those of a database client's spans: own queries are no slow statements of the user's.
pub(super) async fn query(
    wire: &'static str,
    shape: Option<&str>,
    answering: impl Future<Output = Result<QueryAnswer, QueryError>>,
) -> Result<QueryAnswer, QueryError> {
    let work = tracing::info_span!(target: WORK, "query", wire, statement = shape, rows = Empty, outcome = Empty, error = Empty);
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
