//! What the server and a worker say to one another.

use super::catalog::CatalogText;
use super::dialect::{Settings, SqlFault};
use super::sieve::Sieve;
use crate::engine::query::QueryError;
use arrow::datatypes::{DataType, SchemaRef};
use serde::{Deserialize, Serialize};

/// Frames of an answer that a worker may send before it is asked for more.
pub(super) const CREDITS: usize = 4;
/// Frames of a scan that are on their way to the worker at a time.
pub(super) const SCAN_FRAMES: usize = 2;
/// Bytes of a frame of rows, about.
pub(super) const FRAME_BYTES: usize = 512 << 10;

/// From the server to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// The tables from now on, and the dialect that is likely to be asked for.
    Catalog { catalog: CatalogText, likely: String },
    /// A call; its parameters follow, where it has any.
    Call(Call),
    /// Rows of a scan follow.
    Rows { scan: u32 },
    /// A scan has no more.
    End { scan: u32 },
    /// More of the answer may be sent.
    Credit { frames: usize },
    /// Nobody waits for the answer any more.
    Cancel,
}

/// From a worker to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The catalog is taken.
    Ready,
    /// It cannot be.
    Refused(String),
    /// What the statements of a text are.
    Read(Vec<ReadText>),
    /// The columns of the answer: of the plan, and a statement without its literals where that was asked for.
    Head { schema: String, shape: Option<String> },
    /// Rows of the answer follow.
    Rows,
    /// The answer is whole, or cut off.
    Done { truncated: bool, views: Vec<String> },
    /// There is none.
    Failed(Failure),
    /// Nothing of the last call runs any more.
    Idle,
    /// Rows of a table are wanted.
    Scan(Scan),
    /// Another frame of them, of rows that pass a new sieve from now on, if there is one.
    Next { scan: u32, sieve: Option<Sieve> },
    /// No more of them.
    Drop { scan: u32 },
}

/// What to do with which statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) task: Task,
    pub(super) dialect: String,
    pub(super) sql: String,
    /// Which statement of the text, from 0.
    pub(super) place: usize,
    pub(super) settings: Settings,
    pub(super) rows_max: Option<usize>,
    /// Whether the statement's shape is wanted.
    pub(super) shape: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// Say what the statements are.
    Read,
    /// Say which columns the answer would have.
    Describe,
    /// Answer.
    Run,
}

/// Rows of a table that a worker wants.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Scan {
    pub(super) id: u32,
    pub(super) table: String,
    pub(super) columns: Option<Vec<usize>>,
    /// Times outside are not wanted, µs.
    pub(super) from_us: i64,
    pub(super) to_us: i64,
    pub(super) limit: Option<usize>,
    /// Rows that do not pass are not wanted.
    pub(super) sieve: Option<Sieve>,
}

/// What one statement of a text is.
#[derive(Debug)]
pub enum Read {
    /// A query.
    Query {
        /// The types of its parameters, where the plan tells them.
        parameters: Vec<Option<DataType>>,
        /// Its columns; where there are parameters their types may depend on those.
        schema: SchemaRef,
    },
    /// Anything else, as the dialect says it.
    Said(serde_json::Value),
    /// What cannot be understood; nothing behind it is read.
    Failed(QueryError),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum ReadText {
    Query { parameters: String, known: Vec<bool>, schema: String },
    Said(serde_json::Value),
    Failed(Failure),
}

/// Why there is no answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) fault: SqlFault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FailureKind {
    Invalid,
    ReadOnly,
    Memory,
    Failed,
}
