//! Messages between the server and a worker.

use super::catalog::CatalogText;
use super::dialect::{Settings, SqlFault};
use super::sieve::Sieve;
use crate::engine::query::QueryError;
use arrow::datatypes::{DataType, SchemaRef};
use serde::{Deserialize, Serialize};

/// Number of frames of an answer that a worker may send without further credit.
pub(super) const CREDITS: usize = 4;
/// Number of frames of a scan in transit to the worker at a time.
pub(super) const SCAN_FRAMES: usize = 2;
/// Approximate size of a frame of rows in bytes.
pub(super) const FRAME_BYTES: usize = 512 << 10;

/// Message from the server to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// A new catalog, and the dialect that is likely to be requested.
    Catalog { catalog: CatalogText, likely: String },
    /// A call, followed by its parameters if it has any.
    Call(Call),
    /// Followed by rows of a scan.
    Rows { scan: u32 },
    /// A scan has no more rows.
    End { scan: u32 },
    /// More frames of the answer may be sent.
    Credit { frames: usize },
    /// The client has left.
    Cancel,
}

/// Message from a worker to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The catalog was accepted.
    Ready,
    /// The catalog was rejected.
    Refused(String),
    /// Descriptions of the statements in a text.
    Read(Vec<ReadText>),
    /// Columns of the answer, and the statement without its literals if requested.
    Head { schema: String, shape: Option<String> },
    /// Followed by rows of the answer.
    Rows,
    /// The answer is complete or truncated.
    Done { truncated: bool, views: Vec<String> },
    /// The call failed.
    Failed(Failure),
    /// All tasks of the last call have ended.
    Idle,
    /// Requests rows of a table.
    Scan(Scan),
    /// Requests another frame of a scan, with a new sieve from now on if there is one.
    Next { scan: u32, sieve: Option<Sieve> },
    /// Ends a scan.
    Drop { scan: u32 },
}

/// A task and its statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) task: Task,
    pub(super) dialect: String,
    pub(super) sql: String,
    /// Index of the statement in the text, from 0.
    pub(super) place: usize,
    pub(super) settings: Settings,
    pub(super) rows_max: Option<usize>,
    /// Whether to return the statement's shape.
    pub(super) shape: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// Describe the statements.
    Read,
    /// Describe the columns of the answer.
    Describe,
    /// Run the statement.
    Run,
}

/// Request for rows of a table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Scan {
    pub(super) id: u32,
    pub(super) table: String,
    pub(super) columns: Option<Vec<usize>>,
    /// Rows with earlier or later times are skipped, µs.
    pub(super) from_us: i64,
    pub(super) to_us: i64,
    pub(super) limit: Option<usize>,
    /// Rows that do not pass are skipped.
    pub(super) sieve: Option<Sieve>,
}

/// Description of one statement of a text.
#[derive(Debug)]
pub enum Read {
    /// A query.
    Query {
        /// Types of its parameters, as far as the plan determines them.
        parameters: Vec<Option<DataType>>,
        /// Its columns; with parameters, their types may depend on those.
        schema: SchemaRef,
    },
    /// Any other statement, as described by the dialect.
    Said(serde_json::Value),
    /// An invalid statement; later ones are not read.
    Failed(QueryError),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum ReadText {
    Query { parameters: String, known: Vec<bool>, schema: String },
    Said(serde_json::Value),
    Failed(Failure),
}

/// Reason why a call failed.
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
