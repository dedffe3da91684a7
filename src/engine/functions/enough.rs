//! Minimum number of values for a quantile, which findings also apply to the quantiles of `DataFusion`.

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ScalarUDF, Signature, Volatility, create_udf,
};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Minimum for any quantile: a median of two or three values is meaningless.
const SAMPLES_MIN: u64 = 5;

/// Quantile functions of `DataFusion` over plain values. Missing ones are skipped.
const OF_VALUES: [&str; 6] =
    ["percentile_cont", "percentile_disc", "median", "approx_percentile_cont", "approx_median", "quantile_cont"];

/// Returns the number of values from which a quantile differs from the highest or lowest value: 1 / (1 - q), so that
/// one value lies beyond it (p95 from 20, p99 from 100), and at least five. The maximum and the minimum are no
/// quantiles; one value is enough for them.
#[must_use]
pub fn samples_min(q: f64) -> u64 {
    let beyond = q.min(1.0 - q);
    if beyond <= 0.0 {
        return 1;
    }
    // Subtract the floating-point error of 1 / (1 - 0.95), so that it does not add a sample.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; far past all counts it saturates"
    )]
    let least = (1.0 / beyond - 1e-6).ceil() as u64;
    least.max(SAMPLES_MIN)
}

/// Creates `samples_for(q)`: the same for a pipeline that takes the percentile from a budget and returns `samples_min` per
/// row. After upstream sampling, the count of a sketch is no number of samples, because it counts each sample by its weight.
pub(super) fn samples_for() -> ScalarUDF {
    let evaluate = |arguments: &[ColumnarValue]| {
        let columns = ColumnarValue::values_to_arrays(arguments)?;
        let least = |q: f64| i64::try_from(samples_min(q)).unwrap_or(i64::MAX);
        let least: Int64Array = columns[0].as_primitive::<Float64Type>().iter().map(|q| q.map(least)).collect();
        Ok(ColumnarValue::Array(Arc::new(least)))
    };
    let arguments = vec![DataType::Float64];
    create_udf("samples_for", arguments, DataType::Int64, Volatility::Immutable, Arc::new(evaluate))
}

/// Makes the quantile functions of `DataFusion` return null for too few values in this session.
pub(super) fn hold(context: &SessionContext) {
    for name in OF_VALUES {
        let known = context.state().aggregate_functions().get(name).cloned();
        if let Some(known) = known.filter(|known| !known.inner().is::<OfEnough>()) {
            context.register_udaf(AggregateUDF::new_from_impl(OfEnough((*known).clone())));
        }
    }
}

/// Reverts `hold`.
pub(super) fn release(context: &SessionContext) {
    for name in OF_VALUES {
        let known = context.state().aggregate_functions().get(name).cloned();
        if let Some(held) = known.as_ref().and_then(|known| known.inner().downcast_ref::<OfEnough>()) {
            context.register_udaf(held.0.clone());
        }
    }
}

/// A quantile that counts its values.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfEnough(AggregateUDF);

impl AggregateUDFImpl for OfEnough {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.0.return_type(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.0.coerce_types(arguments)
    }

    fn supports_within_group_clause(&self) -> bool {
        self.0.supports_within_group_clause()
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.0.supports_null_handling_clause()
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let count = Field::new(format!("{}[values]", arguments.name), DataType::UInt64, false);
        let mut fields = self.0.state_fields(arguments)?;
        fields.push(Arc::new(count));
        Ok(fields)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        // A median has no argument for the quantile.
        let q = match arguments.exprs.get(1).map(|q| q.evaluate(&nothing)).transpose()? {
            Some(ColumnarValue::Scalar(q)) => q.cast_to(&DataType::Float64)?,
            _ => ScalarValue::Float64(Some(0.5)),
        };
        let ScalarValue::Float64(Some(q)) = q else { return self.0.accumulator(arguments) };
        let null = ScalarValue::try_from(arguments.return_field.data_type())?;
        let inner = self.0.accumulator(arguments)?;
        Ok(Box::new(Counting { inner, values: 0, least: samples_min(q), null }))
    }
}

#[derive(Debug)]
struct Counting {
    inner: Box<dyn Accumulator>,
    values: u64,
    least: u64,
    null: ScalarValue,
}

impl Accumulator for Counting {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let values = columns.first().map_or(0, |column| column.len() - column.null_count());
        self.values = self.values.saturating_add(values as u64);
        self.inner.update_batch(columns)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.values < self.least { Ok(self.null.clone()) } else { self.inner.evaluate() }
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = self.inner.state()?;
        state.push(ScalarValue::UInt64(Some(self.values)));
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some((counts, states)) = states.split_last() else { return Ok(()) };
        let counts = counts.as_primitive::<UInt64Type>().iter().flatten();
        self.values = counts.fold(self.values, u64::saturating_add);
        self.inner.merge_batch(states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Float64Array;

    #[test]
    fn a_quantile_takes_as_many_values_as_leave_one_beyond_it() {
        for (q, expected) in [
            (0.0, 1),
            (0.01, 100),
            (0.25, 5),
            (0.5, 5),
            (0.75, 5),
            (0.9, 10),
            (0.95, 20),
            (95.0 / 100.0, 20),
            (0.98, 50),
            (0.99, 100),
            (0.999, 1000),
            (1.0, 1),
        ] {
            assert_eq!(samples_min(q), expected, "{q}");
        }
    }

    async fn value(context: &SessionContext, expression: &str, rows: u32) -> Option<f64> {
        let values: ArrayRef = Arc::new(Float64Array::from_iter_values((1..=rows).map(f64::from)));
        // Two partitions, so that states are merged.
        let half = values.len() / 2;
        let parts = [values.slice(0, half), values.slice(half, values.len() - half)];
        let batches: Vec<RecordBatch> =
            parts.into_iter().map(|part| RecordBatch::try_from_iter([("x", part)]).unwrap()).collect();
        let schema = batches[0].schema();
        let table = datafusion::datasource::MemTable::try_new(schema, batches.into_iter().map(|b| vec![b]).collect());
        let _before = context.deregister_table("t").unwrap();
        context.register_table("t", Arc::new(table.unwrap())).unwrap();
        let found = context.sql(&format!("SELECT {expression} AS v FROM t")).await.unwrap().collect().await.unwrap();
        found[0].column(0).as_primitive::<arrow::datatypes::Float64Type>().iter().next().flatten()
    }

    #[tokio::test]
    async fn quantiles_of_any_kind_are_held_to_it_and_let_go() {
        let context = SessionContext::new();
        super::super::register_judging(&context);
        let free = super::super::with_any_quantile(&context);
        for (expression, least) in [
            ("percentile_cont(0.95) WITHIN GROUP (ORDER BY x)", 20),
            ("approx_percentile_cont(x, 0.95)", 20),
            ("approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY x)", 10),
            ("median(x)", 5),
            ("approx_median(x)", 5),
            ("(SELECT quantile(s, 0.95) FROM (SELECT sketch(x) AS s FROM t))", 20),
        ] {
            assert_eq!(value(&context, expression, least - 1).await, None, "{expression} of {}", least - 1);
            assert!(value(&context, expression, least).await.is_some(), "{expression} of {least}");
            assert!(value(&free, expression, 2).await.is_some(), "{expression} of two, where that is asked for");
        }
        assert_eq!(value(&context, "percentile_cont(0.95) WITHIN GROUP (ORDER BY x)", 21).await, Some(20.0));
        assert_eq!(value(&context, "max(x)", 1).await, Some(1.0));
    }
}
