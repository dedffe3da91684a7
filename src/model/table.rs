//! Definitions of tables, as `schemas/*.yaml` give them.

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// The type of a column, by its word in `schemas/`.
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
    /// `map`: text to text; a value that is not a string is JSON.
    Map,
    /// `list_string`.
    ListString,
    /// `list_float64`.
    ListFloat64,
    /// `list_int64`.
    ListInt64,
}

impl ColumnType {
    /// The words of `schemas/` with their types.
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

    /// The word of `schemas/`.
    #[must_use]
    pub fn word(self) -> &'static str {
        ColumnType::WORDS.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }

    /// The Arrow type. Map entries are named `entries {key, value}`, as Arrow's `MapBuilder` names them with
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

/// The two fields of a map's entries.
#[must_use]
pub fn map_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)])
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

/// Where a promoted attribute is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An attribute of the item: a bare name.
    Attribute(String),
    /// An attribute of the resource: `resource:name`.
    Resource(String),
    /// An attribute of the scope: `scope:name`.
    Scope(String),
}

/// How partial rows of a rollup merge in this column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Part of the key.
    Key,
    /// Added up.
    Sum,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// The value of the row with the greatest `last_time` column.
    Last,
    /// Exponential histograms, merged exactly.
    Sketch,
    /// Distinct-count sketches, united.
    Distinct,
    /// Lists of counts, added element by element.
    Buckets,
    /// Exemplars: the greatest few are kept.
    Exemplars,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Unit of its values in UCUM, where it has one.
    pub unit: Option<String>,
    /// That it has few values: a hint to memory and Parquet. In the key of a rollup it stays as it is in rows beyond the
    /// bound on series, where the others read `(overflow)`.
    pub low_cardinality: bool,
    /// Attributes that it is promoted from, today's name first. Empty for a column that the decoder or an analysis fills.
    pub from: Vec<Source>,
    /// In a rollup: how partial rows merge.
    pub merge: Option<Merge>,
    /// In a rollup: the column whose values it has in rows that were kept before there was this one.
    pub filled_from: Option<String>,
    /// For people.
    pub doc: String,
}

/// What fills a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Decoded telemetry.
    Signal,
    /// Partial aggregates, filled by the rollup pipeline of the same name.
    Rollup,
    /// Spanwise's own state: budgets, findings, alerts, exporters, …
    State,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDef {
    /// Its name, that of its file too.
    pub name: String,
    /// What fills it.
    pub kind: TableKind,
    /// For people.
    pub doc: String,
    /// Resolutions of a rollup in seconds, finest first; `0` is one row a series for all time.
    pub resolutions_s: Vec<i64>,
    /// Columns, in order.
    pub columns: Vec<ColumnDef>,
}

impl TableDef {
    /// The Arrow schema; every column is nullable.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns.iter().map(|c| Field::new(&c.name, c.kind.arrow(), true)).collect::<Vec<_>>(),
        ))
    }

    /// Names under which the coarser resolutions of a rollup are seen by themselves: seconds, and `requests_1m`.
    #[must_use]
    pub fn coarse_views(&self) -> Vec<(i64, String)> {
        let coarse = [(60, "1m"), (3600, "1h")].into_iter().filter(|(seconds, _)| self.resolutions_s.contains(seconds));
        coarse.map(|(seconds, suffix)| (seconds, format!("{}_{suffix}", self.name))).collect()
    }

    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns.iter().find(|c| c.name == name)
    }
}
