//! `sampled_count(weight, trace_id, span_id)`: the weight of a span as a whole number, for counters and histograms that only
//! take those. A fraction is rounded up for that share of the spans, chosen by their ids, so that sums remain correct.

use crate::model::tracestate::whole;
use arrow::array::{ArrayRef, AsArray as _, Int64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Creates `sampled_count(weight, trace_id, span_id)`.
pub(super) fn sampled_count() -> ScalarUDF {
    let arguments = vec![DataType::Float64, DataType::Utf8, DataType::Utf8];
    create_udf("sampled_count", arguments, DataType::Int64, Volatility::Immutable, Arc::new(evaluate))
}

fn evaluate(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let weights = columns[0].as_primitive::<Float64Type>();
    let (traces, spans) = (columns[1].as_string::<i32>(), columns[2].as_string::<i32>());
    let count = |(row, weight): (usize, Option<f64>)| {
        // A row without a weight counts once.
        let whole = whole(weight.unwrap_or(1.0), || chance(traces, spans, row));
        i64::try_from(whole).unwrap_or(i64::MAX)
    };
    let counts: Int64Array = weights.iter().enumerate().map(count).map(Some).collect();
    Ok(ColumnarValue::Array(Arc::new(counts) as ArrayRef))
}

/// Returns the value by which a span is rounded.
fn chance(traces: &StringArray, spans: &StringArray, row: usize) -> u64 {
    xxh3_64_with_seed(spans.value(row).as_bytes(), xxh3_64(traces.value(row).as_bytes()))
}
