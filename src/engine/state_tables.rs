//! Rows of the state tables: findings, budgets, coverage.

use super::tables::{StateRows, object};
use crate::model::budget::Budget;
use crate::model::finding::Finding;
use crate::store::HotStore;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Returns the rows of the table `findings`.
pub(crate) fn findings(findings: &Arc<Vec<Finding>>) -> Box<dyn Iterator<Item = Map<String, Value>>> {
    let (findings, count) = (findings.clone(), findings.len());
    let row = move |index: usize| {
        let finding = &findings[index];
        let key: Map<String, Value> =
            finding.key.iter().map(|(column, value)| (column.clone(), Value::from(value.as_str()))).collect();
        object(json!({
            "id": finding.id, "pipeline": finding.pipeline, "severity": finding.severity, "state": finding.state,
            "title": finding.title, "key": key, "value": finding.value, "limit_value": finding.limit,
            "headroom": finding.headroom,
            "unit": finding.unit, "samples": finding.samples, "impact": finding.impact,
            "evidence": finding.evidence.as_json(), "trace_ids": *finding.trace_ids,
            "evidence_sql": *finding.evidence_sql, "advice": *finding.advice, "proof": finding.proof,
            "first_seen": finding.first_seen_ms * 1000, "last_seen": finding.last_seen_ms * 1000,
            "state_since": finding.state_since_ms * 1000,
            "recovering_since": finding.recovering.map(|recovering| recovering.since_ms * 1000),
            "recovering_value": finding.recovering.and_then(|recovering| recovering.value),
            "ended": finding.ended.as_ref().map(|ended| ended.at_ms * 1000),
            "ended_reason": finding.ended.as_ref().and_then(|ended| ended.reason.as_deref()),
        }))
    };
    Box::new((0..count).map(row))
}

/// Returns the rows of the table `budgets`.
pub(crate) fn budgets(budgets: &[Budget]) -> StateRows {
    let row = |budget: &Budget| {
        object(json!({
            "kind": budget.kind.as_str(), "name": budget.name, "operation_match": budget.operation_match,
            "service_match": budget.service_match, "percentile": budget.percentile, "limit_value": budget.limit,
            "critical_value": budget.critical, "is_default": budget.is_default,
            "unit": budget.unit, "below": budget.below,
        }))
    };
    budgets.iter().map(row).collect()
}

/// Returns the rows of the table `coverage`.
pub(crate) fn coverage(store: &HotStore) -> StateRows {
    let row = |coverage: crate::store::Coverage| {
        object(json!({
            "table_name": coverage.table, "from_time": coverage.from_us, "to_time": coverage.to_us,
            "evicted": coverage.evicted, "rows": coverage.rows, "bytes": coverage.bytes,
        }))
    };
    store.coverage().into_iter().map(row).collect()
}
