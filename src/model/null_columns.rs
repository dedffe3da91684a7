//! Columns without any value, like most columns of most requests: all of one type share their memory.

use arrow::array::{Array as _, ArrayRef, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::collections::HashMap;

/// Maximum number of rows of a column with shared memory.
const ROWS_MAX: usize = 8192;

/// All-null columns for each column of a schema.
#[derive(Debug)]
pub struct NullColumns {
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
}

impl NullColumns {
    /// Creates the columns of a schema.
    #[must_use]
    pub fn new(schema: SchemaRef) -> NullColumns {
        let columns = NullColumns::columns(&schema);
        NullColumns { schema, columns }
    }

    fn columns(schema: &Schema) -> Vec<ArrayRef> {
        let mut of_type: HashMap<&DataType, ArrayRef> = HashMap::new();
        let mut column = |kind| of_type.entry(kind).or_insert_with(|| new_null_array(kind, ROWS_MAX)).clone();
        schema.fields().iter().map(|field| column(field.data_type())).collect()
    }

    /// Returns an all-null column with this many rows.
    #[must_use]
    pub fn column(&self, index: usize, rows: usize) -> ArrayRef {
        match self.columns.get(index) {
            Some(column) if rows <= ROWS_MAX => column.slice(0, rows),
            _ => new_null_array(self.schema.field(index).data_type(), rows),
        }
    }

    /// Concatenates batches of this schema. Columns without any value still share their memory.
    ///
    /// # Errors
    /// When a column would exceed the size that Arrow allows.
    pub fn concat(&self, batches: &[&RecordBatch]) -> Result<RecordBatch, ArrowError> {
        let rows = batches.iter().map(|batch| batch.num_rows()).sum();
        let column = |index: usize| {
            let parts = || batches.iter().map(|batch| batch.column(index).as_ref());
            if parts().all(|part| part.null_count() == part.len()) {
                return Ok(self.column(index, rows));
            }
            concat(&parts().collect::<Vec<_>>())
        };
        let columns = (0..self.schema.fields().len()).map(column).collect::<Result<_, _>>()?;
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

/// Returns the memory of a batch in bytes, not counting columns without any value.
#[must_use]
pub fn memory_bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter().filter(|column| column.null_count() < column.len());
    columns.map(arrow::array::Array::get_array_memory_size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::ColumnType;
    use arrow::array::{AsArray as _, Int64Array, StringArray};
    use arrow::datatypes::{Field, Int64Type};
    use std::sync::Arc;

    fn schema() -> SchemaRef {
        let field = |name, kind: ColumnType| Field::new(name, kind.arrow(), true);
        Arc::new(Schema::new(vec![
            field("a", ColumnType::String),
            field("b", ColumnType::Int64),
            field("c", ColumnType::Map),
            field("d", ColumnType::ListFloat64),
            field("e", ColumnType::Int64),
        ]))
    }

    fn batch(nulls: &NullColumns, b: Vec<Option<i64>>) -> RecordBatch {
        let rows = b.len();
        let column = |index| if index == 1 { Arc::new(Int64Array::from(b.clone())) } else { nulls.column(index, rows) };
        RecordBatch::try_new(schema(), (0..5).map(column).collect()).unwrap()
    }

    #[test]
    fn columns_without_values_take_no_memory_of_their_own() {
        let nulls = NullColumns::new(schema());
        for (index, field) in schema().fields().iter().enumerate() {
            for rows in [0, 1, ROWS_MAX, ROWS_MAX + 1] {
                let column = nulls.column(index, rows);
                assert_eq!((column.len(), column.null_count()), (rows, rows), "{field}");
                assert_eq!(column.data_type(), field.data_type());
            }
        }
        let all = batch(&nulls, vec![None; 1000]);
        assert_eq!(memory_bytes(&all), 0);
        let one = batch(&nulls, vec![Some(1); 1000]);
        let bytes = memory_bytes(&one);
        assert!((8000..8500).contains(&bytes), "a thousand numbers of eight bytes: {bytes}");
    }

    #[test]
    fn rows_of_batches_stand_one_behind_another() {
        let nulls = NullColumns::new(schema());
        let parts = [batch(&nulls, vec![None, None]), batch(&nulls, vec![Some(7)]), batch(&nulls, vec![None])];
        let whole = nulls.concat(&parts.iter().collect::<Vec<_>>()).unwrap();
        let numbers: Vec<_> = whole.column(1).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(numbers, [None, None, Some(7), None]);
        assert_eq!(whole.column(2).null_count(), 4);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let mut columns = parts[1].columns().to_vec();
        columns[0] = texts;
        let with_text = RecordBatch::try_new(schema(), columns).unwrap();
        let whole = nulls.concat(&[&parts[0], &with_text]).unwrap();
        assert_eq!(whole.column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [None, None, Some("x")]);
    }
}
