//! Traces external queries as units of Spanwise's own work.

use super::QueryService;
use crate::engine::{Answer, QueryError, Request};
use crate::model::self_telemetry::WORK;
use arrow::array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt as _};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

/// Runs a query in a span that records its outcome. The attributes differ from those of database client spans, so that own
/// queries are not reported as the user's slow statements.
pub(super) async fn run(
    wire: &'static str,
    service: &dyn QueryService,
    request: &Request,
) -> Result<Running, QueryError> {
    let span = tracing::info_span!(target: WORK, "query", wire, statement = Empty, rows = Empty, outcome = Empty, error = Empty);
    let mut work = Work { span, rows: 0, ended: false };
    match service.run(request).instrument(work.span.clone()).await {
        Ok(answer) => {
            work.span.record("statement", answer.shape.as_deref());
            Ok(Running { answer, work })
        }
        Err(error) => {
            work.failed(&error);
            Err(error)
        }
    }
}

/// A running query. Dropping it cancels the query.
pub(super) struct Running {
    /// The answer; read its rows with [`Running::next`].
    pub(super) answer: Answer,
    work: Work,
}

impl Running {
    /// Returns the next rows; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let next = self.answer.next().await;
        match &next {
            Ok(Some(batch)) => self.work.rows += batch.num_rows(),
            Ok(None) => self.work.end(if self.answer.truncated() { "cut off" } else { "answered" }),
            Err(error) => self.work.failed(error),
        }
        next
    }

    /// Returns the rows as a stream; `end` can return an error after the last row.
    pub(super) fn into_stream<E: Send + 'static>(
        self,
        failed: impl Fn(QueryError) -> E + Send + 'static,
        end: impl Fn(&Answer) -> Result<(), E> + Send + 'static,
    ) -> BoxStream<'static, Result<RecordBatch, E>> {
        type Fails<E> = Box<dyn Fn(QueryError) -> E + Send>;
        type Ends<E> = Box<dyn Fn(&Answer) -> Result<(), E> + Send>;
        let begin: (Running, Fails<E>, Ends<E>) = (self, Box::new(failed), Box::new(end));
        let next = |state: Option<(Running, Fails<E>, Ends<E>)>| async move {
            let (mut running, failed, end) = state?;
            match running.next().await {
                Ok(Some(batch)) => Some((Ok(batch), Some((running, failed, end)))),
                Ok(None) => end(&running.answer).err().map(|error| (Err(error), None)),
                Err(error) => Some((Err(failed(error)), None)),
            }
        };
        stream::unfold(Some(begin), next).boxed()
    }
}

struct Work {
    span: Span,
    rows: usize,
    ended: bool,
}

impl Work {
    fn end(&mut self, outcome: &str) {
        self.ended = true;
        self.span.record("rows", self.rows).record("outcome", outcome);
    }

    fn failed(&mut self, error: &QueryError) {
        // The text of the error is omitted, because it can contain literals.
        let outcome = outcome(error);
        self.end(outcome);
        self.span.record("error", outcome);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.ended {
            self.end("left by the client");
        }
    }
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
