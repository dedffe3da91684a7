//! The hot tables: decoded rows of the newest frames of the log, in memory up to a limit.

mod chunk;

use super::part::{Part, Stored};
use super::snapshot::SnapshotTable;
use crate::model::decoded::Decoded;
use crate::model::frame::Position;
use crate::model::null_columns::{NullColumns, memory_bytes};
use crate::model::table::{ColumnType, TableDef};
use arrow::record_batch::RecordBatch;
use chunk::{Chunk, HotTable, PACKED_SHARE, replace, to_pack};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows after a cursor.
#[derive(Debug, Clone, Default)]
pub struct NewRows {
    /// The newest frame of these rows.
    pub upto: Position,
    /// Rows by table, in order of arrival.
    pub tables: BTreeMap<&'static str, Vec<RecordBatch>>,
}

impl NewRows {
    /// Adds the rows of a frame.
    pub fn add(&mut self, position: Position, decoded: &Decoded) {
        self.upto = position;
        for (table, batch) in &decoded.tables {
            self.tables.entry(table).or_default().push(batch.clone());
        }
    }

    /// Returns the number of rows of all tables.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.tables.values().flatten().map(RecordBatch::num_rows).sum()
    }
}

/// Rows after the cursor were evicted from memory and have to be read from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// The newest frame with evicted rows.
    pub upto: Position,
}

/// The time range that a table covers, by receive time: timestamps set by senders may be arbitrary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Name of the table.
    pub table: String,
    /// All rows received from this time on are present, in microseconds; `None` before the first request.
    pub from_us: Option<i64>,
    /// Receive time of the newest request.
    pub to_us: Option<i64>,
    /// Whether older rows have been evicted from memory.
    pub evicted: bool,
    /// Number of rows.
    pub rows: u64,
    /// Memory in bytes.
    pub bytes: u64,
}

/// All hot tables.
pub struct HotStore {
    tables: Vec<HotTable>,
    memory_bytes_max: AtomicUsize,
    state: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    /// In the order of `HotStore::tables`.
    chunks: Vec<VecDeque<Chunk>>,
    newest: Position,
    evicted: Position,
    bytes: usize,
    /// Receive times of the first and the newest request added.
    received_us: Option<(i64, i64)>,
    /// Receive time of the newest request with evicted rows, for each table in order.
    gone_us: Vec<Option<i64>>,
    filling: Filling,
}

/// Whether rows of older frames are still being loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Filling {
    /// Loading is complete.
    #[default]
    Done,
    /// Frames are being loaded, newest first.
    Expected,
    /// No room is left for older frames: newer rows have been evicted already.
    Full,
}

impl HotStore {
    /// Creates empty tables that share a limit of `memory_bytes_max`.
    #[must_use]
    pub fn new(tables: &[TableDef], memory_bytes_max: usize) -> Arc<HotStore> {
        let tables: Vec<HotTable> = tables
            .iter()
            .map(|table| HotTable {
                name: table.name.clone(),
                schema: table.schema(),
                nulls: Arc::new(NullColumns::new(table.schema())),
                time_column: time_column(table),
            })
            .collect();
        let chunks = tables.iter().map(|_| VecDeque::new()).collect();
        let rows = Rows { chunks, gone_us: vec![None; tables.len()], ..Rows::default() };
        Arc::new(HotStore { tables, memory_bytes_max: memory_bytes_max.into(), state: Mutex::new(rows) })
    }

    /// Appends the rows of a frame. Positions ascend.
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
        let limit = self.memory_bytes_max();
        while rows.bytes > limit && rows.evict_oldest() {}
    }

    /// Returns the chunks of a frame with the index of each table.
    fn chunks(&self, position: Position, decoded: &Decoded) -> Vec<(usize, Chunk)> {
        let received_us = decoded.received_unix_nano / 1000;
        let chunk = |(name, batch): &(&'static str, RecordBatch)| {
            let index = self.tables.iter().position(|table| table.name == *name)?;
            let part = Stored::Open(Part::new(batch.clone(), self.tables[index].time_column.as_deref()));
            let bytes = memory_bytes(batch);
            Some((index, Chunk { first: position, last: position, received_us, part, bytes }))
        };
        decoded.tables.iter().filter_map(chunk).collect()
    }

    /// Starts after `newest`, a frame received at `received_unix_nano`. Rows of the frames up to it are added by
    /// [`HotStore::prepend`] until [`HotStore::end_filling`].
    pub fn begin_filling(&self, newest: Position, received_unix_nano: i64) {
        let mut rows = self.rows();
        if newest > Position(0) {
            rows.gone_us.fill(Some(received_unix_nano / 1000));
        }
        (rows.evicted, rows.newest, rows.filling) = (newest, newest, Filling::Expected);
    }

    /// Adds the rows of a frame older than all frames present. `older_unix_nano` is the receive time of the newest frame
    /// before it, `None` if there never was one. Returns false if there is no room left: this frame and all older ones then
    /// stay in the log only.
    #[must_use]
    pub fn prepend(&self, position: Position, decoded: &Decoded, older_unix_nano: Option<i64>) -> bool {
        let chunks = self.chunks(position, decoded);
        let bytes: usize = chunks.iter().map(|(_, chunk)| chunk.bytes).sum();
        let received_us = decoded.received_unix_nano / 1000;
        let mut rows = self.rows();
        if rows.filling != Filling::Expected || rows.bytes.saturating_add(bytes) > self.memory_bytes_max() {
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

    /// Marks the loading of older frames as complete.
    pub fn end_filling(&self) {
        self.rows().filling = Filling::Done;
    }

    /// Returns whether rows of older frames are still being loaded.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.rows().filling != Filling::Done
    }

    /// Advances the newest frame for a frame without rows for any table.
    pub fn advance(&self, position: Position) {
        let mut rows = self.rows();
        rows.newest = rows.newest.max(position);
    }

    /// Returns the newest frame that was added.
    #[must_use]
    pub fn newest(&self) -> Position {
        self.rows().newest
    }

    /// Returns the rows of frames after `after`.
    ///
    /// # Errors
    /// Returns [`Evicted`] if some of them are no longer in memory.
    pub fn since(&self, after: Position) -> Result<NewRows, Evicted> {
        let rows = self.rows();
        if after < rows.evicted {
            return Err(Evicted { upto: rows.evicted });
        }
        let mut new = NewRows { upto: rows.newest.max(after), tables: BTreeMap::new() };
        let mut found = Vec::new();
        for (table, chunks) in self.tables.iter().zip(&rows.chunks) {
            let from = chunks.partition_point(|chunk| chunk.last <= after);
            // A chunk packed during the replay can have rows before the cursor, too.
            if chunks.get(from).is_some_and(|chunk| chunk.first <= after) {
                return Err(Evicted { upto: new.upto });
            }
            let parts: Vec<_> = chunks.range(from..).map(|chunk| chunk.part.clone()).collect();
            if let (false, Some(name)) = (parts.is_empty(), static_name(&table.name)) {
                found.push((name, parts));
            }
        }
        // Packed rows are read without the lock.
        drop(rows);
        for (name, parts) in found {
            let batches = parts.iter().map(|part| part.read(None)).collect::<Result<_, _>>();
            // Rows that cannot be read here can still be read from the log.
            new.tables.insert(name, batches.map_err(|_| Evicted { upto: new.upto })?);
        }
        Ok(new)
    }

    /// Returns the fraction of the memory limit used by rows of frames after `after`, from 0 to 1.
    #[must_use]
    pub fn share_since(&self, after: Position) -> f64 {
        let rows = self.rows();
        let behind = rows.chunks.iter().flat_map(|chunks| chunks.iter().rev().take_while(|chunk| chunk.last > after));
        let bytes: usize = behind.map(|chunk| chunk.bytes).sum();
        // Precise enough below 2^52 bytes.
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let share = bytes as f64 / self.memory_bytes_max().max(1) as f64;
        share
    }

    /// Merges small neighbours among the chunks that the engine has read.
    pub fn join_read(&self, upto: Position) {
        let mut rows = self.rows();
        let mut freed = 0_isize;
        for (table, chunks) in self.tables.iter().zip(&mut rows.chunks) {
            freed += table.join(chunks, upto);
        }
        rows.bytes = rows.bytes.saturating_add_signed(-freed);
    }

    /// Packs rows of frames up to `upto`, which the engine has read, or which were read back from the log.
    pub fn pack(&self, upto: Position) {
        for (index, table) in self.tables.iter().enumerate() {
            loop {
                let group = to_pack(&self.rows().chunks[index], upto, self.memory_bytes_max() / PACKED_SHARE);
                let Some(chunk) = group.as_ref().and_then(|group| table.pack(group)) else { break };
                // Packing takes milliseconds, during which the lock is not held.
                let mut rows = self.rows();
                let freed = replace(&mut rows.chunks[index], group.as_deref().unwrap_or_default(), chunk);
                rows.bytes = rows.bytes.saturating_add_signed(-freed);
            }
        }
    }

    /// Returns a table for queries.
    #[must_use]
    pub fn provider(self: &Arc<Self>, table: &str) -> Option<SnapshotTable> {
        let index = self.tables.iter().position(|known| known.name == table)?;
        let store = self.clone();
        let HotTable { schema, time_column, .. } = &self.tables[index];
        Some(SnapshotTable::stored(schema.clone(), time_column.as_deref(), move || {
            store.rows().chunks[index].iter().map(|chunk| chunk.part.clone()).collect()
        }))
    }

    /// Sets the memory limit in bytes. The oldest rows beyond it are evicted.
    pub fn limit(&self, memory_bytes_max: usize) {
        self.memory_bytes_max.store(memory_bytes_max, Ordering::Relaxed);
        let mut rows = self.rows();
        while rows.bytes > memory_bytes_max && rows.evict_oldest() {}
    }

    /// Returns the memory limit in bytes.
    #[must_use]
    pub fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max.load(Ordering::Relaxed)
    }

    /// Returns the memory in bytes of the rows of all tables.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.rows().bytes
    }

    /// Returns the coverage of each table.
    #[must_use]
    pub fn coverage(&self) -> Vec<Coverage> {
        let rows = self.rows();
        let of = |((table, chunks), gone_us): ((&HotTable, &VecDeque<Chunk>), &Option<i64>)| Coverage {
            table: table.name.clone(),
            from_us: rows.received_us.map(|(first, _)| gone_us.map_or(first, |gone| first.max(gone + 1))),
            to_us: rows.received_us.map(|(_, newest)| newest),
            evicted: gone_us.is_some(),
            rows: chunks.iter().map(|chunk| chunk.part.rows() as u64).sum(),
            bytes: chunks.iter().map(|chunk| chunk.bytes as u64).sum(),
        };
        self.tables.iter().zip(&rows.chunks).zip(&rows.gone_us).map(of).collect()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.state.lock()
    }
}

impl Rows {
    /// Evicts the chunk with the oldest frames; returns false if there is none.
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

/// Returns the column that time filters use: the first timestamp of the table.
fn time_column(table: &TableDef) -> Option<String> {
    table.columns.iter().find(|column| column.kind == ColumnType::TimestampUs).map(|column| column.name.clone())
}

/// Returns the table name as a static string; the signal tables are known at build time.
fn static_name(table: &str) -> Option<&'static str> {
    ["spans", "span_events", "span_links", "metrics", "histograms", "logs"].into_iter().find(|name| *name == table)
}

#[cfg(test)]
mod tests;
