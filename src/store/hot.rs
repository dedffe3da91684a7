//! The hot tables: decoded rows of the log's newest frames, in memory up to a bound.

use super::snapshot::{Part, SnapshotTable};
use crate::log::Position;
use crate::model::decoded::Decoded;
use crate::model::null_columns::{NullColumns, memory_bytes};
use crate::model::table::{ColumnType, TableDef};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Chunks with fewer rows are joined with their neighbours: SDKs send a few rows at a time, and a query pays for each
/// chunk. Larger ones are left as they are: to copy every row would cost more than it saves.
const SMALL_ROWS: usize = 256;
/// As soon as there are this many of them, or enough for a chunk that is not small. So a row is copied once or twice.
const JOIN_FROM: usize = 16;

/// Rows behind a cursor.
#[derive(Debug, Clone, Default)]
pub struct NewRows {
    /// The newest frame that they come from.
    pub upto: Position,
    /// Rows by table, in the order in which they came in.
    pub tables: BTreeMap<&'static str, Vec<RecordBatch>>,
}

impl NewRows {
    /// Adds what a frame became.
    pub fn add(&mut self, position: Position, decoded: &Decoded) {
        self.upto = position;
        for (table, batch) in &decoded.tables {
            self.tables.entry(table).or_default().push(batch.clone());
        }
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.tables.values().flatten().map(RecordBatch::num_rows).sum()
    }
}

/// Rows behind the cursor are no longer in memory: they are read from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// The newest frame of which rows are gone.
    pub upto: Position,
}

/// What a table answers for, told by when its rows were received: what a sender says of time may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The table.
    pub table: String,
    /// All rows received from here on are there, microseconds; none before the first request.
    pub from_us: Option<i64>,
    /// When the newest request was received.
    pub to_us: Option<i64>,
    /// Whether rows that came before are no longer in memory.
    pub evicted: bool,
    /// Rows that it holds.
    pub rows: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// All hot tables.
pub struct HotStore {
    tables: Vec<HotTable>,
    memory_bytes_max: usize,
    state: Mutex<Rows>,
}

struct HotTable {
    name: String,
    schema: SchemaRef,
    nulls: NullColumns,
    time_column: Option<String>,
}

#[derive(Default)]
struct Rows {
    /// In the order of `HotStore::tables`.
    chunks: Vec<VecDeque<Chunk>>,
    newest: Position,
    evicted: Position,
    bytes: usize,
    /// When the first request was received whose rows were put here, and the newest.
    received_us: Option<(i64, i64)>,
    /// When the newest request was received of which a table's rows are gone; in the order of the tables.
    gone_us: Vec<Option<i64>>,
    filling: Filling,
}

/// Whether rows of older frames are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Filling {
    /// No more.
    #[default]
    Done,
    /// They come, newest first.
    Expected,
    /// There is no room for them any more: newer ones had to go already.
    Full,
}

struct Chunk {
    first: Position,
    last: Position,
    /// When the newest of its requests was received.
    received_us: i64,
    part: Arc<Part>,
    bytes: usize,
}

impl HotStore {
    /// Empty tables that may hold `memory_bytes_max` together.
    #[must_use]
    pub fn new(tables: &[TableDef], memory_bytes_max: usize) -> Arc<HotStore> {
        let tables: Vec<HotTable> = tables
            .iter()
            .map(|table| HotTable {
                name: table.name.clone(),
                schema: table.schema(),
                nulls: NullColumns::new(table.schema()),
                time_column: time_column(table),
            })
            .collect();
        let chunks = tables.iter().map(|_| VecDeque::new()).collect();
        let rows = Rows { chunks, gone_us: vec![None; tables.len()], ..Rows::default() };
        Arc::new(HotStore { tables, memory_bytes_max, state: Mutex::new(rows) })
    }

    /// Adds what a frame became. Positions ascend.
    pub fn append(&self, position: Position, decoded: &Decoded) {
        let chunks = self.chunks(position, decoded);
        let received_us = decoded.received_unix_nano / 1000;
        let mut rows = self.rows();
        rows.newest = position;
        rows.received_us = Some(match rows.received_us {
            Some((first, newest)) => (first, newest.max(received_us)),
            None => (received_us, received_us),
        });
        for (index, chunk) in chunks {
            rows.bytes += chunk.bytes;
            rows.chunks[index].push_back(chunk);
        }
        while rows.bytes > self.memory_bytes_max && rows.evict_oldest() {}
    }

    /// What a frame became, with the place of each table.
    fn chunks(&self, position: Position, decoded: &Decoded) -> Vec<(usize, Chunk)> {
        let received_us = decoded.received_unix_nano / 1000;
        let chunk = |(name, batch): &(&'static str, RecordBatch)| {
            let index = self.tables.iter().position(|table| table.name == *name)?;
            let part = Part::new(batch.clone(), self.tables[index].time_column.as_deref());
            let bytes = memory_bytes(batch);
            Some((index, Chunk { first: position, last: position, received_us, part, bytes }))
        };
        decoded.tables.iter().filter_map(chunk).collect()
    }

    /// Begins behind a frame, the newest so far, which was received at `received_unix_nano`. Rows of the frames up to it come
    /// by [`HotStore::prepend`], until [`HotStore::end_filling`].
    pub fn begin_filling(&self, newest: Position, received_unix_nano: i64) {
        let mut rows = self.rows();
        if newest > Position(0) {
            rows.gone_us.fill(Some(received_unix_nano / 1000));
        }
        (rows.evicted, rows.newest, rows.filling) = (newest, newest, Filling::Expected);
    }

    /// Adds what a frame became that is older than all whose rows are here. `older_unix_nano` is when the newest frame before it
    /// was received, `None` where there never was one. False where there is no room left: then it and all before it stay
    /// in the log alone.
    #[must_use]
    pub fn prepend(&self, position: Position, decoded: &Decoded, older_unix_nano: Option<i64>) -> bool {
        let chunks = self.chunks(position, decoded);
        let bytes: usize = chunks.iter().map(|(_, chunk)| chunk.bytes).sum();
        let received_us = decoded.received_unix_nano / 1000;
        let mut rows = self.rows();
        if rows.filling != Filling::Expected || rows.bytes.saturating_add(bytes) > self.memory_bytes_max {
            return false;
        }
        rows.bytes += bytes;
        for (index, chunk) in chunks {
            rows.chunks[index].push_front(chunk);
        }
        let (first, newest) = rows.received_us.unwrap_or((received_us, received_us));
        rows.received_us = Some((first.min(received_us), newest.max(received_us)));
        rows.evicted = Position(position.0.saturating_sub(1));
        rows.gone_us.fill(older_unix_nano.map(|older| older / 1000));
        true
    }

    /// No rows of older frames will come.
    pub fn end_filling(&self) {
        self.rows().filling = Filling::Done;
    }

    /// Whether rows of older frames are still to come.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.rows().filling != Filling::Done
    }

    /// Notes the newest frame where it holds no rows for any table.
    pub fn advance(&self, position: Position) {
        let mut rows = self.rows();
        rows.newest = rows.newest.max(position);
    }

    /// The newest frame that was added.
    #[must_use]
    pub fn newest(&self) -> Position {
        self.rows().newest
    }

    /// The rows of frames behind `after`.
    ///
    /// # Errors
    /// When some of them are no longer in memory.
    pub fn since(&self, after: Position) -> Result<NewRows, Evicted> {
        let rows = self.rows();
        if after < rows.evicted {
            return Err(Evicted { upto: rows.evicted });
        }
        let mut new = NewRows { upto: rows.newest.max(after), tables: BTreeMap::new() };
        for (table, chunks) in self.tables.iter().zip(&rows.chunks) {
            let from = chunks.partition_point(|chunk| chunk.last <= after);
            let batches: Vec<_> = chunks.range(from..).map(|chunk| chunk.part.batch.clone()).collect();
            if let (false, Some(name)) = (batches.is_empty(), static_name(&table.name)) {
                new.tables.insert(name, batches);
            }
        }
        Ok(new)
    }

    /// The part of its memory that rows of frames behind `after` take, from 0 to 1.
    #[must_use]
    pub fn share_since(&self, after: Position) -> f64 {
        let rows = self.rows();
        let behind = rows.chunks.iter().flat_map(|chunks| chunks.iter().rev().take_while(|chunk| chunk.last > after));
        let bytes: usize = behind.map(|chunk| chunk.bytes).sum();
        // Precise enough below 2^52 bytes.
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let share = bytes as f64 / self.memory_bytes_max.max(1) as f64;
        share
    }

    /// Joins small neighbours among the chunks that the engine has read.
    pub fn join_read(&self, upto: Position) {
        let mut rows = self.rows();
        let mut freed = 0_isize;
        for (table, chunks) in self.tables.iter().zip(&mut rows.chunks) {
            freed += table.join(chunks, upto);
        }
        rows.bytes = rows.bytes.saturating_add_signed(-freed);
    }

    /// A table for queries.
    #[must_use]
    pub fn provider(self: &Arc<Self>, table: &str) -> Option<SnapshotTable> {
        let index = self.tables.iter().position(|known| known.name == table)?;
        let store = self.clone();
        let HotTable { schema, time_column, .. } = &self.tables[index];
        Some(SnapshotTable::new(schema.clone(), time_column.as_deref(), move || {
            store.rows().chunks[index].iter().map(|chunk| chunk.part.clone()).collect()
        }))
    }

    /// Bytes of memory that the rows of all tables take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.rows().bytes
    }

    /// What each table answers for.
    #[must_use]
    pub fn coverage(&self) -> Vec<Coverage> {
        let rows = self.rows();
        let of = |((table, chunks), gone_us): ((&HotTable, &VecDeque<Chunk>), &Option<i64>)| Coverage {
            table: table.name.clone(),
            from_us: rows.received_us.map(|(first, _)| gone_us.map_or(first, |gone| first.max(gone + 1))),
            to_us: rows.received_us.map(|(_, newest)| newest),
            evicted: gone_us.is_some(),
            rows: chunks.iter().map(|chunk| chunk.part.batch.num_rows() as u64).sum(),
            bytes: chunks.iter().map(|chunk| chunk.bytes as u64).sum(),
        };
        self.tables.iter().zip(&rows.chunks).zip(&rows.gone_us).map(of).collect()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    /// Drops the chunk with the oldest frames; false where there is none.
    fn evict_oldest(&mut self) -> bool {
        let tables = self.chunks.iter_mut().zip(&mut self.gone_us).filter(|(chunks, _)| !chunks.is_empty());
        let oldest = tables.min_by_key(|(chunks, _)| chunks.front().map(|chunk| chunk.first));
        let Some((chunks, gone_us)) = oldest else { return false };
        let Some(chunk) = chunks.pop_front() else { return false };
        *gone_us = (*gone_us).max(Some(chunk.received_us));
        self.bytes -= chunk.bytes;
        self.evicted = self.evicted.max(chunk.last);
        if self.filling == Filling::Expected {
            self.filling = Filling::Full;
        }
        true
    }
}

impl HotTable {
    /// Joins small neighbours; the bytes that it freed.
    fn join(&self, chunks: &mut VecDeque<Chunk>, upto: Position) -> isize {
        let read = chunks.partition_point(|chunk| chunk.last <= upto);
        let is_small = |chunk: &Chunk| chunk.part.batch.num_rows() < SMALL_ROWS;
        if !chunks.range(..read).any(is_small) {
            return 0;
        }
        let mut freed = 0_isize;
        let mut kept: VecDeque<Chunk> = VecDeque::with_capacity(chunks.len());
        let mut group: Vec<Chunk> = Vec::new();
        for (index, chunk) in chunks.drain(..).enumerate() {
            if index >= read || !is_small(&chunk) {
                kept.extend(group.drain(..));
                kept.push_back(chunk);
                continue;
            }
            group.push(chunk);
            let rows: usize = group.iter().map(|chunk| chunk.part.batch.num_rows()).sum();
            if rows >= SMALL_ROWS || group.len() >= JOIN_FROM {
                freed += self.join_group(&mut group, &mut kept);
            }
        }
        kept.extend(group);
        *chunks = kept;
        freed
    }

    /// Puts the chunks of `group` behind `kept` as one; the bytes that it freed.
    fn join_group(&self, group: &mut Vec<Chunk>, kept: &mut VecDeque<Chunk>) -> isize {
        let batches: Vec<&RecordBatch> = group.iter().map(|chunk| &chunk.part.batch).collect();
        let whole = if group.len() > 1 { self.nulls.concat(&batches).ok() } else { None };
        let (Some(batch), Some(first), Some(last)) = (whole, group.first(), group.last()) else {
            kept.extend(group.drain(..));
            return 0;
        };
        let bytes = memory_bytes(&batch);
        let before: usize = group.iter().map(|chunk| chunk.bytes).sum();
        let part = Part::new(batch, self.time_column.as_deref());
        let received_us = group.iter().map(|chunk| chunk.received_us).max().unwrap_or_default();
        kept.push_back(Chunk { first: first.first, last: last.last, received_us, part, bytes });
        group.clear();
        before.cast_signed() - bytes.cast_signed()
    }
}

/// The column by which a table's rows are found in time: its first timestamp.
fn time_column(table: &TableDef) -> Option<String> {
    table.columns.iter().find(|column| column.kind == ColumnType::TimestampUs).map(|column| column.name.clone())
}

/// The names of signal tables are known when the program is built.
fn static_name(table: &str) -> Option<&'static str> {
    ["spans", "span_events", "span_links", "metrics", "histograms", "logs"].into_iter().find(|name| *name == table)
}

#[cfg(test)]
mod tests;
