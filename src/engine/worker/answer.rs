//! The answer to a call, streamed. Dropping it ends the call.

use super::message::Read;
use crate::engine::query::{QueryAnswer, QueryError};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Cost of an answered query.
#[derive(Debug)]
pub struct Finished {
    /// Names of the tables and views that it read.
    pub views: Vec<String>,
    /// Number of rows read.
    pub rows_read: u64,
    /// Number of rows in the answer.
    pub rows: u64,
    /// Elapsed time.
    pub took: Duration,
}

/// Event of a call.
#[derive(Debug)]
pub(super) enum Event {
    /// A worker has received the call, which starts the timeout.
    Begun,
    Read(Vec<Read>),
    Head {
        described: SchemaRef,
        shape: Option<String>,
    },
    Rows {
        schema: Option<SchemaRef>,
        batches: Vec<RecordBatch>,
    },
    Done {
        truncated: bool,
    },
    Failed(QueryError),
}

/// Number of frames that the reader has consumed and the worker may send again.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) frames: AtomicUsize,
    pub(super) more: Notify,
}

/// Receives the events of a call with a timeout. Only waiting counts, so that a client that reads slowly does not use
/// up the query's time.
pub(super) struct Events {
    pub(super) receiver: mpsc::Receiver<Event>,
    pub(super) taken: Arc<Taken>,
    pub(super) timeout: Duration,
    pub(super) left: Duration,
}

impl Events {
    pub(super) async fn next(&mut self) -> Result<Event, QueryError> {
        loop {
            match self.any().await? {
                Event::Begun => self.left = self.timeout,
                event => return Ok(event),
            }
        }
    }

    async fn any(&mut self) -> Result<Event, QueryError> {
        let began = Instant::now();
        let event = tokio::time::timeout(self.left, self.receiver.recv()).await;
        self.left = self.left.saturating_sub(began.elapsed());
        match event {
            Err(_) => {
                self.receiver.close();
                Err(QueryError::TimedOut(self.timeout))
            }
            Ok(None) => Err(QueryError::ended("the server is stopping")),
            Ok(Some(Event::Failed(error))) => Err(error),
            Ok(Some(event)) => {
                if matches!(event, Event::Rows { .. }) {
                    self.taken.frames.fetch_add(1, Ordering::AcqRel);
                    self.taken.more.notify_one();
                }
                Ok(event)
            }
        }
    }
}

/// A streamed answer. Dropping it ends the query.
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its columns as in the plan: the same names and types, with the plan's metadata.
    pub described: SchemaRef,
    /// The statement without its literals, if self-telemetry needs it.
    pub shape: Option<String>,
    events: Events,
    ready: VecDeque<RecordBatch>,
    truncated: Option<bool>,
}

impl Answer {
    pub(super) async fn begin(mut events: Events) -> Result<Answer, QueryError> {
        let Event::Head { described, shape } = events.next().await? else {
            return Err(QueryError::ended("an answer without a head"));
        };
        let Event::Rows { schema: Some(schema), batches } = events.next().await? else {
            return Err(QueryError::ended("an answer without a schema"));
        };
        Ok(Answer { schema, described, shape, events, ready: batches.into(), truncated: None })
    }

    /// Returns the next rows; `None` after the last ones.
    ///
    /// # Errors
    /// Returns an error if the query fails or times out. Nothing follows it.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        loop {
            while let Some(batch) = self.ready.pop_front() {
                if batch.num_rows() > 0 {
                    return Ok(Some(batch));
                }
            }
            if self.truncated.is_some() {
                return Ok(None);
            }
            match self.events.next().await? {
                Event::Rows { batches, .. } => self.ready = batches.into(),
                Event::Done { truncated } => self.truncated = Some(truncated),
                _ => return Err(QueryError::ended("an answer out of order")),
            }
        }
    }

    /// Returns whether there were more rows than [`crate::engine::QueryLimits`] allows; known once [`Answer::next`] has
    /// returned `None`.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated == Some(true)
    }

    /// Converts the answer to a stream, which ends after an error.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<RecordBatch, QueryError>> {
        let next = |answer: Option<Answer>| async move {
            let mut answer = answer?;
            match answer.next().await {
                Ok(None) => None,
                Ok(Some(batch)) => Some((Ok(batch), Some(answer))),
                Err(error) => Some((Err(error), None)),
            }
        };
        stream::unfold(Some(self), next).boxed()
    }

    /// Collects all rows in memory.
    ///
    /// # Errors
    /// Returns an error if the query fails or times out.
    pub async fn collect(mut self) -> Result<QueryAnswer, QueryError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(QueryAnswer { schema: self.schema.clone(), batches, truncated: self.truncated() })
    }
}
