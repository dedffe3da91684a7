//! Definitions of tables, parsed from `schemas/*.yaml`.

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// Type of a column, with its name in `schemas/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `string`: UTF-8 text.
    String,
    /// `int64`.
    Int64,
    /// `float64`.
    Float64,
    /// `bool`.
    Bool,
    /// `timestamp_us`: microseconds since the epoch, UTC.
    TimestampUs,
    /// `binary`: a sketch.
    Binary,
    /// `map`: text to text; values that are not strings are JSON.
    Map,
    /// `list_string`.
    ListString,
    /// `list_float64`.
    ListFloat64,
    /// `list_int64`.
    ListInt64,
}

impl ColumnType {
    /// Type names of `schemas/` with their types.
    pub const WORDS: [(&'static str, ColumnType); 10] = [
        ("string", ColumnType::String),
        ("int64", ColumnType::Int64),
        ("float64", ColumnType::Float64),
        ("bool", ColumnType::Bool),
        ("timestamp_us", ColumnType::TimestampUs),
        ("binary", ColumnType::Binary),
        ("map", ColumnType::Map),
        ("list_string", ColumnType::ListString),
        ("list_float64", ColumnType::ListFloat64),
        ("list_int64", ColumnType::ListInt64),
    ];

    /// Returns the type name in `schemas/`.
    #[must_use]
    pub fn word(self) -> &'static str {
        ColumnType::WORDS.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }

    /// Returns the Arrow type. Map entries are named `entries {key, value}`, as Arrow's `MapBuilder` names them with
    /// [`map_fields`]; list items are named `item`.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::String => DataType::Utf8,
            ColumnType::Int64 => DataType::Int64,
            ColumnType::Float64 => DataType::Float64,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::TimestampUs => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Binary => DataType::Binary,
            ColumnType::Map => {
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(map_fields()), false)), false)
            }
            ColumnType::ListString => list_of(DataType::Utf8),
            ColumnType::ListFloat64 => list_of(DataType::Float64),
            ColumnType::ListInt64 => list_of(DataType::Int64),
        }
    }
}

/// Returns the two fields of map entries.
#[must_use]
pub fn map_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)])
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

/// Source of a promoted attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An attribute of the item: a bare name.
    Attribute(String),
    /// An attribute of the resource: `resource:name`.
    Resource(String),
    /// An attribute of the scope: `scope:name`.
    Scope(String),
}

/// How partial rows of a rollup are merged in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Part of the key.
    Key,
    /// Sum.
    Sum,
    /// Maximum.
    Max,
    /// Minimum.
    Min,
    /// Value of the row with the greatest `last_time`.
    Last,
    /// Exponential histograms, merged exactly.
    Sketch,
    /// Distinct-count sketches, merged.
    Distinct,
    /// Lists of counts, added element by element.
    Buckets,
    /// Exemplars: the greatest few values are kept.
    Exemplars,
}

/// Definition of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Name of the column.
    pub name: String,
    /// Type of the column.
    pub kind: ColumnType,
    /// UCUM unit of the values, if any.
    pub unit: Option<String>,
    /// True if the column has few distinct values: a hint for memory and Parquet. In the key of a rollup, rows beyond the
    /// series limit keep such columns, while other key columns become `(overflow)`.
    pub low_cardinality: bool,
    /// Attributes that it is promoted from, current name first. Empty if the decoder or an analysis fills the column.
    pub from: Vec<Source>,
    /// For a rollup: how partial rows are merged.
    pub merge: Option<Merge>,
    /// For a rollup: column that provides the values of rows stored before this column existed.
    pub filled_from: Option<String>,
    /// Description.
    pub doc: String,
}

/// What fills a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Filled with decoded telemetry.
    Signal,
    /// Partial aggregates, filled by the rollup pipeline of the same name.
    Rollup,
    /// Spanwise's own state: budgets, findings, alerts, exporters, …
    State,
}

/// Definition of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDef {
    /// Name of the table and of its file.
    pub name: String,
    /// What fills the table.
    pub kind: TableKind,
    /// Description.
    pub doc: String,
    /// Resolutions of a rollup in seconds, finest first; `0` is one row per series for all time.
    pub resolutions_s: Vec<i64>,
    /// Columns, in order.
    pub columns: Vec<ColumnDef>,
}

impl TableDef {
    /// Returns the Arrow schema; every column is nullable.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns.iter().map(|c| Field::new(&c.name, c.kind.arrow(), true)).collect::<Vec<_>>(),
        ))
    }

    /// Returns the views of the coarser resolutions of a rollup: seconds and name, such as `requests_1m`.
    #[must_use]
    pub fn coarse_views(&self) -> Vec<(i64, String)> {
        let coarse = [(60, "1m"), (3600, "1h")].into_iter().filter(|(seconds, _)| self.resolutions_s.contains(seconds));
        coarse.map(|(seconds, suffix)| (seconds, format!("{}_{suffix}", self.name))).collect()
    }

    /// Returns the column with a name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns.iter().find(|c| c.name == name)
    }
}
