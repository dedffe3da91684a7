//! Definitions of analyses, parsed from `pipelines/**/*.sql`.

use crate::model::table::{ColumnDef, TableDef};
use std::collections::BTreeMap;

/// Kind of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineKind {
    /// Computes partial rows from new rows; reads each row once, as the table `new_<signal table>`.
    Rollup,
    /// A named query.
    View,
    /// Evaluates keys against limits.
    Finding,
}

/// Which side of the limit is a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Values above the limit; the limit itself is within.
    Above,
    /// Values at or above the limit.
    AtLeast,
    /// Values below the limit; the limit itself is within.
    Below,
}

/// State of a key that is no longer evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoData {
    /// A firing key stays firing; any other becomes `no_data`.
    Keep,
    /// It becomes ok.
    Ok,
    /// It fires as a warning.
    Warning,
    /// The key depends on traffic, and there is none: a firing key is resolved after `keep_firing_for`, with that reason; any
    /// other becomes `no_data`.
    Resolve,
}

/// Value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(String),
    /// A boolean.
    Bool(bool),
}

/// Rows of an example table: column name to JSON value.
pub type ExampleRows = Vec<serde_json::Map<String, serde_json::Value>>;

/// An example: input rows and the expected states (or rows). It runs as a test of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// What the example demonstrates.
    pub name: String,
    /// Time used as now, ms since the epoch.
    pub now_ms: i64,
    /// Input tables: the signal tables (`spans`) for a rollup, else any table that the SQL reads.
    pub given: BTreeMap<String, ExampleRows>,
    /// For a finding with an `alerting` key: limits set by the user.
    pub alerting: Option<ExampleLimits>,
    /// For a finding: one row per key, with the key's columns and `state`, optionally `severity` and `value`. For a rollup or
    /// view: rows of which only the given columns are compared; sketches as `quantile(<column>, q)` keys.
    pub expect: ExampleRows,
    /// Line in the file.
    pub line: usize,
}

/// Limits of an `alerting` key, in the pipeline's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExampleLimits {
    /// Warning limit.
    pub warning: Option<f64>,
    /// Critical limit.
    pub critical: Option<f64>,
}

/// Settings that only findings have.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingDef {
    /// Columns that identify a key.
    pub key: Vec<String>,
    /// Which side of the limit is a violation.
    pub direction: Direction,
    /// Warning limit; overridden by a column `warning` of the row, and by the user's limit.
    pub warning: Option<f64>,
    /// Critical limit; overridden by a column `critical` of the row, and by the user's limit.
    pub critical: Option<f64>,
    /// Key under `alerting` in the configuration that replaces the two limits above.
    pub alerting: Option<String>,
    /// True if the pipeline is evaluated only when the user sets its `alerting` key.
    pub alerting_only: bool,
    /// Name of the samples in the plural: `requests`.
    pub counted: String,
    /// Minimum number of samples; a row with fewer is `no_data`.
    pub samples_min: u64,
    /// Time in ms for which a key must be past its limit before it fires.
    pub for_ms: i64,
    /// Time in ms for which a key keeps firing once it is within its limit.
    pub keep_firing_for_ms: i64,
    /// State of a missing key.
    pub no_data: NoData,
    /// Unit of `value`.
    pub unit: String,
    /// Title of the finding, with `{column}` placeholders.
    pub message: String,
    /// True if it reads raw rows of a bounded window.
    pub scan: bool,
}

/// Location of a column declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPlace {
    /// Line in the file.
    pub line: usize,
    /// Key in the file: `columns[2]`.
    pub key: String,
}

/// A rollup table that a pipeline declares in its own file.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredTable {
    /// The table, beginning with the columns that every rollup has.
    pub table: TableDef,
    /// Locations of the other columns.
    pub places: Vec<ColumnPlace>,
}

impl DeclaredTable {
    /// Returns the declared columns with their locations.
    pub fn columns(&self) -> impl Iterator<Item = (&ColumnDef, &ColumnPlace)> {
        let implied = self.table.columns.len() - self.places.len();
        self.table.columns[implied..].iter().zip(&self.places)
    }
}

/// One pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineDef {
    /// File stem, and name of the table or view that it creates.
    pub id: String,
    /// Source file: `pipelines/queries/slow_statement.sql`.
    pub file: String,
    /// Title for people.
    pub title: String,
    /// Kind of the pipeline.
    pub kind: PipelineKind,
    /// Evaluation window, ms of event time.
    pub window_ms: i64,
    /// Values of the `$name` parameters of the SQL, besides `$window_start` and `$window_end`.
    pub params: BTreeMap<String, Param>,
    /// For a rollup: the table that it fills; several pipelines can fill one table.
    pub table: Option<String>,
    /// Line of `table`.
    pub table_line: usize,
    /// Declaration of that table, if it is not defined in `schemas/`.
    pub declares: Option<DeclaredTable>,
    /// For a rollup: signal tables that it reads as `new_<name>`.
    pub reads: Vec<String>,
    /// Line of `reads`.
    pub reads_line: usize,
    /// For a rollup: attributes of which a new row must have at least one; rows without them are skipped. Empty if it reads
    /// every row.
    pub needs: Vec<String>,
    /// For a rollup of `metrics`: metrics treated as counters, even if senders report them as gauges or non-monotonic sums;
    /// their increase is computed, too.
    pub counters: Vec<String>,
    /// Settings of a finding.
    pub finding: Option<FindingDef>,
    /// Examples, which are its tests.
    pub examples: Vec<Example>,
    /// Prose after the front-matter: why it matters, and the recommended action.
    pub prose: String,
    /// The SQL statement.
    pub sql: String,
    /// Line of the first line of the statement, from 1.
    pub sql_line: usize,
}
