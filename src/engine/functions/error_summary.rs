//! `error_summary(error_type, errors, exemplars)`: the most frequent error types with their count and a message of one
//! error each, on one line: `12x ConnectionError: connection refused; 3x TimeoutError`. After upstream sampling,
//! `errors` are estimates, which are rounded for display.

use super::exemplars::weightiest_text;
use super::folding::{Fold, aggregate, float, text};
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::AggregateUDF;
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of types in a summary.
const NAMED: usize = 3;
/// Maximum number of types that are counted separately; beyond it, the rarest are counted together.
const KINDS_MAX: usize = 50;

/// Creates `error_summary(error_type, errors, exemplars)`.
pub(super) fn error_summary() -> AggregateUDF {
    let arguments = vec![DataType::Utf8, DataType::Float64, DataType::Utf8];
    aggregate::<Kinds>("error_summary", arguments, DataType::Utf8, DataType::Utf8)
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kinds {
    kinds: BTreeMap<String, Kind>,
    /// Errors of types that are not counted separately.
    others: f64,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Kind {
    errors: f64,
    /// Weight and text of the displayed message.
    message: Option<(f64, String)>,
}

impl Kinds {
    fn add(&mut self, name: &str, errors: f64, message: Option<(f64, String)>) {
        let kind = self.kinds.entry(name.to_owned()).or_default();
        kind.errors += errors;
        let known = kind.message.as_ref().map_or(f64::NEG_INFINITY, |(weight, _)| *weight);
        if let Some(message) = message.filter(|(weight, _)| *weight > known) {
            kind.message = Some(message);
        }
        while self.kinds.len() > KINDS_MAX {
            let rarest =
                self.kinds.iter().min_by(|(_, a), (_, b)| a.errors.total_cmp(&b.errors)).map(|(name, _)| name.clone());
            let Some(removed) = rarest.and_then(|name| self.kinds.remove(&name)) else { break };
            self.others += removed.errors;
        }
    }

    fn line(&self) -> String {
        let mut kinds: Vec<(&String, &Kind)> = self.kinds.iter().collect();
        // The sort is stable, so that equally frequent types are ordered by name.
        kinds.sort_by(|(_, a), (_, b)| b.errors.total_cmp(&a.errors));
        let named = kinds.iter().take(NAMED).map(|(name, kind)| match &kind.message {
            Some((_, message)) => format!("{:.0}x {name}: {message}", kind.errors),
            None => format!("{:.0}x {name}", kind.errors),
        });
        let rest = kinds.iter().skip(NAMED).map(|(_, kind)| kind.errors).sum::<f64>() + self.others;
        let more = (rest > 0.0).then(|| format!("{rest:.0}x others"));
        named.chain(more).collect::<Vec<_>>().join("; ")
    }
}

impl Fold for Kinds {
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()> {
        if let (Some(name), Some(errors)) = (text(&columns[0], row), float(&columns[1], row)) {
            self.add(name, errors, text(&columns[2], row).and_then(weightiest_text));
        }
        Ok(())
    }

    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()> {
        let Some(kinds) = text(states, row) else { return Ok(()) };
        let other: Kinds =
            serde_json::from_str(kinds).map_err(|error| exec_datafusion_err!("not kinds of errors: {error}"))?;
        self.others += other.others;
        other.kinds.into_iter().for_each(|(name, kind)| self.add(&name, kind.errors, kind.message));
        Ok(())
    }

    fn state(&self) -> Result<ScalarValue> {
        let text = serde_json::to_string(self).map_err(|error| exec_datafusion_err!("kinds of errors: {error}"))?;
        Ok(ScalarValue::Utf8(Some(text)))
    }

    fn answer(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Utf8(Some(self.line()).filter(|line| !line.is_empty())))
    }

    fn memory_bytes(&self) -> usize {
        self.kinds.len() * 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_stand_first_and_the_rest_is_counted() {
        let mut kinds = Kinds::default();
        let message = |weight, text: &str| Some((weight, text.to_owned()));
        kinds.add("Timeout", 2.0, None);
        kinds.add("Refused", 2.75, message(5.0, "to the cache"));
        kinds.add("Refused", 4.0, message(9.0, "to the database"));
        assert_eq!(kinds.line(), "7x Refused: to the database; 2x Timeout");
        kinds.add("A", 1.0, None);
        kinds.add("B", 1.0, None);
        kinds.add("C", 1.0, None);
        assert_eq!(kinds.line(), "7x Refused: to the database; 2x Timeout; 1x A; 2x others");
    }

    #[test]
    fn kinds_are_bounded_and_none_is_lost() {
        let mut kinds = Kinds::default();
        kinds.add("often", 10.0, None);
        (0..1000).for_each(|n| kinds.add(&format!("rare{n:04}"), 1.0, None));
        assert_eq!(kinds.kinds.len(), KINDS_MAX);
        let all = kinds.others + kinds.kinds.values().map(|kind| kind.errors).sum::<f64>();
        assert!((all - 1010.0).abs() < 1e-9, "{all}");
        assert!(kinds.line().starts_with("10x often; 1x rare"), "{}", kinds.line());
    }
}
