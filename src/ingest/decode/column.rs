//! One column under construction, by the type that `schemas/` gives it.

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

/// A builder for each type.
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
    pub(super) fn new(kind: ColumnType) -> Column {
        // Arrow's default is room for 1024 rows, which most requests do not have by far.
        match kind {
            ColumnType::String => Column::Text(text()),
            ColumnType::Int64 => Column::Int(Int64Builder::with_capacity(0)),
            ColumnType::Float64 => Column::Float(Float64Builder::with_capacity(0)),
            ColumnType::Bool => Column::Bool(BooleanBuilder::with_capacity(0)),
            ColumnType::TimestampUs => Column::Time(TimestampMicrosecondBuilder::with_capacity(0).with_timezone("UTC")),
            ColumnType::Binary => Column::Binary(BinaryBuilder::with_capacity(0, 0)),
            ColumnType::Map => Column::Map(MapColumn::new()),
            ColumnType::ListString => Column::Texts(ListBuilder::with_capacity(text(), 0)),
            ColumnType::ListFloat64 => Column::Floats(ListBuilder::with_capacity(Float64Builder::with_capacity(0), 0)),
            ColumnType::ListInt64 => Column::Ints(ListBuilder::with_capacity(Int64Builder::with_capacity(0), 0)),
        }
    }

    /// Adds a null if the column has fewer than `rows` rows.
    pub(super) fn pad(&mut self, rows: usize) {
        match self {
            Column::Text(builder) if builder.len() < rows => builder.append_null(),
            Column::Int(builder) if builder.len() < rows => builder.append_null(),
            Column::Float(builder) if builder.len() < rows => builder.append_null(),
            Column::Bool(builder) if builder.len() < rows => builder.append_null(),
            Column::Time(builder) if builder.len() < rows => builder.append_null(),
            Column::Binary(builder) if builder.len() < rows => builder.append_null(),
            Column::Map(builder) if builder.len() < rows => builder.append_null(),
            Column::Texts(builder) if builder.len() < rows => builder.append_null(),
            Column::Floats(builder) if builder.len() < rows => builder.append_null(),
            Column::Ints(builder) if builder.len() < rows => builder.append_null(),
            _ => {}
        }
    }

    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
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
        // It stays in memory for long.
        array.shrink_to_fit();
        Ok(array)
    }
}

fn text() -> StringBuilder {
    StringBuilder::with_capacity(0, 0)
}

/// Text to text. Arrow's own builder checks at every entry; attributes are the bulk of what is decoded.
pub(super) struct MapColumn {
    offsets: Vec<i32>,
    keys: StringBuilder,
    values: StringBuilder,
    nulls: NullBufferBuilder,
}

impl MapColumn {
    fn new() -> MapColumn {
        MapColumn { offsets: vec![0], keys: text(), values: text(), nulls: NullBufferBuilder::new(0) }
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Appends one map; gives the bytes that it takes.
    pub(super) fn append<'v>(&mut self, entries: impl Iterator<Item = (&'v str, Option<Cow<'v, str>>)>) -> usize {
        let mut bytes = 0;
        for (key, value) in entries {
            // The offset that each entry takes counts, too: thousands of empty keys are not free.
            bytes += key.len() + value.as_ref().map_or(0, |value| value.len()) + 8;
            self.keys.append_value(key);
            self.values.append_option(value);
        }
        self.nulls.append_non_null();
        self.end();
        bytes
    }

    fn append_null(&mut self) {
        self.nulls.append_null();
        self.end();
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
