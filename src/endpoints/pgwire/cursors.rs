//! Cursors: `DECLARE`, `FETCH`, `MOVE`, `CLOSE`. Rows are produced when they are fetched; a scrollable cursor keeps the rows
//! that it has passed.

use super::syntax::NOWHERE;
use super::{errors, rows};
use crate::engine::postgres::fold;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{FetchDirection, Statement, Value, ValueWithSpan};
use futures::stream::{BoxStream, StreamExt as _};
use pgwire::api::results::FieldInfo;
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Maximum size of the rows that a cursor keeps, in bytes.
pub(super) const KEPT_BYTES_MAX: usize = 64 << 20;

/// A parsed `DECLARE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    pub(super) name: String,
    /// True for `WITH HOLD`.
    pub(super) hold: bool,
    scroll: bool,
}

/// A parsed `FETCH` or `MOVE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fetched {
    pub(super) name: String,
    step: Step,
    /// True for `MOVE`: rows are skipped instead of returned.
    pub(super) is_move: bool,
}

/// A statement about a cursor.
pub(super) enum CursorStatement {
    /// `DECLARE name CURSOR FOR query`, with the text of the query.
    Declare(Declared, String),
    /// `FETCH` or `MOVE`.
    Fetch(Fetched),
}

/// Movement of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Forward by a number of rows, or backward if negative; `None` means all.
    By(Option<i64>),
    /// Backward over all rows.
    Back,
    /// To an absolute row, counted from the end if negative; returns it.
    To(i64),
    /// To a row relative to the current one; returns it.
    Relative(i64),
}

/// Parses a cursor statement.
pub(super) fn read(statement: &Statement) -> PgWireResult<CursorStatement> {
    match statement {
        Statement::Declare { stmts } => {
            let declared =
                stmts.first().and_then(|declare| Some((declare, declare.names.first()?, declare.for_query.as_ref()?)));
            let Some((declare, name, query)) = declared else {
                return Err(errors::user("42601", "expected DECLARE name CURSOR FOR query"));
            };
            let (hold, scroll) = (declare.hold == Some(true), declare.scroll == Some(true));
            Ok(CursorStatement::Declare(Declared { name: fold(name), hold, scroll }, query.to_string()))
        }
        Statement::Fetch { name, direction, into, .. } => {
            let is_move = into.as_ref().is_some_and(|into| into.to_string() == NOWHERE);
            Ok(CursorStatement::Fetch(Fetched { name: fold(name), step: step(direction)?, is_move }))
        }
        _ => Err(errors::user("42601", "expected a statement of a cursor")),
    }
}

fn step(direction: &FetchDirection) -> PgWireResult<Step> {
    Ok(match direction {
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Step::By(Some(1)),
        FetchDirection::Prior | FetchDirection::Backward { limit: None } => Step::By(Some(-1)),
        FetchDirection::First => Step::To(1),
        FetchDirection::Last => Step::To(-1),
        FetchDirection::Absolute { limit } => Step::To(number(limit)?),
        FetchDirection::Relative { limit } => Step::Relative(number(limit)?),
        FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => {
            Step::By(Some(number(limit)?))
        }
        FetchDirection::Backward { limit: Some(limit) } => Step::By(Some(number(limit)?.saturating_neg())),
        FetchDirection::All | FetchDirection::ForwardAll => Step::By(None),
        FetchDirection::BackwardAll => Step::Back,
    })
}

fn number(value: &ValueWithSpan) -> PgWireResult<i64> {
    let number = match &value.value {
        Value::Number(digits, _) => digits.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| errors::user("42601", format!("expected a whole number, found {value}")))
}

impl Fetched {
    /// Returns the number of rows to move forward, 0 for all. An error for other directions, which portals do not support.
    pub(super) fn forward(&self) -> PgWireResult<usize> {
        match self.step {
            Step::By(None) => Ok(0),
            Step::By(Some(count @ 1..)) => Ok(usize::try_from(count).unwrap_or_default()),
            _ => Err(errors::user("55000", "a portal can only scan forward")),
        }
    }
}

/// Lifetime of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// Until the end of its transaction.
    Transaction,
    /// `WITH HOLD`, before its transaction is committed.
    IfCommitted,
    /// `WITH HOLD`, after its transaction: until the connection ends.
    Connection,
}

/// An open cursor.
pub(super) struct Cursor {
    pub(super) lasts: Lasts,
    /// Sequence number within the connection.
    pub(super) number: u64,
    scroll: bool,
    pub(super) schema: SchemaRef,
    batches: BoxStream<'static, PgWireResult<RecordBatch>>,
    /// Buffered rows; for a scrollable cursor all rows so far.
    ready: Vec<RecordBatch>,
    ready_bytes: usize,
    /// Number of rows before the buffered ones.
    dropped: i64,
    /// Current row, from 1; 0 is before the first.
    at: i64,
    ended: bool,
}

impl Cursor {
    pub(super) fn new(
        declared: &Declared,
        (in_transaction, number): (bool, u64),
        schema: SchemaRef,
        batches: BoxStream<'static, PgWireResult<RecordBatch>>,
    ) -> Cursor {
        Cursor {
            lasts: match (declared.hold, in_transaction) {
                (false, _) => Lasts::Transaction,
                (true, true) => Lasts::IfCommitted,
                (true, false) => Lasts::Connection,
            },
            number,
            scroll: declared.scroll,
            schema,
            batches,
            ready: Vec::new(),
            ready_bytes: 0,
            dropped: 0,
            at: 0,
            ended: false,
        }
    }

    /// Moves the cursor. Returns the rows, and how many it passed.
    pub(super) async fn fetch(
        &mut self,
        fetched: &Fetched,
        fields: &Arc<Vec<FieldInfo>>,
    ) -> PgWireResult<(Vec<DataRow>, usize)> {
        if let (true, Step::By(count @ (None | Some(1..)))) = (fetched.is_move && !self.scroll, fetched.step) {
            return Ok((Vec::new(), self.pass(count).await?));
        }
        let places: Vec<i64> = match fetched.step {
            Step::By(None) => self.forward(None).await?,
            Step::By(Some(0)) => self.place(self.at).await?,
            Step::By(Some(count @ 1..)) => self.forward(Some(count)).await?,
            Step::By(Some(count)) => self.backward(count.checked_neg())?,
            Step::Back => self.backward(None)?,
            Step::To(place @ 0..) => self.place(place).await?,
            Step::To(place) => {
                self.forward(None).await?;
                self.place(self.at + place).await?
            }
            Step::Relative(offset) => self.place(self.at.saturating_add(offset)).await?,
        };
        let count = places.len();
        let rows = if fetched.is_move { Vec::new() } else { self.rows(&places, fields)? };
        if !self.scroll {
            self.forget();
        }
        Ok((rows, count))
    }

    /// Returns how many rows were read so far.
    fn known(&self) -> i64 {
        self.dropped + self.ready.iter().map(rows_of).sum::<i64>()
    }

    /// Reads rows up to a position, or to the end.
    async fn read_to(&mut self, place: i64) -> PgWireResult<()> {
        while !self.ended && self.known() < place {
            match self.batches.next().await {
                None => self.ended = true,
                Some(batch) => {
                    let batch = batch?;
                    self.ready_bytes += batch.get_array_memory_size();
                    self.ready.push(batch);
                    if !self.scroll {
                        self.forget();
                    }
                    if self.ready_bytes > KEPT_BYTES_MAX {
                        let message = "a cursor holds at most 64 MiB of rows: those of one FETCH, and if it scrolls all \
                                       that it has passed; fetch fewer rows at a time";
                        return Err(errors::user("54000", message));
                    }
                }
            }
        }
        Ok(())
    }

    /// Skips rows without keeping them. Returns how many were skipped.
    async fn pass(&mut self, count: Option<i64>) -> PgWireResult<usize> {
        let (from, wanted) = (self.at, count.map_or(i64::MAX, |count| self.at.saturating_add(count)));
        while !self.ended && self.known() < wanted {
            self.at = self.known();
            self.read_to(self.at.saturating_add(1)).await?;
        }
        let last = wanted.min(self.known());
        self.at = if last < wanted { self.known() + 1 } else { last };
        self.forget();
        Ok(usize::try_from(last - from).unwrap_or_default())
    }

    async fn forward(&mut self, count: Option<i64>) -> PgWireResult<Vec<i64>> {
        let wanted = count.map_or(i64::MAX, |count| self.at.saturating_add(count));
        self.read_to(wanted).await?;
        let last = wanted.min(self.known());
        let places = (self.at + 1..=last).collect();
        // Past the last row there is no current row.
        self.at = if last < wanted { self.known() + 1 } else { last };
        Ok(places)
    }

    fn backward(&mut self, count: Option<i64>) -> PgWireResult<Vec<i64>> {
        let first = count.map_or(1, |count| (self.at - count).max(1));
        let places: Vec<i64> = (first..self.at).rev().collect();
        if !self.scroll && !places.is_empty() {
            return Err(errors::user("55000", "cursor can only scan forward: declare it with SCROLL"));
        }
        let reached = count.is_some_and(|count| self.at - count >= 1);
        self.at = if reached { first } else { 0 };
        Ok(places)
    }

    /// Moves to a row, and returns it if it exists.
    async fn place(&mut self, place: i64) -> PgWireResult<Vec<i64>> {
        let place = place.max(0);
        if place < self.at && !self.scroll && place > 0 {
            return Err(errors::user("55000", "cursor can only scan forward: declare it with SCROLL"));
        }
        self.read_to(place).await?;
        self.at = place.min(self.known() + 1);
        Ok(if (1..=self.known()).contains(&place) { vec![place] } else { Vec::new() })
    }

    /// Drops batches that are entirely before the current row.
    fn forget(&mut self) {
        while let Some(first) = self.ready.first() {
            let rows = rows_of(first);
            // Keeps the current batch, because `FETCH RELATIVE 0` returns its row again.
            if self.dropped + rows >= self.at {
                return;
            }
            self.dropped += rows;
            self.ready_bytes = self.ready_bytes.saturating_sub(first.get_array_memory_size());
            self.ready.remove(0);
        }
    }

    fn rows(&self, places: &[i64], fields: &Arc<Vec<FieldInfo>>) -> PgWireResult<Vec<DataRow>> {
        let mut rows = Vec::new();
        let mut at = 0;
        while at < places.len() {
            let (mut first, place) = (self.dropped, places[at]);
            let batch = self.ready.iter().find(|batch| {
                let inside = place > first && place <= first + rows_of(batch);
                if !inside {
                    first += rows_of(batch);
                }
                inside
            });
            let Some(batch) = batch else { return Err(errors::user("XX000", "a row of a cursor is gone")) };
            // Encodes adjacent rows of a batch together.
            let run = places[at..]
                .iter()
                .zip(place..)
                .take_while(|(a, b)| **a == *b && **a <= first + rows_of(batch))
                .count();
            let offset = usize::try_from(place - first - 1).unwrap_or_default();
            for row in rows::encoded(fields.clone(), batch.slice(offset, run))? {
                rows.push(row?);
            }
            at += run;
        }
        Ok(rows)
    }
}

fn rows_of(batch: &RecordBatch) -> i64 {
    i64::try_from(batch.num_rows()).unwrap_or(i64::MAX)
}
