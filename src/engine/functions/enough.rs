//! How many values a quantile takes, and `DataFusion`'s own quantiles held to it where findings are judged.

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ScalarUDF, Signature, Volatility, create_udf,
};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// A median of two or three values is none.
const SAMPLES_MIN: u64 = 5;

/// `DataFusion`'s quantiles of plain values. Those that are not there are passed over.
const OF_VALUES: [&str; 6] =
    ["percentile_cont", "percentile_disc", "median", "approx_percentile_cont", "approx_median", "quantile_cont"];

/// The values that a quantile takes before it says more than its highest, or lowest, value does: 1 / (1 - q), so that
/// there is one beyond it (p95 from 20, p99 from 100), and five at least. The highest and the lowest value of all are no
/// quantiles; one value is enough for them.
#[must_use]
pub fn samples_min(q: f64) -> u64 {
    let beyond = q.min(1.0 - q);
    if beyond <= 0.0 {
        return 1;
    }
    // What floating point adds to 1 / (1 - 0.95) is no sample.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; far past all counts it saturates"
    )]
    let least = (1.0 / beyond - 1e-6).ceil() as u64;
    least.max(SAMPLES_MIN)
}

/// `samples_for(q)`: the same for a pipeline that has the percentile from a budget and says `samples_min` of a row. What a
/// sketch holds is no count of samples where an upstream sampled: it has each as often as its weight says.
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

/// Lets `DataFusion`'s quantiles of too few values be null in this session.
pub(super) fn hold(context: &SessionContext) {
    for name in OF_VALUES {
        let known = context.state().aggregate_functions().get(name).cloned();
        if let Some(known) = known.filter(|known| !known.inner().is::<OfEnough>()) {
            context.register_udaf(AggregateUDF::new_from_impl(OfEnough((*known).clone())));
        }
    }
}

/// Takes that back.
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
        // A median says no quantile.
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
