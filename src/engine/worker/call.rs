//! The server's side of a call: sends it to a worker, serves the worker's scans, and forwards the answer.

use super::answer::{Event, Finished, Taken};
use super::catalog::Offered;
use super::codec::{Frame, buffer, rows_in, schema};
use super::dialect::SqlFault;
use super::handle::{SETTLE, Worker};
use super::launch::Death;
use super::message::{CREDITS, Failure, FailureKind, FromWorker, Read, ReadText, ToWorker};
use super::pool::Pool;
use super::scan::Scanning;
use crate::engine::query::QueryError;
use bytes::Bytes;
use datafusion::common::exec_err;
use futures::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Time after which a query is long: its worker then gets the lowest priority.
const LONG: Duration = Duration::from_secs(1);

/// How long an answer may stay unread while other queries wait for its worker, and how often this is checked.
const UNREAD: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(500);

/// State of the worker at the end of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Idle; it can be reused.
    Idle,
    /// The client has left or the query has timed out; the worker may still compute.
    Left,
    /// Dead.
    Died,
}

/// The server's side of a call.
pub(super) struct Driven<'a> {
    pub(super) worker: &'a mut Worker,
    pub(super) offered: Arc<Offered>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) taken: Arc<Taken>,
    /// Maximum time that the worker may compute between two reads, even if nobody waits.
    pub(super) timeout: Duration,
    busy_until: tokio::time::Instant,
    pool: &'a Pool,
    scans: Vec<Scanning>,
    /// Number of frames that the worker may still send.
    credit: usize,
    rows_read: u64,
    rows: u64,
    began: Instant,
    /// Whether the final event of the answer has been forwarded.
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

    /// Serves the worker until the call ends.
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

    /// Returns the next frame of the first scan that the worker waits for.
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
            // Round-robin between scans.
            self.scans.rotate_left(1);
        }
        Ok(Some(frame))
    }

    fn tell(&mut self, event: Event) {
        self.said |= matches!(event, Event::Done { .. } | Event::Failed(_) | Event::Read(_));
        // The channel has room for all that the worker may send, and the caller's loop notices a closed one.
        let _gone = self.events.try_send(event);
    }

    /// Handles a message of the worker. Returns how the call ends, if it does.
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
            FromWorker::Next { scan, sieve } => {
                if let Some(scan) = self.scans.iter_mut().find(|known| known.id == scan) {
                    scan.owed += 1;
                    scan.narrow(sieve);
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

/// Effect of a message.
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
        ReadText::Failed(failure) => Read::Failed(failed(failure)),
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

/// Returns the error of a query after its worker died.
pub(super) fn died(death: &Death) -> QueryError {
    let fault = |code| QueryError::Failed(SqlFault::new(code, format!("the query's worker ended: {death}")));
    match death {
        Death::Memory => QueryError::Memory("its worker ran out of memory".to_owned()),
        Death::Stack => {
            QueryError::Invalid(SqlFault::new("54001", "stack depth limit exceeded: the statement nests too deep"))
        }
        Death::Killed => fault("53200"),
        Death::Signal { .. } | Death::Exit { .. } | Death::Unknown(_) => fault("XX000"),
    }
}
