//! `buckets(x, '2,4,…')` counts the values between explicit bounds. Upper bounds are inclusive as in OpenTelemetry, and there
//! is one count more than bounds. `buckets(x, '2,4,…', n)` counts each value `n` times. `buckets_merge(counts)` sums counts.

use super::folding::{Fold, aggregate, float, overloaded, text, times};
use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::AggregateUDF;
use datafusion::scalar::ScalarValue;
use std::sync::Arc;

/// Creates `buckets(x, bounds)` and `buckets(x, bounds, n)`.
pub(super) fn buckets() -> AggregateUDF {
    let plain = vec![DataType::Float64, DataType::Utf8];
    let weighed = vec![DataType::Float64, DataType::Utf8, DataType::Int64];
    overloaded::<OfValues>("buckets", vec![plain, weighed], counts_type(), counts_type())
}

/// Creates `buckets_merge(counts)`.
pub(super) fn buckets_merge() -> AggregateUDF {
    aggregate::<Merged>("buckets_merge", vec![counts_type()], counts_type(), counts_type())
}

fn counts_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Int64, true)))
}

#[derive(Debug, Default)]
struct Merged {
    counts: Vec<i64>,
}

#[derive(Debug, Default)]
struct OfValues {
    bounds: Vec<f64>,
    merged: Merged,
}

impl Fold for Merged {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        self.merge(&columns[0], row)
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        let states = states.as_list::<i32>();
        if states.is_null(row) {
            return Ok(());
        }
        let counts = states.value(row);
        let counts = counts.as_primitive::<Int64Type>();
        if self.counts.is_empty() {
            self.counts = vec![0; counts.len()];
        } else if !counts.is_empty() && counts.len() != self.counts.len() {
            return exec_err!("buckets: {} counts cannot be added to {}", counts.len(), self.counts.len());
        }
        for (sum, count) in self.counts.iter_mut().zip(counts.iter()) {
            *sum = sum.saturating_add(count.unwrap_or_default());
        }
        Ok(())
    }

    fn state(&self) -> Result<ScalarValue> {
        let counts: Vec<ScalarValue> = self.counts.iter().map(|count| ScalarValue::from(*count)).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&counts, &DataType::Int64)))
    }

    fn answer(&self) -> Result<ScalarValue> {
        self.state()
    }

    fn memory_bytes(&self) -> usize {
        self.counts.len() * 8
    }
}

impl Fold for OfValues {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        if self.bounds.is_empty()
            && let Some(text) = text(&columns[1], row)
        {
            self.bounds = bounds(text)?;
            self.merged.counts.resize(self.bounds.len() + 1, 0);
        }
        let Some(value) = float(&columns[0], row) else { return Ok(()) };
        if let Some(count) = self.merged.counts.get_mut(self.bounds.partition_point(|bound| *bound < value)) {
            *count = count.saturating_add_unsigned(times(columns, 2, row));
        }
        Ok(())
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        self.merged.merge(states, row)
    }

    fn state(&self) -> Result<ScalarValue> {
        self.merged.state()
    }

    fn answer(&self) -> Result<ScalarValue> {
        self.merged.answer()
    }

    fn memory_bytes(&self) -> usize {
        self.merged.memory_bytes() + self.bounds.len() * 8
    }
}

fn bounds(text: &str) -> Result<Vec<f64>> {
    let bounds: Vec<f64> = text
        .split(',')
        .map(|bound| {
            bound.trim().parse().map_err(|_| exec_datafusion_err!("buckets: the bound {bound:?} is not a number"))
        })
        .collect::<Result<_>>()?;
    if bounds.is_sorted() { Ok(bounds) } else { exec_err!("buckets: the bounds {text:?} do not ascend") }
}
