//! One call of the server's: a worker is given it, its scans are served, and its answer comes back bit by bit. Whoever
//! drops the answer ends the call.

use super::catalog::Offered;
use super::codec::{Frame, buffer, row_out, rows_in, schema};
use super::dialect::{Settings, SqlFault};
use super::launch::Death;
use super::message::{CREDITS, Call, Failure, FailureKind, FromWorker, Read, ReadText, Task, ToWorker};
use super::pool::{Pool, Worker};
use super::scan::Scanning;
use crate::engine::query::{QueryAnswer, QueryError, QueryLimits};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::common::exec_err;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Time after which a query counts as long: its worker then comes behind all others.
const LONG: Duration = Duration::from_secs(1);
/// How long the tasks of a plan may go on after the answer has ended, before their worker is.
pub(super) const SETTLE: Duration = Duration::from_millis(100);

/// How long an answer may be left unread where other queries wait for its worker, and how often that is looked at.
const UNREAD: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(500);

/// A statement of a text, and what it may take.
#[derive(Debug, Clone)]
pub struct Request {
    /// The [`super::Dialect`] that reads it.
    pub dialect: &'static str,
    /// The text.
    pub sql: Arc<str>,
    /// Which of its statements is meant, from 0.
    pub place: usize,
    /// The values of its parameters: one row, a column each.
    pub parameters: Option<RecordBatch>,
    /// What the connection has set.
    pub settings: Settings,
    /// Bounds.
    pub limits: QueryLimits,
}

impl Request {
    /// A text of one statement without parameters.
    #[must_use]
    pub fn new(dialect: &'static str, sql: &str, limits: QueryLimits) -> Request {
        Request { dialect, sql: sql.into(), place: 0, parameters: None, settings: Settings::new(), limits }
    }

    pub(super) fn call(&self, task: Task, shape: bool) -> Result<Frame, QueryError> {
        let call = Call {
            task,
            dialect: self.dialect.to_owned(),
            sql: self.sql.as_ref().to_owned(),
            place: self.place,
            settings: self.settings.clone(),
            rows_max: self.limits.rows_max,
            shape,
        };
        let body = self.parameters.as_ref().filter(|row| row.num_columns() > 0).map(row_out).transpose();
        let body = body.map_err(|error| QueryError::failed(&error))?.unwrap_or_default();
        Frame::new(&ToWorker::Call(call), body).map_err(|error| QueryError::ended(&error.to_string()))
    }
}

/// What a query has cost, once it has been answered.
#[derive(Debug)]
pub struct Finished {
    /// The names under which it read, among them views.
    pub views: Vec<String>,
    /// Rows that it read.
    pub rows_read: u64,
    /// Rows of its answer.
    pub rows: u64,
    /// How long it took.
    pub took: Duration,
}

/// What comes out of a call.
#[derive(Debug)]
pub(super) enum Event {
    /// A worker has the call: its time begins.
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

/// Frames that the reader of an answer has taken and that the worker may send again.
#[derive(Default)]
pub(super) struct Taken {
    frames: AtomicUsize,
    more: Notify,
}

/// The events of a call, waited for within its time. Only waiting counts: a client that takes its time to read costs a
/// query none of its own.
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

/// An answer as it comes. Dropping it ends the query.
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its columns as the plan has them: the same names and types, and what the plan says besides.
    pub described: SchemaRef,
    /// The statement without its literals, where own telemetry wants it.
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

    /// The next rows; `None` when all have been given.
    ///
    /// # Errors
    /// When the query fails on the way, or takes too long; nothing comes after that.
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

    /// Whether there were more rows than [`QueryLimits::rows_max`]; known when [`Answer::next`] has given `None`.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated == Some(true)
    }

    /// The rows as a stream; it ends after an error.
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

    /// All of it, in memory.
    ///
    /// # Errors
    /// When the query fails on the way, or takes too long.
    pub async fn collect(mut self) -> Result<QueryAnswer, QueryError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(QueryAnswer { schema: self.schema.clone(), batches, truncated: self.truncated() })
    }
}

/// How a call came to its end for the worker.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It runs nothing any more, and can be used again.
    Idle,
    /// Nobody waits for the answer, or its time is over; it may still compute.
    Left,
    /// It has died.
    Died,
}

/// The server's side of a call.
pub(super) struct Driven<'a> {
    pub(super) worker: &'a mut Worker,
    pub(super) offered: Arc<Offered>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) taken: Arc<Taken>,
    /// How long the worker may compute at a stretch, also where nobody waits.
    pub(super) timeout: Duration,
    busy_until: tokio::time::Instant,
    pool: &'a Pool,
    scans: Vec<Scanning>,
    /// Frames that the worker may still send.
    credit: usize,
    rows_read: u64,
    rows: u64,
    began: Instant,
    /// The last word of the answer has been passed on.
    said: bool,
}

impl<'a> Driven<'a> {
    pub(super) fn new(
        worker: &'a mut Worker,
        offered: Arc<Offered>,
        events: mpsc::Sender<Event>,
        taken: Arc<Taken>,
        timeout: Duration,
        pool: &'a Pool,
    ) -> Driven<'a> {
        Driven {
            worker,
            offered,
            events,
            taken,
            timeout,
            busy_until: tokio::time::Instant::now() + timeout,
            pool,
            scans: Vec::new(),
            credit: CREDITS,
            rows_read: 0,
            rows: 0,
            began: Instant::now(),
            said: false,
        }
    }

    /// Serves the worker until the call has ended, one way or another.
    pub(super) async fn drive(mut self) -> End {
        let long = tokio::time::sleep(LONG);
        tokio::pin!(long);
        let (mut idle_by, mut read_at) = (None, Instant::now());
        loop {
            let owed = self.scans.iter().any(|scan| scan.owed > 0);
            let waits = self.credit == 0;
            if !waits {
                read_at = Instant::now();
            }
            if self.said && idle_by.is_none() {
                idle_by = Some(tokio::time::Instant::now() + SETTLE);
            }
            tokio::select! {
                () = self.events.closed(), if !self.said => return End::Left,
                () = tokio::time::sleep_until(idle_by.unwrap_or(self.busy_until)), if self.said => return End::Left,
                () = tokio::time::sleep_until(self.busy_until), if !waits && !self.said => {
                    self.tell(Event::Failed(QueryError::TimedOut(self.timeout)));
                    return End::Left;
                }
                () = tokio::time::sleep(LOOK), if waits => {
                    if read_at.elapsed() > UNREAD && self.pool.is_short() {
                        self.tell(Event::Failed(unread()));
                        return End::Left;
                    }
                }
                () = &mut long, if !self.worker.is_last => self.worker.put_last(),
                () = self.taken.more.notified(), if !self.said => {
                    let frames = self.taken.frames.swap(0, Ordering::AcqRel);
                    if frames == 0 {
                        continue;
                    }
                    self.credit += frames;
                    self.busy_until = tokio::time::Instant::now() + self.timeout;
                    if self.worker.say(&ToWorker::Credit { frames }).await.is_err() {
                        return End::Died;
                    }
                }
                permit = self.worker.out.clone().reserve_owned(), if owed => {
                    let Ok(permit) = permit else { return End::Died };
                    match self.scanned() {
                        Ok(Some(frame)) => drop(permit.send(frame)),
                        Ok(None) => {}
                        Err(error) => {
                            self.tell(Event::Failed(QueryError::failed(&error)));
                            return End::Left;
                        }
                    }
                }
                frame = self.worker.frames.next() => {
                    let Some(Ok((message, body))) = frame else { return End::Died };
                    if let Some(end) = self.take(message, body) {
                        return end;
                    }
                }
            }
        }
    }

    /// The next frame of the first scan that is waited for.
    fn scanned(&mut self) -> datafusion::common::Result<Option<Frame>> {
        let Some(place) = self.scans.iter().position(|scan| scan.owed > 0) else { return Ok(None) };
        let scan = &mut self.scans[place];
        let before = scan.rows;
        let (frame, is_end) = scan.next()?;
        scan.owed -= 1;
        self.rows_read += scan.rows - before;
        if is_end {
            self.scans.swap_remove(place);
        } else {
            // The others have their turn.
            self.scans.rotate_left(1);
        }
        Ok(Some(frame))
    }

    fn tell(&mut self, event: Event) {
        self.said |= matches!(event, Event::Done { .. } | Event::Failed(_) | Event::Read(_));
        // There is room for all that the worker may send; whoever is gone is noticed where the loop waits.
        let _gone = self.events.try_send(event);
    }

    /// Takes what the worker says; how the call ends, where it does.
    fn take(&mut self, message: FromWorker, body: Bytes) -> Option<End> {
        match self.event(message, body) {
            Ok(Step::Idle) => Some(End::Idle),
            Ok(Step::On) => None,
            Ok(Step::Tell(event)) => {
                self.tell(event);
                None
            }
            Err(error) => {
                self.tell(Event::Failed(QueryError::failed(&error)));
                Some(End::Left)
            }
        }
    }

    fn event(&mut self, message: FromWorker, body: Bytes) -> datafusion::common::Result<Step> {
        Ok(Step::Tell(match message {
            FromWorker::Idle => return Ok(Step::Idle),
            FromWorker::Scan(scan) => {
                self.scans.push(Scanning::begin(&self.offered, scan)?);
                return Ok(Step::On);
            }
            FromWorker::Next { scan } => {
                if let Some(scan) = self.scans.iter_mut().find(|known| known.id == scan) {
                    scan.owed += 1;
                }
                return Ok(Step::On);
            }
            FromWorker::Drop { scan } => {
                self.scans.retain(|known| known.id != scan);
                return Ok(Step::On);
            }
            FromWorker::Rows => {
                self.credit = self.credit.saturating_sub(1);
                self.busy_until = tokio::time::Instant::now() + self.timeout;
                let (schema, batches) = rows_in(buffer(body))?;
                self.rows += batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
                Event::Rows { schema, batches }
            }
            FromWorker::Head { schema: text, shape } => Event::Head { described: schema(&text)?, shape },
            FromWorker::Read(texts) => Event::Read(texts.into_iter().map(read).collect::<Result<_, _>>()?),
            FromWorker::Done { truncated, views } => {
                let took = self.began.elapsed();
                self.pool.finished(Finished { views, rows_read: self.rows_read, rows: self.rows, took });
                Event::Done { truncated }
            }
            FromWorker::Failed(failure) => Event::Failed(failed(failure)),
            FromWorker::Ready | FromWorker::Refused(_) => return exec_err!("a worker spoke out of turn"),
        }))
    }
}

/// What comes of a message.
enum Step {
    On,
    Idle,
    Tell(Event),
}

fn unread() -> QueryError {
    let message = format!(
        "the rest of the answer was dropped: nothing of it was read for {UNREAD:?}, and other queries wait for a worker (extensions.sql.workers)"
    );
    QueryError::Failed(SqlFault::new("57P05", message))
}

fn read(text: ReadText) -> datafusion::common::Result<Read> {
    Ok(match text {
        ReadText::Said(said) => Read::Said(said),
        ReadText::Query { parameters, known, schema: columns } => {
            let fields = schema(&parameters)?;
            let kind = |(field, known): (&Arc<arrow::datatypes::Field>, bool)| known.then(|| field.data_type().clone());
            let parameters = fields.fields().iter().zip(known).map(kind).collect();
            Read::Query { parameters, schema: schema(&columns)? }
        }
    })
}

fn failed(failure: Failure) -> QueryError {
    let Failure { kind, fault } = failure;
    match kind {
        FailureKind::Invalid => QueryError::Invalid(fault),
        FailureKind::ReadOnly => QueryError::ReadOnly(fault.message),
        FailureKind::Memory => QueryError::Memory(fault.message),
        FailureKind::Failed => QueryError::Failed(fault),
    }
}

/// The error of a query whose worker died.
pub(super) fn died(death: Death) -> QueryError {
    match death {
        Death::Memory => QueryError::Memory("its worker came to its limit".to_owned()),
        Death::Stack => {
            QueryError::Invalid(SqlFault::new("54001", "stack depth limit exceeded: the statement nests too deep"))
        }
        Death::Killed => {
            QueryError::Memory("its worker was killed, as the system does where memory runs out".to_owned())
        }
        Death::Other(message) => {
            QueryError::Failed(SqlFault::new("XX000", format!("the query's worker ended: {message}")))
        }
    }
}
