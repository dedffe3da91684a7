//! Chunks of a hot table: small neighbours are joined, and what the engine has read is packed.

use crate::model::frame::Position;
use crate::model::null_columns::{NullColumns, memory_bytes};
use crate::store::packed::Packed;
use crate::store::part::{Part, Stored};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use std::collections::VecDeque;
use std::sync::Arc;

/// Chunks with fewer rows are merged with their neighbours: SDKs send a few rows at a time, and a query pays per chunk.
/// Larger ones stay as they are: copying every row would cost more than it saves.
const SMALL_ROWS: usize = 256;
/// Number of small chunks that triggers a merge; enough rows for a chunk that is not small do, too. A row is thus copied
/// once or twice.
const JOIN_FROM: usize = 16;

/// Rows of a packed chunk. Larger chunks share more values; smaller ones are evicted and read in finer steps.
const PACKED_ROWS: usize = 8192;
/// Fewer rows are packed if they use 1/`PACKED_SHARE` of the memory limit and number at least `PACKED_ROWS_MIN`.
pub(super) const PACKED_SHARE: usize = 32;
const PACKED_ROWS_MIN: usize = 1024;

/// Definition of a hot table.
pub(super) struct HotTable {
    pub(super) name: String,
    pub(super) schema: SchemaRef,
    pub(super) nulls: Arc<NullColumns>,
    pub(super) time_column: Option<String>,
}

/// Rows of neighbouring frames.
#[derive(Clone)]
pub(super) struct Chunk {
    pub(super) first: Position,
    pub(super) last: Position,
    /// Receive time of its newest request.
    pub(super) received_us: i64,
    pub(super) part: Stored,
    pub(super) bytes: usize,
}

impl Chunk {
    /// Returns the rows if they are not packed.
    pub(super) fn open(&self) -> Option<&RecordBatch> {
        match &self.part {
            Stored::Open(part) => Some(&part.batch),
            Stored::Packed(_) => None,
        }
    }
}

impl HotTable {
    /// Returns the rows of a group as one packed chunk.
    pub(super) fn pack(&self, group: &[Chunk]) -> Option<Chunk> {
        let batches: Vec<&RecordBatch> = group.iter().filter_map(Chunk::open).collect();
        let batch = self.nulls.concat(&batches).ok()?;
        let packed = Packed::new(&batch, self.time_column.as_deref(), &self.nulls);
        Some(Chunk {
            first: group.first()?.first,
            last: group.last()?.last,
            received_us: group.iter().map(|chunk| chunk.received_us).max()?,
            bytes: packed.bytes(),
            part: Stored::Packed(Arc::new(packed)),
        })
    }

    /// Merges small neighbours and returns the number of bytes freed.
    pub(super) fn join(&self, chunks: &mut VecDeque<Chunk>, upto: Position) -> isize {
        let read = chunks.partition_point(|chunk| chunk.last <= upto);
        let is_small = |chunk: &Chunk| matches!(&chunk.part, Stored::Open(part) if part.batch.num_rows() < SMALL_ROWS);
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
            let rows: usize = group.iter().map(|chunk| chunk.part.rows()).sum();
            if rows >= SMALL_ROWS || group.len() >= JOIN_FROM {
                freed += self.join_group(&mut group, &mut kept);
            }
        }
        kept.extend(group);
        *chunks = kept;
        freed
    }

    /// Appends the chunks of `group` to `kept` as one, and returns the number of bytes freed.
    fn join_group(&self, group: &mut Vec<Chunk>, kept: &mut VecDeque<Chunk>) -> isize {
        let batches: Vec<&RecordBatch> = group.iter().filter_map(Chunk::open).collect();
        let whole = if group.len() > 1 { self.nulls.concat(&batches).ok() } else { None };
        let (Some(batch), Some(first), Some(last)) = (whole, group.first(), group.last()) else {
            kept.extend(group.drain(..));
            return 0;
        };
        let bytes = memory_bytes(&batch);
        let before: usize = group.iter().map(|chunk| chunk.bytes).sum();
        let part = Stored::Open(Part::new(batch, self.time_column.as_deref()));
        let received_us = group.iter().map(|chunk| chunk.received_us).max().unwrap_or_default();
        kept.push_back(Chunk { first: first.first, last: last.last, received_us, part, bytes });
        group.clear();
        before.cast_signed() - bytes.cast_signed()
    }
}

/// Returns the oldest neighbours that are not packed, have been read, and are enough for one packed chunk.
pub(super) fn to_pack(chunks: &VecDeque<Chunk>, upto: Position, bytes_max: usize) -> Option<Vec<Chunk>> {
    let (mut group, mut rows, mut bytes) = (Vec::new(), 0, 0);
    for chunk in chunks.iter().take_while(|chunk| chunk.last <= upto) {
        let Some(batch) = chunk.open() else {
            // Nothing more can join them.
            if rows >= PACKED_ROWS_MIN {
                return Some(group);
            }
            (group, rows, bytes) = (Vec::new(), 0, 0);
            continue;
        };
        group.push(chunk.clone());
        rows += batch.num_rows();
        bytes += chunk.bytes;
        if rows >= PACKED_ROWS || (bytes >= bytes_max && rows >= PACKED_ROWS_MIN) {
            return Some(group);
        }
    }
    None
}

/// Replaces the chunks of a group, unless some of them have been evicted or joined meanwhile. Returns the number of bytes
/// freed.
pub(super) fn replace(chunks: &mut VecDeque<Chunk>, group: &[Chunk], packed: Chunk) -> isize {
    let first = chunks.partition_point(|chunk| chunk.first < packed.first);
    let is_there = |(chunk, known): (&Chunk, &Chunk)| {
        (chunk.first, chunk.last) == (known.first, known.last) && chunk.open().is_some()
    };
    let range = first..(first + group.len()).min(chunks.len());
    if range.len() < group.len() || !chunks.range(range.clone()).zip(group).all(is_there) {
        return 0;
    }
    let before: usize = chunks.range(range.clone()).map(|chunk| chunk.bytes).sum();
    let freed = before.cast_signed() - packed.bytes.cast_signed();
    chunks.drain(range);
    chunks.insert(first, packed);
    freed
}
