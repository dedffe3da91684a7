//! Definitions of analyses, as `pipelines/**/*.sql` give them.

use crate::model::table::{ColumnDef, TableDef};
use std::collections::BTreeMap;

/// What a pipeline makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineKind {
    /// Partial rows out of new rows; reads each row once, as the table `new_<signal table>`.
    Rollup,
    /// A named query.
    View,
    /// Judged keys.
    Finding,
}

/// Which side of the limit is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Above the limit; at the limit is inside.
    Above,
    /// Above the limit or at it.
    AtLeast,
    /// Below the limit; at the limit is inside.
    Below,
}

/// What happens to a key that is not evaluated any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoData {
    /// A firing key stays firing; any other becomes `no_data`.
    Keep,
    /// It becomes ok.
    Ok,
    /// It fires as a warning.
    Warning,
    /// What it judges is traffic, and there is none: a firing key is resolved after `keep_firing_for` and says why; any
    /// other becomes `no_data`.
    Resolve,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
}

/// A table's rows given in an example: column name to JSON value.
pub type ExampleRows = Vec<serde_json::Map<String, serde_json::Value>>;

/// An example: rows in, states (or rows) out. It is run as the pipeline's test.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// The moment taken as now, ms since the epoch.
    pub now_ms: i64,
    /// Input tables: for a rollup the signal tables (`spans`), else any table the SQL reads.
    pub given: BTreeMap<String, ExampleRows>,
    /// For a finding with an `alerting` key: the limits that a user sets there.
    pub alerting: Option<ExampleLimits>,
    /// For a finding: a row a key, with the key's columns and `state`, optionally `severity` and `value`. For a rollup
    /// or view: the rows, of which the named columns are compared; sketches as `quantile(<column>, q)` keys.
    pub expect: ExampleRows,
    /// Line in the file.
    pub line: usize,
}

/// Limits of an `alerting` key, in the unit of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExampleLimits {
    /// Limit for a warning.
    pub warning: Option<f64>,
    /// Limit for a critical finding.
    pub critical: Option<f64>,
}

/// Parts that findings alone have.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingDef {
    /// Columns that identify a key.
    pub key: Vec<String>,
    /// Which side is bad.
    pub direction: Direction,
    /// Limit for a warning; a column `warning` of the row wins, and the user's own limit over both.
    pub warning: Option<f64>,
    /// Limit for a critical finding; a column `critical` of the row wins, and the user's own limit over both.
    pub critical: Option<f64>,
    /// Key under `alerting` in the user's configuration whose limits replace the two above.
    pub alerting: Option<String>,
    /// True where the pipeline is judged only if the user set its `alerting` key.
    pub alerting_only: bool,
    /// What samples are, in the plural: `requests`.
    pub counted: String,
    /// A row with fewer samples is `no_data`.
    pub samples_min: u64,
    /// How long a key must stay past its limit before it fires, ms.
    pub for_ms: i64,
    /// How long a key keeps firing once it is inside its limit, ms.
    pub keep_firing_for_ms: i64,
    /// What a missing key means.
    pub no_data: NoData,
    /// Unit of `value`.
    pub unit: String,
    /// Text with `{column}` places, the finding's title.
    pub message: String,
    /// True where it reads raw rows of a bounded window.
    pub scan: bool,
}

/// Where a column is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPlace {
    /// Line in the file.
    pub line: usize,
    /// `columns[2]`.
    pub key: String,
}

/// A rollup table that a pipeline declares in its own file.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredTable {
    /// The table, the columns that every rollup has in front.
    pub table: TableDef,
    /// Where each of the further columns stands.
    pub places: Vec<ColumnPlace>,
}

impl DeclaredTable {
    /// The columns that are written down, with their places.
    pub fn columns(&self) -> impl Iterator<Item = (&ColumnDef, &ColumnPlace)> {
        let implied = self.table.columns.len() - self.places.len();
        self.table.columns[implied..].iter().zip(&self.places)
    }
}

/// One pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineDef {
    /// The file's stem, and the name of the table or view that it makes.
    pub id: String,
    /// Where it was read from: `pipelines/queries/slow_statement.sql`.
    pub file: String,
    /// Title for people.
    pub title: String,
    /// What it makes.
    pub kind: PipelineKind,
    /// Judged window, ms of event time.
    pub window_ms: i64,
    /// `$name` values bound into the SQL, besides `$window_start` and `$window_end`.
    pub params: BTreeMap<String, Param>,
    /// For a rollup: the table that it fills; several pipelines may fill one.
    pub table: Option<String>,
    /// Line on which that is said.
    pub table_line: usize,
    /// That table, where no file of `schemas/` has it and this one declares it.
    pub declares: Option<DeclaredTable>,
    /// For a rollup: the signal tables of which it reads `new_<name>`.
    pub reads: Vec<String>,
    /// Line on which that is said.
    pub reads_line: usize,
    /// For a rollup: attributes of which a new row must have one, for it has nothing to read otherwise; none where it reads
    /// any row.
    pub needs: Vec<String>,
    /// For a rollup of `metrics`: names of metrics that count, though senders give them as gauges or as sums that may
    /// fall: they have an increase, too.
    pub counters: Vec<String>,
    /// For a finding.
    pub finding: Option<FindingDef>,
    /// Its tests.
    pub examples: Vec<Example>,
    /// Prose after the front-matter: why it matters and what to do.
    pub prose: String,
    /// The statement.
    pub sql: String,
    /// Line on which the statement begins, from 1.
    pub sql_line: usize,
}
