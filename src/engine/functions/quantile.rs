//! `quantile(sketch, q)`: merges sketches and returns the value of the nearest rank, within .54% of the exact one.

use super::enough::samples_min;
use super::folding::{Fold, aggregate, binary, float};
use super::sketch::Merged;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::AggregateUDF;
use datafusion::scalar::ScalarValue;

/// Creates `quantile(sketch, q)`, with a constant `q` in 0..=1.
pub(super) fn quantile() -> AggregateUDF {
    let arguments = vec![DataType::Binary, DataType::Float64];
    aggregate::<Quantile>("quantile", arguments, DataType::Float64, DataType::Binary)
}

/// Creates `quantile(sketch, q)` for findings: null if there are too few values ([`samples_min`]).
pub(super) fn of_enough() -> AggregateUDF {
    let arguments = vec![DataType::Binary, DataType::Float64];
    aggregate::<OfEnough>("quantile", arguments, DataType::Float64, DataType::Binary)
}

#[derive(Debug, Default)]
struct OfEnough(Quantile);

impl Fold for OfEnough {
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
        let enough = self.0.q.is_some_and(|q| self.0.merged.0.count() >= samples_min(q));
        if enough { self.0.answer() } else { Ok(ScalarValue::Float64(None)) }
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

/// The state is `q` in eight bytes, or none if unset, followed by the sketch.
#[derive(Debug, Default)]
struct Quantile {
    q: Option<f64>,
    merged: Merged,
}

impl Quantile {
    fn set(&mut self, q: f64) -> Result<()> {
        if !(0.0..=1.0).contains(&q) {
            return exec_err!("quantile: q is {q}, expected 0 to 1");
        }
        self.q = Some(q);
        Ok(())
    }
}

impl Fold for Quantile {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        if let Some(q) = float(&columns[1], row) {
            self.set(q)?;
        }
        self.merged.update(columns, row)
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        let Some((q, sketch)) = binary(states, row).and_then(|state| state.split_first_chunk::<8>()) else {
            return Ok(());
        };
        self.set(f64::from_le_bytes(*q))?;
        self.merged.0.merge_bytes(sketch).map_err(|error| exec_datafusion_err!("{error}"))
    }

    fn state(&self) -> Result<ScalarValue> {
        let Some(q) = self.q else { return Ok(ScalarValue::Binary(Some(Vec::new()))) };
        Ok(ScalarValue::Binary(Some([&q.to_le_bytes()[..], &self.merged.0.to_bytes()].concat())))
    }

    fn answer(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.q.and_then(|q| self.merged.0.quantile(q))))
    }

    fn memory_bytes(&self) -> usize {
        self.merged.memory_bytes()
    }
}
