//! A finding pipeline with what the user changes of it.

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

/// What the user changes of a pipeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PipelineOverride {
    /// It is not run.
    pub disabled: bool,
    /// Limit for a warning.
    pub warning: Option<f64>,
    /// Limit for a critical finding.
    pub critical: Option<f64>,
    /// Samples below which nothing is judged.
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

/// How findings are evaluated.
#[derive(Debug, Clone)]
pub struct EvaluatorSettings {
    /// How far the window's end lags behind now, so that late rows are in.
    pub lag_ms: i64,
    /// Time that one pipeline may take.
    pub timeout: Duration,
    /// Limits out of `alerting`.
    pub alerting: Vec<AlertLimit>,
    /// Changes by pipeline.
    pub overrides: BTreeMap<String, PipelineOverride>,
    /// The budgets: a key of one that is there no more is not judged, and over.
    pub budgets: Vec<Budget>,
}

/// The parameter of every finding's statement that holds its `samples_min`.
pub const SAMPLES_MIN: &str = "samples_min";

/// A pipeline with the user's changes applied.
pub(super) struct Prepared {
    pub(super) definition: PipelineDef,
    pub(super) params: BTreeMap<String, Param>,
    /// Limits out of `alerting` or of the user's changes, which win over those of the rows.
    pub(super) limits: Limits,
    /// It is judged by limits out of `alerting`: without any row it has no data, and must not pass in silence.
    pub(super) promised: bool,
    /// The user said how many samples are enough: quantiles of fewer than they take are judged, too.
    pub(super) any_quantile: bool,
    /// A scan that took long is not run again before.
    pub(super) rests_until: Option<Instant>,
    /// What to do, for people.
    pub(super) advice: Arc<str>,
    /// Its plan, from its first run on. Making one costs as much as most runs.
    pub(super) statement: Option<Arc<Statement>>,
    /// The window of its last run, and what that gave.
    pub(super) last: Option<(Window, Arc<Vec<Judged>>)>,
    /// Its keys, by the ids of their findings.
    pub(super) keys: HashMap<String, Kept>,
}

impl Prepared {
    /// Whether it reads when keys fire.
    pub(super) fn reads_firings(&self) -> bool {
        self.definition.sql.contains("firings")
    }

    /// Whether it reads raw rows.
    pub(super) fn scans(&self) -> bool {
        self.definition.finding.as_ref().is_some_and(|finding| finding.scan)
    }
}

/// A finding pipeline with its limits; `None` for one that is not to be judged.
pub(super) fn prepare(definition: &PipelineDef, settings: &EvaluatorSettings) -> Option<Prepared> {
    let mut definition = definition.clone();
    let mut params = definition.params.clone();
    let mut finding = definition.finding.take()?;
    let mut of_user = Limits::default();
    let limits = settings.alerting.iter().find(|limits| Some(&limits.key) == finding.alerting.as_ref());
    if let Some(limits) = limits {
        // A warning that the user left out is none; how bad something can get is not left out with the critical limit.
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
    // Statements that judge by more than the window need to know when that holds too little.
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

/// The first paragraph of the prose, on one line.
fn advice(prose: &str) -> String {
    let paragraph = prose.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the budget that a key is of is there, and the key within its patterns; true of a key that is of none. What
/// nobody judges any more would else fire for ever.
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
