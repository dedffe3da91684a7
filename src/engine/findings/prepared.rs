//! A finding pipeline with the user's overrides.

use super::state::Kept;
use super::threshold::{Judged, Limits};
use crate::engine::functions::fits;
use crate::engine::run::{Statement, Window};
use crate::model::budget::{AlertLimit, Budget};
use crate::model::finding::Finding;
use crate::model::pipeline::{Direction, Param, PipelineDef};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The user's overrides of a pipeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PipelineOverride {
    /// Whether the pipeline is disabled.
    pub disabled: bool,
    /// Warning limit.
    pub warning: Option<f64>,
    /// Critical limit.
    pub critical: Option<f64>,
    /// Minimum number of samples; with fewer, a key has no data.
    pub samples_min: Option<u64>,
    /// Window, ms.
    pub window_ms: Option<i64>,
    /// `for`, ms.
    pub for_ms: Option<i64>,
    /// `keep_firing_for`, ms.
    pub keep_firing_for_ms: Option<i64>,
    /// Parameters.
    pub params: BTreeMap<String, Param>,
}

/// Settings of an evaluator.
#[derive(Debug, Clone)]
pub struct EvaluatorSettings {
    /// Lag of the window's end behind the current time, so that late rows are included.
    pub lag_ms: i64,
    /// Timeout of one pipeline.
    pub timeout: Duration,
    /// Limits from `alerting`.
    pub alerting: Vec<AlertLimit>,
    /// Overrides, by pipeline.
    pub overrides: BTreeMap<String, PipelineOverride>,
    /// Budgets; keys of removed budgets are not evaluated and end.
    pub budgets: Vec<Budget>,
}

/// Name of the parameter with the `samples_min` of a finding's statement.
pub const SAMPLES_MIN: &str = "samples_min";

/// A pipeline with the user's overrides applied.
pub(super) struct Prepared {
    pub(super) definition: PipelineDef,
    pub(super) params: BTreeMap<String, Param>,
    /// Limits from `alerting` or from overrides, which take precedence over those of rows.
    pub(super) limits: Limits,
    /// Whether `alerting` sets its limits: without any row it reports no data instead of nothing.
    pub(super) promised: bool,
    /// Whether the user set `samples_min`, so that quantiles of fewer values are judged as well.
    pub(super) any_quantile: bool,
    /// End of the rest after a long scan.
    pub(super) rests_until: Option<Instant>,
    /// Advice in the finding.
    pub(super) advice: Arc<str>,
    /// Plan, kept from the first run on because planning costs as much as most runs.
    pub(super) statement: Option<Arc<Statement>>,
    /// Window and result of the last run.
    pub(super) last: Option<(Window, Arc<Vec<Judged>>)>,
    /// Keys, by finding id.
    pub(super) keys: HashMap<String, Kept>,
}

impl Prepared {
    /// Returns whether it reads `firings`.
    pub(super) fn reads_firings(&self) -> bool {
        self.definition.sql.contains("firings")
    }

    /// Returns whether it reads raw rows.
    pub(super) fn scans(&self) -> bool {
        self.definition.finding.as_ref().is_some_and(|finding| finding.scan)
    }
}

/// Prepares a finding pipeline; `None` if it is not evaluated.
pub(super) fn prepare(definition: &PipelineDef, settings: &EvaluatorSettings) -> Option<Prepared> {
    let mut definition = definition.clone();
    let mut params = definition.params.clone();
    let mut finding = definition.finding.take()?;
    let mut of_user = Limits::default();
    let limits = settings.alerting.iter().find(|limits| Some(&limits.key) == finding.alerting.as_ref());
    if let Some(limits) = limits {
        // Without the user's warning limit there is no warning, but the default critical limit remains.
        let default = finding.critical.filter(|critical| limits.warning.is_none_or(|warning| warning <= *critical));
        let default = default.filter(|_| finding.direction != Direction::Below);
        (finding.warning, finding.critical) = (limits.warning, limits.critical.or(default));
        of_user = Limits { warning: limits.warning, critical: limits.critical, samples_min: None };
        definition.window_ms = limits.window_ms.unwrap_or(definition.window_ms);
    } else if finding.alerting_only {
        return None;
    }
    if let Some(changes) = settings.overrides.get(&definition.id) {
        if changes.disabled {
            return None;
        }
        of_user.warning = changes.warning.or(of_user.warning);
        of_user.critical = changes.critical.or(of_user.critical);
        of_user.samples_min = changes.samples_min;
        finding.samples_min = changes.samples_min.unwrap_or(finding.samples_min);
        finding.for_ms = changes.for_ms.unwrap_or(finding.for_ms);
        finding.keep_firing_for_ms = changes.keep_firing_for_ms.unwrap_or(finding.keep_firing_for_ms);
        definition.window_ms = changes.window_ms.unwrap_or(definition.window_ms);
        params.extend(changes.params.clone());
    }
    // Statements that judge by more than the window need to know when the window has too few samples.
    params.insert(SAMPLES_MIN.to_owned(), Param::Int(i64::try_from(finding.samples_min).unwrap_or(i64::MAX)));
    definition.finding = Some(finding);
    let any_quantile = of_user.samples_min.is_some();
    Some(Prepared {
        advice: advice(&definition.prose).into(),
        definition,
        params,
        limits: of_user,
        promised: limits.is_some(),
        any_quantile,
        rests_until: None,
        statement: None,
        last: None,
        keys: HashMap::new(),
    })
}

/// Returns the first paragraph of the prose on one line.
fn advice(prose: &str) -> String {
    let paragraph = prose.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether a key's budget exists and its patterns match the key; true for a key without a budget. Otherwise a
/// key that is not evaluated any more would fire forever.
pub(super) fn is_budgeted(definition: &PipelineDef, finding: &Finding, budgets: &[Budget]) -> bool {
    let column = |name: &str| finding.key.iter().find(|(column, _)| column == name).map(|(_, value)| value.as_str());
    let Some(name) = column("budget").filter(|_| definition.sql.contains("budgets")) else { return true };
    let within = |pattern: &str, name: &str| column(name).is_none_or(|value| value.is_empty() || fits(pattern, value));
    budgets.iter().any(|budget| {
        budget.name == name
            && budget.unit == finding.unit
            && within(&budget.operation_match, "operation")
            && within(&budget.service_match, "service_name")
    })
}
