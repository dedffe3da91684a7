//! A column builder for each type in `schemas/`.

use crate::model::table::{ColumnType, map_fields};
use arrow::array::{
    Array, ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, MapArray,
    NullBufferBuilder, StringBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::borrow::Cow;
use std::sync::Arc;

/// Text bytes reserved per row: the length of a span id.
const TEXT_BYTES: usize = 16;

/// A builder for each column type.
pub(super) enum Column {
    Text(StringBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Binary(BinaryBuilder),
    Map(MapColumn),
    Texts(ListBuilder<StringBuilder>),
    Floats(ListBuilder<Float64Builder>),
    Ints(ListBuilder<Int64Builder>),
}

impl Column {
    /// Creates a column with capacity for `rows` rows.
    pub(super) fn new(kind: ColumnType, rows: usize) -> Column {
        match kind {
            ColumnType::String => Column::Text(StringBuilder::with_capacity(rows, rows * TEXT_BYTES)),
            ColumnType::Int64 => Column::Int(Int64Builder::with_capacity(rows)),
            ColumnType::Float64 => Column::Float(Float64Builder::with_capacity(rows)),
            ColumnType::Bool => Column::Bool(BooleanBuilder::with_capacity(rows)),
            ColumnType::TimestampUs => {
                Column::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"))
            }
            ColumnType::Binary => Column::Binary(BinaryBuilder::with_capacity(rows, 0)),
            ColumnType::Map => Column::Map(MapColumn::new(rows)),
            ColumnType::ListString => Column::Texts(ListBuilder::with_capacity(text(), rows)),
            ColumnType::ListFloat64 => {
                Column::Floats(ListBuilder::with_capacity(Float64Builder::with_capacity(0), rows))
            }
            ColumnType::ListInt64 => Column::Ints(ListBuilder::with_capacity(Int64Builder::with_capacity(0), rows)),
        }
    }

    /// Adds nulls until the column has `rows` rows.
    pub(super) fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.len());
        if missing == 0 {
            return;
        }
        match self {
            Column::Text(builder) => builder.append_nulls(missing),
            Column::Int(builder) => builder.append_nulls(missing),
            Column::Float(builder) => builder.append_nulls(missing),
            Column::Bool(builder) => builder.append_nulls(missing),
            Column::Time(builder) => builder.append_nulls(missing),
            Column::Binary(builder) => builder.append_nulls(missing),
            Column::Map(builder) => builder.append_nulls(missing),
            Column::Texts(builder) => builder.append_nulls(missing),
            Column::Floats(builder) => builder.append_nulls(missing),
            Column::Ints(builder) => builder.append_nulls(missing),
        }
    }

    fn len(&self) -> usize {
        match self {
            Column::Text(builder) => builder.len(),
            Column::Int(builder) => builder.len(),
            Column::Float(builder) => builder.len(),
            Column::Bool(builder) => builder.len(),
            Column::Time(builder) => builder.len(),
            Column::Binary(builder) => builder.len(),
            Column::Map(builder) => builder.len(),
            Column::Texts(builder) => builder.len(),
            Column::Floats(builder) => builder.len(),
            Column::Ints(builder) => builder.len(),
        }
    }

    /// Finishes the column with `rows` rows.
    pub(super) fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        // Numbers are allocated at their exact size.
        let has_slack = !matches!(self, Column::Int(_) | Column::Float(_) | Column::Bool(_) | Column::Time(_));
        let mut array: ArrayRef = match self {
            Column::Text(mut builder) => Arc::new(builder.finish()),
            Column::Int(mut builder) => Arc::new(builder.finish()),
            Column::Float(mut builder) => Arc::new(builder.finish()),
            Column::Bool(mut builder) => Arc::new(builder.finish()),
            Column::Time(mut builder) => Arc::new(builder.finish()),
            Column::Binary(mut builder) => Arc::new(builder.finish()),
            Column::Map(builder) => Arc::new(builder.finish()?),
            Column::Texts(mut builder) => Arc::new(builder.finish()),
            Column::Floats(mut builder) => Arc::new(builder.finish()),
            Column::Ints(mut builder) => Arc::new(builder.finish()),
        };
        if has_slack {
            // The array stays in memory for long.
            array.shrink_to_fit();
        }
        Ok(array)
    }
}

fn text() -> StringBuilder {
    StringBuilder::with_capacity(0, 0)
}

/// A map from text to text. Arrow's own builder checks every entry; attributes are most of the decoded data.
pub(super) struct MapColumn {
    offsets: Vec<i32>,
    keys: StringBuilder,
    values: StringBuilder,
    nulls: NullBufferBuilder,
}

impl MapColumn {
    fn new(rows: usize) -> MapColumn {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        MapColumn { offsets, keys: text(), values: text(), nulls: NullBufferBuilder::new(rows) }
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Appends one map and returns its size in bytes.
    pub(super) fn append<'v>(&mut self, entries: impl Iterator<Item = (&'v str, Option<Cow<'v, str>>)>) -> usize {
        let mut bytes = 0;
        for (key, value) in entries {
            // The offsets of each entry count, too: thousands of empty keys are not free.
            bytes += key.len() + value.as_ref().map_or(0, |value| value.len()) + 8;
            self.keys.append_value(key);
            self.values.append_option(value);
        }
        self.nulls.append_non_null();
        self.end();
        bytes
    }

    fn append_nulls(&mut self, many: usize) {
        self.nulls.append_n_nulls(many);
        let end = self.offsets.last().copied().unwrap_or_default();
        self.offsets.resize(self.offsets.len() + many, end);
    }

    fn end(&mut self) {
        self.offsets.push(i32::try_from(self.keys.len()).unwrap_or(i32::MAX));
    }

    fn finish(mut self) -> Result<MapArray, ArrowError> {
        let DataType::Map(field, ordered) = ColumnType::Map.arrow() else {
            return Err(ArrowError::SchemaError("a map column is not a map".into()));
        };
        let keys: ArrayRef = Arc::new(self.keys.finish());
        debug_assert_eq!(keys.null_count(), 0, "keys have no nulls");
        let entries = StructArray::try_new(map_fields(), vec![keys, Arc::new(self.values.finish())], None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        MapArray::try_new(field, offsets, entries, self.nulls.finish(), ordered)
    }
}
