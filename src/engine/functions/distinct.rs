//! `distinct_sketch(text)` is a sketch that counts distinct texts, `distinct_merge(sketch)` merges sketches, and
//! `distinct_count(sketch)` returns the count.

use super::folding::{Fold, aggregate, binary, text};
use crate::model::distinct::Distinct;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::AggregateUDF;
use datafusion::scalar::ScalarValue;

/// Creates `distinct_sketch(text)`.
pub(super) fn distinct_sketch() -> AggregateUDF {
    aggregate::<OfTexts>("distinct_sketch", vec![DataType::Utf8], DataType::Binary, DataType::Binary)
}

/// Creates `distinct_merge(sketch)`.
pub(super) fn distinct_merge() -> AggregateUDF {
    aggregate::<United>("distinct_merge", vec![DataType::Binary], DataType::Binary, DataType::Binary)
}

/// Creates `distinct_count(sketch)`.
pub(super) fn distinct_count() -> AggregateUDF {
    aggregate::<Count>("distinct_count", vec![DataType::Binary], DataType::Int64, DataType::Binary)
}

/// `None` until the first text: most groups have no user, and should take no memory.
#[derive(Debug, Default)]
struct United(Option<Distinct>);

#[derive(Debug, Default)]
struct OfTexts(United);

#[derive(Debug, Default)]
struct Count(United);

impl Fold for United {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        self.merge(&columns[0], row)
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        let Some(bytes) = binary(states, row) else { return Ok(()) };
        let other = Distinct::from_bytes(bytes).ok_or_else(|| exec_datafusion_err!("not a distinct sketch"))?;
        self.0.get_or_insert_default().merge(&other);
        Ok(())
    }

    fn state(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(self.0.as_ref().map(Distinct::to_bytes)))
    }

    fn answer(&self) -> Result<ScalarValue> {
        self.state()
    }

    fn memory_bytes(&self) -> usize {
        if self.0.is_some() { 4096 } else { 0 }
    }
}

impl Fold for OfTexts {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        if let Some(text) = text(&columns[0], row) {
            self.0.0.get_or_insert_default().insert(text);
        }
        Ok(())
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        self.0.merge(states, row)
    }

    fn state(&self) -> Result<ScalarValue> {
        self.0.state()
    }

    fn answer(&self) -> Result<ScalarValue> {
        self.0.answer()
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

impl Fold for Count {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        self.0.update(columns, row)
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        self.0.merge(states, row)
    }

    fn state(&self) -> Result<ScalarValue> {
        self.0.state()
    }

    fn answer(&self) -> Result<ScalarValue> {
        let count = self.0.0.as_ref().map_or(0, Distinct::count);
        Ok(ScalarValue::Int64(Some(i64::try_from(count).unwrap_or(i64::MAX))))
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}
