//! Findings: the rows that a pipeline evaluated become judged keys, each with a state of its own.
//!
//! Only an evaluated row inside its limit resolves a finding. A key that is missing, a run that failed or timed out,
//! changes nothing but `no_data`. One thing is excepted: a finding over traffic says `no_data: resolve`, and a key of it
//! that is missing because its traffic has ended ends as if it were inside its limit, with the reason in `ended`. A run
//! that failed, or that lags behind, ends nothing there either, for then no key is missing. A key that fires and has too
//! few samples in its window is judged by all since then, an hour at most; where that has too few, too, it ends like one
//! without traffic.
//!
//! A row may say more of itself than its value: `warning`, `critical` and `samples_min` win over the front-matter (and
//! the user's own over both), and a row with `explained_by` does not fire beside the finding that it names.

mod cpu;
mod firings;
mod history;
mod judge;
mod message;
mod state;

#[cfg(test)]
mod tests;

use super::apart::Apart;
use super::error_text::line;
use super::functions::{fits, with_any_quantile};
use super::outcome::json_rows;
use super::run::{Statement, Window, readable};
use crate::model::budget::{AlertLimit, Budget};
use crate::model::finding::Finding;
use crate::model::pipeline::{Direction, Param, PipelineDef, PipelineKind};
use datafusion::prelude::SessionContext;
pub use firings::Firings;
use judge::{Judged, Limits, Verdict};
use state::Kept;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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

/// What a pipeline's run cost.
#[derive(Debug, Clone)]
pub struct PipelineRun {
    /// The pipeline.
    pub id: String,
    /// Rows that it read.
    pub rows_read: u64,
    /// Rows that it gave.
    pub rows_written: u64,
    /// Time that it took.
    pub milliseconds: f64,
    /// Why it failed.
    pub error: Option<String>,
}

/// What an evaluation gave.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// All keys, those firing first.
    pub findings: Vec<Finding>,
    /// States to keep over a restart, by finding id.
    pub puts: Vec<(String, Vec<u8>)>,
    /// States that are no longer kept.
    pub deletes: Vec<String>,
    /// What each pipeline's run cost.
    pub runs: Vec<PipelineRun>,
}

/// Evaluates finding pipelines and keeps the state of each key.
pub struct Evaluator {
    pipelines: Vec<Prepared>,
    /// Views, by name: a finding that reads one costs it.
    views: HashSet<String>,
    settings: EvaluatorSettings,
    keys: HashMap<String, Kept>,
    firings: Firings,
    apart: Apart,
}

/// The judged rows, how many rows were read for them, the names under which, and what it computed.
type Run = (Vec<Judged>, u64, Vec<String>, Option<Duration>);

/// A pipeline with the user's changes applied.
struct Prepared {
    definition: PipelineDef,
    params: BTreeMap<String, Param>,
    /// Limits out of `alerting` or of the user's changes, which win over those of the rows.
    limits: Limits,
    /// It is judged by limits out of `alerting`: without any row it has no data, and must not pass in silence.
    promised: bool,
    /// The user said how many samples are enough: quantiles of fewer than they take are judged, too.
    any_quantile: bool,
    /// A scan that took long is not run again before.
    rests_until: Option<Instant>,
}

/// What reads raw rows (`scan: true`) costs more the more there are: it rests this many times as long as it computed, so
/// that it never takes more than two hundredths of a core.
const SCAN_REST: u32 = 50;
/// The longest window of a key that fires and has too few samples in its own, ms.
const SPARSE_WINDOW_MS: i64 = 3_600_000;
/// Such windows begin at multiples of this, ms.
const SPARSE_GRID_MS: i64 = 300_000;
/// The parameter of every finding's statement that holds its `samples_min`.
pub const SAMPLES_MIN: &str = "samples_min";
/// Windows of the finest rollups, ms: only whole ones are judged.
const FINE_MS: i64 = 10_000;
/// A scan that took less need not rest.
const SCAN_SHORT: Duration = Duration::from_millis(100);

impl Evaluator {
    /// Takes the finding pipelines out of `pipelines`; `restored` are the states that an earlier process put.
    #[must_use]
    pub fn new(pipelines: &[PipelineDef], settings: EvaluatorSettings, restored: &[(String, Vec<u8>)]) -> Evaluator {
        let views = pipelines.iter().filter(|pipeline| pipeline.kind == PipelineKind::View);
        let views = views.map(|view| view.id.clone()).collect();
        let pipelines: Vec<Prepared> =
            pipelines.iter().filter_map(|definition| prepare(definition, &settings)).collect();
        let judged = |kept: &Kept| {
            let finding = &kept.finding;
            let prepared = pipelines.iter().find(|prepared| prepared.definition.id == finding.pipeline);
            prepared.is_some_and(|prepared| is_budgeted(&prepared.definition, finding, &settings.budgets))
        };
        let keys = restored
            .iter()
            .filter_map(|(id, bytes)| Some((id.clone(), serde_json::from_slice::<Kept>(bytes).ok()?)))
            .filter(|(_, kept)| judged(kept))
            .collect();
        let evaluator =
            Evaluator { pipelines, views, settings, keys, firings: Firings::default(), apart: Apart::default() };
        evaluator.pipelines.iter().for_each(|prepared| evaluator.publish(&prepared.definition.id));
        evaluator
    }

    /// When each key fired, for the table that pipelines read.
    #[must_use]
    pub fn firings(&self) -> Firings {
        self.firings.clone()
    }

    /// What is judged next sees what was judged before it.
    fn publish(&self, pipeline: &str) {
        self.firings.publish(pipeline, self.keys.values().filter(|kept| kept.finding.pipeline == pipeline));
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    /// All keys, those firing first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.keys.values().map(|kept| kept.finding.clone()).collect();
        findings.sort_by(message::for_people);
        findings
    }

    /// Runs every pipeline at the moment `now_ms` and moves the state of each key.
    pub async fn evaluate(&mut self, context: &SessionContext, now_ms: i64) -> Evaluation {
        let mut evaluation = Evaluation::default();
        let any_quantile = self.pipelines.iter().any(|prepared| prepared.any_quantile);
        let any_quantile = any_quantile.then(|| with_any_quantile(context));
        for index in 0..self.pipelines.len() {
            let began = Instant::now();
            if self.pipelines[index].rests_until.is_some_and(|until| began < until) {
                continue;
            }
            let wanted = any_quantile.as_ref().filter(|_| self.pipelines[index].any_quantile);
            let outcome = self.judge_all(index, wanted.unwrap_or(context), now_ms).await;
            let took = began.elapsed();
            // On a busy machine waiting is most of it, and costs nobody anything.
            let computed = outcome.as_ref().ok().and_then(|(.., computed)| *computed).unwrap_or(took);
            let milliseconds = took.as_secs_f64() * 1000.0;
            let prepared = &mut self.pipelines[index];
            let scans = prepared.definition.finding.as_ref().is_some_and(|finding| finding.scan);
            prepared.rests_until = (scans && computed > SCAN_SHORT).then(|| began + took + computed * SCAN_REST);
            let id = self.pipelines[index].definition.id.clone();
            let mut cost = PipelineRun { id, rows_read: 0, rows_written: 0, milliseconds, error: None };
            match outcome {
                Ok((judged, rows_read, names, _)) => {
                    cost.rows_read = rows_read;
                    cost.rows_written = judged.len() as u64;
                    self.apply(index, judged, now_ms, &mut evaluation);
                    self.publish(&self.pipelines[index].definition.id);
                    let views = names.into_iter().filter(|name| self.views.contains(name));
                    evaluation.runs.extend(views.map(|id| PipelineRun { id, ..cost.clone() }));
                }
                Err(error) => cost.error = Some(error),
            }
            evaluation.runs.push(cost);
        }
        evaluation.findings = self.findings();
        evaluation
    }

    /// The judged rows, how many rows were read for them, the names under which, and what it computed.
    ///
    /// A key that fires and has too few samples in its window is judged by all since it went past its limit, an hour at
    /// most: with traffic that has become sparse it would fire for ever. What came in before must not speak for it.
    async fn judge_all(&self, index: usize, context: &SessionContext, now_ms: i64) -> Result<Run, String> {
        let window_ms = self.pipelines[index].definition.window_ms;
        // A row of the finest rollup that has just begun would be judged by half of what it will hold.
        let end_ms = (now_ms - self.settings.lag_ms).div_euclid(FINE_MS) * FINE_MS;
        // Of a window that is no multiple of theirs, all rows that reach into it.
        let start_ms = (end_ms - window_ms).div_euclid(FINE_MS) * FINE_MS;
        let window = Window { start_ms, end_ms };
        let (mut judged, mut rows_read, names, mut computed) = self.judge(index, context, window).await?;
        let sparse = judged.iter().filter_map(|row| Some((row.id.clone(), self.since_past(row, window)?)));
        let sparse: HashMap<String, i64> = sparse.collect();
        let starts: BTreeSet<i64> = sparse.values().copied().collect();
        for start_ms in starts {
            let (longer, more_read, _, more_computed) = self.judge(index, context, Window { start_ms, end_ms }).await?;
            rows_read += more_read;
            computed = computed.zip(more_computed).map(|(some, more)| some + more);
            let longer: HashMap<String, Judged> = longer.into_iter().map(|row| (row.id.clone(), row)).collect();
            for judged in judged.iter_mut().filter(|judged| sparse.get(&judged.id) == Some(&start_ms)) {
                match longer.get(&judged.id) {
                    // What recovers was inside its limit just now: this window holds the fault itself.
                    Some(row) if matches!(row.verdict, Verdict::Past(_)) && self.is_recovering(&row.id) => {}
                    Some(row) if row.verdict != Verdict::NoData => *judged = row.clone(),
                    _ if end_ms - start_ms >= SPARSE_WINDOW_MS => judged.too_few_in_ms = Some(SPARSE_WINDOW_MS),
                    _ => {}
                }
            }
        }
        Ok((judged, rows_read, names, computed))
    }

    /// Where the longer window begins by which a row is to be judged: that of a key that fires and has samples, but too
    /// few. `None` for any other, and where its own window is the longer one. On a grid, so that few windows serve all.
    fn since_past(&self, judged: &Judged, window: Window) -> Option<i64> {
        let kept = self.keys.get(&judged.id).filter(|_| judged.verdict == Verdict::NoData && judged.samples > 0)?;
        let from_ms = (kept.fired.open_from_ms()? + SPARSE_GRID_MS - 1).div_euclid(SPARSE_GRID_MS) * SPARSE_GRID_MS;
        let start_ms = from_ms.max(window.end_ms - SPARSE_WINDOW_MS);
        (start_ms < window.start_ms).then_some(start_ms)
    }

    /// Whether a key that fires was inside its limit when it was last judged.
    fn is_recovering(&self, id: &str) -> bool {
        let recovering = self.keys.get(id).and_then(|kept| kept.finding.recovering);
        recovering.is_some_and(|recovering| recovering.value.is_some())
    }

    async fn judge(&self, index: usize, context: &SessionContext, window: Window) -> Result<Run, String> {
        let Prepared { definition, params, limits, .. } = &self.pipelines[index];
        let (context, sql, values) = (context.clone(), definition.sql.clone(), params.clone());
        let running = self.apart.run(&definition.id, self.settings.timeout, async move {
            let before = cpu::used();
            let statement = Statement::plan(&context, &sql).await?.bind(&values, Some(window))?;
            let outcome = statement.run().await?;
            let computed = before.and_then(|before| cpu::used()?.checked_sub(before));
            Ok((outcome, statement.names(), computed))
        });
        let (outcome, names, computed) = running.await.map_err(|late| late.to_string())?;
        let rows = json_rows(&outcome.batches).map_err(|error| line(&error))?;
        let sql = readable(definition, params, window);
        let judged =
            rows.into_iter().map(|row| Judged::of(definition, row, (&sql, window.start_ms), *limits)).collect();
        Ok((judged, outcome.rows_read, names, computed))
    }

    /// Moves the keys that were judged, then those of the pipeline that were not.
    fn apply(&mut self, index: usize, mut judged: Vec<Judged>, now_ms: i64, evaluation: &mut Evaluation) {
        let Prepared { definition, limits, promised, .. } = &self.pipelines[index];
        if *promised {
            let nothing = Judged::nothing(definition, *limits);
            let others = |(id, kept): (&String, &Kept)| kept.finding.pipeline == definition.id && *id != nothing.id;
            if judged.is_empty() && !self.keys.iter().any(others) {
                judged.push(nothing);
            } else if judged.iter().all(|judged| judged.id != nothing.id) && self.keys.remove(&nothing.id).is_some() {
                evaluation.deletes.push(nothing.id);
            }
        }
        let mut seen = HashSet::new();
        for judged in judged {
            let id = judged.id.clone();
            let before = self.keys.remove(&id);
            let moved = state::advance(definition, before.as_ref(), judged, now_ms);
            if before.is_none_or(|before| moved.differs(&before)) {
                evaluation.puts.push((id.clone(), moved.to_bytes()));
            }
            seen.insert(id.clone());
            self.keys.insert(id, moved);
        }
        let missing: Vec<String> = self
            .keys
            .iter()
            .filter(|(id, kept)| kept.finding.pipeline == definition.id && !seen.contains(*id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in missing {
            let Some(before) = self.keys.remove(&id) else { continue };
            match state::miss(definition, &before, now_ms) {
                Some(moved) => {
                    if moved.differs(&before) {
                        evaluation.puts.push((id.clone(), moved.to_bytes()));
                    }
                    self.keys.insert(id, moved);
                }
                None => evaluation.deletes.push(id),
            }
        }
    }
}

/// A finding pipeline with its limits; `None` for one that is not to be judged.
fn prepare(definition: &PipelineDef, settings: &EvaluatorSettings) -> Option<Prepared> {
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
    Some(Prepared { definition, params, limits: of_user, promised: limits.is_some(), any_quantile, rests_until: None })
}

/// Whether the budget that a key is of is there, and the key within its patterns; true of a key that is of none. What
/// nobody judges any more would else fire for ever.
fn is_budgeted(definition: &PipelineDef, finding: &Finding, budgets: &[Budget]) -> bool {
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
