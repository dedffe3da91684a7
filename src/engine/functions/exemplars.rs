//! `exemplars(trace_id, weight)`: the three traces with the highest weight, as JSON text.
//! `exemplars_with(trace_id, weight, text)` adds a text to each. `exemplars_merge(text)` merges exemplars.
//! `exemplar_trace_ids(text)` returns their ids, joined by commas.

use super::folding::{Fold, aggregate, float, text};
use arrow::array::{ArrayRef, AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{AggregateUDF, ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const KEPT: usize = 3;

/// Creates `exemplars(trace_id, weight)`.
pub(super) fn exemplars() -> AggregateUDF {
    aggregate::<OfTraces>("exemplars", vec![DataType::Utf8, DataType::Float64], DataType::Utf8, DataType::Utf8)
}

/// Creates `exemplars_with(trace_id, weight, text)`.
pub(super) fn exemplars_with() -> AggregateUDF {
    let arguments = vec![DataType::Utf8, DataType::Float64, DataType::Utf8];
    aggregate::<OfTraces>("exemplars_with", arguments, DataType::Utf8, DataType::Utf8)
}

/// Creates `exemplars_merge(text)`.
pub(super) fn exemplars_merge() -> AggregateUDF {
    aggregate::<Weightiest>("exemplars_merge", vec![DataType::Utf8], DataType::Utf8, DataType::Utf8)
}

/// Creates `exemplar_trace_ids(text)`.
pub(super) fn exemplar_trace_ids() -> ScalarUDF {
    let ids = |arguments: &[ColumnarValue]| {
        let texts = ColumnarValue::values_to_arrays(arguments)?;
        let ids: StringArray = texts[0]
            .as_string::<i32>()
            .iter()
            .map(|text| {
                let kept: Vec<Exemplar> = serde_json::from_str(text?).ok()?;
                Some(kept.into_iter().map(|exemplar| exemplar.trace_id).collect::<Vec<_>>().join(","))
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(ids)))
    };
    create_udf("exemplar_trace_ids", vec![DataType::Utf8], DataType::Utf8, Volatility::Immutable, Arc::new(ids))
}

/// Returns the text with the highest weight, and its weight.
pub(super) fn weightiest_text(exemplars: &str) -> Option<(f64, String)> {
    let kept: Vec<Exemplar> = serde_json::from_str(exemplars).ok()?;
    kept.into_iter().find_map(|exemplar| Some((exemplar.value, exemplar.text?)))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Exemplar {
    trace_id: String,
    value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Debug, Default)]
struct Weightiest(Vec<Exemplar>);

#[derive(Debug, Default)]
struct OfTraces(Weightiest);

impl Weightiest {
    fn offer(&mut self, trace_id: &str, value: f64, text: Option<&str>) {
        let full = self.0.len() == KEPT;
        if full && self.0.last().is_some_and(|least| least.value >= value) {
            return;
        }
        // A trace is one exemplar with the highest weight of its parts.
        if let Some(known) = self.0.iter_mut().find(|exemplar| exemplar.trace_id == trace_id) {
            known.value = known.value.max(value);
            known.text = known.text.take().or(text.map(str::to_owned));
        } else {
            self.0.truncate(KEPT - usize::from(full));
            self.0.push(Exemplar { trace_id: trace_id.to_owned(), value, text: text.map(str::to_owned) });
        }
        self.0.sort_by(|a, b| b.value.total_cmp(&a.value));
    }
}

impl Fold for Weightiest {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        self.merge(&columns[0], row)
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        let Some(exemplars) = text(states, row) else { return Ok(()) };
        let exemplars: Vec<Exemplar> =
            serde_json::from_str(exemplars).map_err(|error| exec_datafusion_err!("not exemplars: {error}"))?;
        exemplars.iter().for_each(|one| self.offer(&one.trace_id, one.value, one.text.as_deref()));
        Ok(())
    }

    fn state(&self) -> Result<ScalarValue> {
        let text = serde_json::to_string(&self.0).map_err(|error| exec_datafusion_err!("exemplars: {error}"))?;
        Ok(ScalarValue::Utf8(Some(text)))
    }

    fn answer(&self) -> Result<ScalarValue> {
        if self.0.is_empty() { Ok(ScalarValue::Utf8(None)) } else { self.state() }
    }

    fn memory_bytes(&self) -> usize {
        KEPT * 400
    }
}

impl Fold for OfTraces {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        if let (Some(trace), Some(weight)) = (text(&columns[0], row), float(&columns[1], row)) {
            self.0.offer(trace, weight, columns.get(2).and_then(|texts| text(texts, row)));
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
