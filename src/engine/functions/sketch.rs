//! `sketch(x)`: an exponential histogram of values; `sketch(x, n)` counts each `n` times. `sketch_merge(sketch)` merges them.

use super::folding::{Fold, aggregate, binary, float, overloaded, times};
use crate::model::sketch::Sketch;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::AggregateUDF;
use datafusion::scalar::ScalarValue;

/// Creates `sketch(x)` and `sketch(x, n)`.
pub(super) fn sketch() -> AggregateUDF {
    let arguments = vec![vec![DataType::Float64], vec![DataType::Float64, DataType::Int64]];
    overloaded::<OfValues>("sketch", arguments, DataType::Binary, DataType::Binary)
}

/// Creates `sketch_merge(sketch)`.
pub(super) fn sketch_merge() -> AggregateUDF {
    aggregate::<Merged>("sketch_merge", vec![DataType::Binary], DataType::Binary, DataType::Binary)
}

#[derive(Debug, Default)]
struct OfValues(Merged);

/// Merged sketches; also the base of `quantile`.
#[derive(Debug, Default)]
pub(super) struct Merged(pub(super) Sketch);

impl Fold for OfValues {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        if let Some(value) = float(&columns[0], row) {
            self.0.0.insert_n(value, times(columns, 1, row));
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

impl Fold for Merged {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        self.merge(&columns[0], row)
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        let Some(bytes) = binary(states, row) else { return Ok(()) };
        self.0.merge_bytes(bytes).map_err(|error| exec_datafusion_err!("{error}"))
    }

    fn state(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(Some(self.0.to_bytes())))
    }

    fn answer(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary((self.0.count() > 0).then(|| self.0.to_bytes())))
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}
