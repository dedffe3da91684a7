//! What judges findings: the evaluator, its session, and states on their way to the disk.

use super::findings::{Due, Evaluation, Evaluator, EvaluatorSettings, Firings};
use super::settings::Rules;
use super::tables::{Sql, Tables, own_config};
use crate::model::finding::Finding;
use crate::store::State;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kind of the entries that hold the states of findings.
const FINDINGS: &str = "finding";

/// What evaluates, one at a time.
pub(super) struct Judge {
    evaluator: Evaluator,
    context: SessionContext,
    /// States to put (or, where there are none, to delete) that have not become durable yet.
    unsaved: BTreeMap<String, Option<Vec<u8>>>,
}

impl Judge {
    /// Goes on with the states that were kept.
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
        // Keys of a pipeline or a budget that is judged no more must not come back with it.
        let unsaved = kept.iter().filter(|(id, _)| !evaluator.knows(id)).map(|(id, _)| (id.clone(), None)).collect();
        Ok(Judge { evaluator, context, unsaved })
    }

    /// All keys, those firing first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.evaluator.findings()
    }

    /// When each key fired.
    pub(super) fn firings(&self) -> Firings {
        self.evaluator.firings()
    }

    /// Runs the findings that are due at a moment, but for those that read one of the tables in `filling`: of what is
    /// missing there they would judge that it is not.
    pub(super) async fn evaluate(&mut self, now_ms: i64, due: Due, filling: Vec<String>) -> Evaluation {
        self.evaluator.wait_for(filling);
        let mut evaluation = self.evaluator.evaluate_due(&self.context, now_ms, due).await;
        let puts = std::mem::take(&mut evaluation.puts).into_iter().map(|(id, bytes)| (id, Some(bytes)));
        let deletes = std::mem::take(&mut evaluation.deletes).into_iter().map(|id| (id, None));
        self.unsaved.extend(puts.chain(deletes));
        evaluation
    }

    /// Makes states durable; those that could not be kept are kept with the next.
    pub(super) async fn save(&mut self, state: &State) -> anyhow::Result<()> {
        let changes: Vec<_> = self.unsaved.iter().map(|(id, bytes)| (id.as_str(), bytes.as_deref())).collect();
        state.change(FINDINGS, &changes).await?;
        self.unsaved.clear();
        Ok(())
    }
}
