//! Evaluation of findings: the evaluator, its session, and the states to store.

use super::findings::{Due, Evaluation, Evaluator, EvaluatorSettings, Firings};
use super::settings::Rules;
use super::tables::{Sql, Tables, own_config};
use crate::model::finding::Finding;
use crate::state::State;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kind of the state entries that contain the states of findings.
const FINDINGS: &str = "finding";

/// Runs evaluations, one at a time.
pub(super) struct Judge {
    evaluator: Evaluator,
    context: SessionContext,
    /// States to put, or to delete if `None`, that are not stored yet.
    unsaved: BTreeMap<String, Option<Vec<u8>>>,
}

impl Judge {
    /// Creates a judge that continues with the stored states.
    pub(super) async fn new(rules: &Rules, tables: &Tables, state: &State) -> anyhow::Result<Judge> {
        let settings = EvaluatorSettings {
            lag_ms: i64::try_from(rules.lag.as_millis()).unwrap_or(i64::MAX),
            timeout: rules.timeout,
            alerting: rules.alerting.clone(),
            overrides: rules.overrides.clone(),
            budgets: rules.budgets.clone(),
        };
        let kept = state.entries(FINDINGS).await?;
        let evaluator = Evaluator::new(&rules.pipelines, settings, &kept);
        let context =
            tables.session(&rules.in_force(), own_config(), Arc::new(RuntimeEnv::default()), Sql::Own).await?;
        // Delete the states of keys that are no longer evaluated, so that they do not come back with their pipeline or
        // budget.
        let unsaved = kept.iter().filter(|(id, _)| !evaluator.knows(id)).map(|(id, _)| (id.clone(), None)).collect();
        Ok(Judge { evaluator, context, unsaved })
    }

    /// Returns all keys, firing ones first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.evaluator.findings()
    }

    /// Returns when each key fired.
    pub(super) fn firings(&self) -> Firings {
        self.evaluator.firings()
    }

    /// Evaluates the findings that are due at `now_ms`, except those that read a table in `filling`: with rows missing
    /// they would report no problem.
    pub(super) async fn evaluate(&mut self, now_ms: i64, due: Due, filling: Vec<String>) -> Evaluation {
        self.evaluator.wait_for(filling);
        let mut evaluation = self.evaluator.evaluate_due(&self.context, now_ms, due).await;
        let puts = std::mem::take(&mut evaluation.puts).into_iter().map(|(id, bytes)| (id, Some(bytes)));
        let deletes = std::mem::take(&mut evaluation.deletes).into_iter().map(|id| (id, None));
        self.unsaved.extend(puts.chain(deletes));
        evaluation
    }

    /// Stores the states. If this fails, the next call retries.
    pub(super) async fn save(&mut self, state: &State) -> anyhow::Result<()> {
        let changes: Vec<_> = self.unsaved.iter().map(|(id, bytes)| (id.as_str(), bytes.as_deref())).collect();
        state.change(FINDINGS, &changes).await?;
        self.unsaved.clear();
        Ok(())
    }
}
