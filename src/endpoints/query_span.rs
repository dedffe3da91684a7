//! Queries from outside as units of own work.

use super::QueryService;
use crate::engine::{Answer, QueryError, Request};
use crate::model::self_telemetry::WORK;
use arrow::array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt as _};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

/// Runs a query within a span that says what came of it. The attributes are not those of a database client's spans: own
/// queries are no slow statements of the user's.
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

/// A query that is being answered. Dropping it ends it.
pub(super) struct Running {
    /// The answer; its rows are taken by [`Running::next`].
    pub(super) answer: Answer,
    work: Work,
}

impl Running {
    /// The next rows; `None` when all have been given.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let next = self.answer.next().await;
        match &next {
            Ok(Some(batch)) => self.work.rows += batch.num_rows(),
            Ok(None) => self.work.end(if self.answer.truncated() { "cut off" } else { "answered" }),
            Err(error) => self.work.failed(error),
        }
        next
    }

    /// The rows as a stream; at its end `end` may find fault with the whole.
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
        // The error's text, which the client has, may repeat literals.
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
