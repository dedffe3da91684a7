//! Findings: each row of a pipeline is evaluated as a key with its own state.
//!
//! Only a row within its limit resolves a finding. A missing key or a run that failed or timed out changes nothing but
//! `no_data`, with one exception: for a finding over traffic with `no_data: resolve`, a key that is missing because its
//! traffic has ended ends like one within its limit, with the reason in `ended`. A run that failed or lags behind ends
//! nothing there either, because it has no missing keys. A firing key with too few samples in its window is judged by
//! all samples since it began, for up to an hour; if these are too few as well, it ends like one without traffic.
//!
//! A row can have more than its value: `warning`, `critical` and `samples_min` override the front-matter (and the user's
//! settings override both). A row with `explained_by` does not fire beside the finding that it names; if it already fires, it
//! ends like one within its limit, or at once if the row has `explained_at_once`. Pipelines are evaluated in their order; one
//! that begins to fire together with a later one is evaluated again, because the later one may explain it.

mod cpu;
mod filling;
mod firings;
mod history;
mod message;
mod prepared;
mod state;
mod threshold;

#[cfg(test)]
mod tests;

use super::apart::Apart;
use super::error_text::line;
use super::functions::with_any_quantile;
use super::outcome::json_rows;
use super::run::{Statement, Window, readable};
use crate::model::finding::Finding;
use crate::model::pipeline::{PipelineDef, PipelineKind};
use datafusion::prelude::SessionContext;
pub use firings::Firings;
pub use prepared::{EvaluatorSettings, PipelineOverride, SAMPLES_MIN};
use prepared::{Prepared, is_budgeted, prepare};
use state::{Durable, Kept};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use threshold::{Judged, Verdict};

/// Cost of a pipeline's run.
#[derive(Debug, Clone)]
pub struct PipelineRun {
    /// Id of the pipeline.
    pub id: String,
    /// Number of rows read.
    pub rows_read: u64,
    /// Number of rows returned.
    pub rows_written: u64,
    /// Elapsed time.
    pub milliseconds: f64,
    /// Error, if it failed.
    pub error: Option<String>,
}

/// Result of an evaluation.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// All keys, firing ones first.
    pub findings: Vec<Finding>,
    /// States to store, by finding id.
    pub puts: Vec<(String, Vec<u8>)>,
    /// Ids of states to delete.
    pub deletes: Vec<String>,
    /// Cost of each pipeline's run.
    pub runs: Vec<PipelineRun>,
}

impl Evaluation {
    /// Adds the state of a key if what is stored of it has changed.
    fn put(&mut self, id: &str, before: Option<Durable>, kept: &Kept) {
        if before != Some(kept.durable()) {
            self.puts.push((id.to_owned(), kept.to_bytes()));
        }
    }

    /// Number of states to store and to delete.
    fn changes(&self) -> usize {
        self.puts.len() + self.deletes.len()
    }
}

/// Evaluates finding pipelines and keeps the state of each key.
pub struct Evaluator {
    pipelines: Vec<Prepared>,
    /// Names of views, to which the cost of findings that read them is added.
    views: HashSet<String>,
    settings: EvaluatorSettings,
    firings: Firings,
    apart: Apart,
    /// Tables that are still being filled. Pipelines that read one are not evaluated.
    filling: Vec<String>,
}

/// Result of a pipeline's run.
struct Run {
    judged: Vec<Judged>,
    rows_read: u64,
    /// Names of the tables and views that it read.
    names: Vec<String>,
    /// CPU time, if the system reports it.
    computed: Option<Duration>,
}

/// Selects the pipelines that an evaluation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// All except resting scans.
    All,
    /// Those with a new window since their last run. The last result of the others is judged again, because time passes.
    Moved,
}

/// A pipeline that reads raw rows (`scan: true`) rests for this many times its CPU time, which limits it to two percent
/// of a core.
const SCAN_REST: u32 = 50;
/// Longest window for a firing key with too few samples in its own window, ms.
const SPARSE_WINDOW_MS: i64 = 3_600_000;
/// Alignment of the start of such windows, ms.
const SPARSE_GRID_MS: i64 = 300_000;
/// Window of the finest rollups, ms: only complete ones are judged.
const FINE_MS: i64 = 10_000;
/// Minimum rest.
const SCAN_REST_MIN: Duration = Duration::from_secs(30);
/// Scans that take less do not rest.
const SCAN_SHORT: Duration = Duration::from_millis(100);

impl Evaluator {
    /// Creates an evaluator of the finding pipelines in `pipelines`, with the states `restored` from an earlier process.
    #[must_use]
    pub fn new(pipelines: &[PipelineDef], settings: EvaluatorSettings, restored: &[(String, Vec<u8>)]) -> Evaluator {
        let views = pipelines.iter().filter(|pipeline| pipeline.kind == PipelineKind::View);
        let views = views.map(|view| view.id.clone()).collect();
        let mut pipelines: Vec<Prepared> =
            pipelines.iter().filter_map(|definition| prepare(definition, &settings)).collect();
        for (id, bytes) in restored {
            let Ok(kept) = serde_json::from_slice::<Kept>(bytes) else { continue };
            let of = |prepared: &&mut Prepared| prepared.definition.id == kept.finding.pipeline;
            let prepared = pipelines.iter_mut().find(of);
            let judged =
                prepared.filter(|prepared| is_budgeted(&prepared.definition, &kept.finding, &settings.budgets));
            if let Some(prepared) = judged {
                prepared.keys.insert(id.clone(), kept);
            }
        }
        let evaluator = Evaluator {
            pipelines,
            views,
            settings,
            firings: Firings::default(),
            apart: Apart::default(),
            filling: Vec::new(),
        };
        evaluator.pipelines.iter().for_each(|prepared| evaluator.publish(prepared));
        evaluator
    }

    /// Returns when each key fired, for the table that pipelines read.
    #[must_use]
    pub fn firings(&self) -> Firings {
        self.firings.clone()
    }

    /// Shows later pipelines the firings of an earlier one.
    fn publish(&self, prepared: &Prepared) {
        self.firings.publish(&prepared.definition.id, prepared.keys.values());
    }

    /// Returns whether a key exists.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.pipelines.iter().any(|prepared| prepared.keys.contains_key(id))
    }

    /// Returns all keys, firing ones first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let keys = self.pipelines.iter().flat_map(|prepared| prepared.keys.values());
        let mut findings: Vec<Finding> = keys.map(|kept| kept.finding.clone()).collect();
        findings.sort_by(message::for_people);
        findings
    }

    /// Runs every pipeline at the time `now_ms` and updates the state of each key.
    pub async fn evaluate(&mut self, context: &SessionContext, now_ms: i64) -> Evaluation {
        self.evaluate_due(context, now_ms, Due::All).await
    }

    /// Like `evaluate`, for the pipelines that are due.
    pub async fn evaluate_due(&mut self, context: &SessionContext, now_ms: i64, due: Due) -> Evaluation {
        let mut evaluation = Evaluation::default();
        let any_quantile = self.pipelines.iter().any(|prepared| prepared.any_quantile);
        let any_quantile = any_quantile.then(|| with_any_quantile(context));
        let mut again = HashSet::new();
        for index in 0..self.pipelines.len() {
            if due == Due::Moved && self.judge_again(index, now_ms, &mut evaluation) {
                again.insert(index);
                continue;
            }
            self.evaluate_one(index, (context, any_quantile.as_ref()), now_ms, &mut evaluation).await;
        }
        for index in self.overtaken(now_ms, &again) {
            self.evaluate_one(index, (context, any_quantile.as_ref()), now_ms, &mut evaluation).await;
        }
        evaluation.findings = self.findings();
        evaluation
    }

    /// Judges the last result of a pipeline again if its window is the same or it rests. Returns false if it has to run.
    fn judge_again(&mut self, index: usize, now_ms: i64, evaluation: &mut Evaluation) -> bool {
        let window = self.window(index, now_ms);
        let prepared = &self.pipelines[index];
        let rests = prepared.rests_until.is_some_and(|until| Instant::now() < until);
        // A pipeline that reads `firings` may thus see them a window late; `overtaken` runs it again where that matters.
        let last = prepared.last.as_ref().filter(|(last, _)| rests || *last == window);
        let Some(judged) = last.map(|(_, judged)| judged.clone()) else { return false };
        self.apply(index, &judged, false, now_ms, evaluation);
        true
    }

    /// Runs a pipeline and updates its keys. `contexts` are the session, and one that allows quantiles of any count.
    async fn evaluate_one(
        &mut self,
        index: usize,
        contexts: (&SessionContext, Option<&SessionContext>),
        now_ms: i64,
        evaluation: &mut Evaluation,
    ) {
        let began = Instant::now();
        if self.pipelines[index].rests_until.is_some_and(|until| began < until) {
            return;
        }
        let window = self.window(index, now_ms);
        let wanted = contexts.1.filter(|_| self.pipelines[index].any_quantile);
        let context = wanted.unwrap_or(contexts.0);
        if !self.filling.is_empty() && self.reads_filling(index, context).await {
            return;
        }
        let outcome = self.judge_all(index, context, window).await;
        let took = began.elapsed();
        // On a busy machine most of the elapsed time is waiting, which costs nothing.
        let computed = outcome.as_ref().ok().and_then(|run| run.computed).unwrap_or(took);
        let milliseconds = took.as_secs_f64() * 1000.0;
        let prepared = &mut self.pipelines[index];
        prepared.rests_until = (prepared.scans() && computed > SCAN_SHORT)
            .then(|| began + took + (computed * SCAN_REST).max(SCAN_REST_MIN));
        prepared.last = None;
        let id = prepared.definition.id.clone();
        let mut cost = PipelineRun { id, rows_read: 0, rows_written: 0, milliseconds, error: None };
        match outcome {
            Ok(Run { judged, rows_read, names, .. }) => {
                let judged = Arc::new(judged);
                self.pipelines[index].last = Some((window, judged.clone()));
                cost.rows_read = rows_read;
                cost.rows_written = judged.len() as u64;
                self.apply(index, &judged, true, now_ms, evaluation);
                let views = names.into_iter().filter(|name| self.views.contains(name));
                evaluation.runs.extend(views.map(|id| PipelineRun { id, ..cost.clone() }));
            }
            Err(error) => cost.error = Some(error),
        }
        evaluation.runs.push(cost);
    }

    /// Returns the pipelines that read `firings` and began to fire in this evaluation without seeing all firings: a later
    /// pipeline began to fire, too, or their rows are from an earlier evaluation (`again`). Another finding may explain them,
    /// so they run again to avoid alerts for both.
    fn overtaken(&self, now_ms: i64, again: &HashSet<usize>) -> Vec<usize> {
        let begins =
            |prepared: &Prepared| prepared.keys.values().any(|kept| kept.finding.firing_since_ms == Some(now_ms));
        let begun: Vec<usize> = (0..self.pipelines.len()).filter(|index| begins(&self.pipelines[*index])).collect();
        let last = begun.last().copied();
        let is_blind = |index: &usize| Some(*index) != last || again.contains(index);
        begun.into_iter().filter(is_blind).filter(|index| self.pipelines[*index].reads_firings()).collect()
    }

    /// Returns the window that a pipeline judges at `now_ms`.
    fn window(&self, index: usize, now_ms: i64) -> Window {
        // A finest window that has just begun misses half of its rows.
        let end_ms = (now_ms - self.settings.lag_ms).div_euclid(FINE_MS) * FINE_MS;
        // If the window is not a multiple of theirs, include all rows that overlap it.
        let start_ms = (end_ms - self.pipelines[index].definition.window_ms).div_euclid(FINE_MS) * FINE_MS;
        Window { start_ms, end_ms }
    }

    /// Runs a pipeline over a window.
    ///
    /// A firing key with too few samples in its window is judged by all samples since it exceeded its limit, for up to
    /// an hour, because it would fire forever if traffic became sparse. Earlier samples are excluded, because they
    /// could hide the fault.
    async fn judge_all(&mut self, index: usize, context: &SessionContext, window: Window) -> Result<Run, String> {
        let end_ms = window.end_ms;
        let mut run = self.judge(index, context, window).await?;
        let sparse = run.judged.iter().filter_map(|row| Some((row.id.clone(), self.since_past(index, row, window)?)));
        let sparse: HashMap<String, i64> = sparse.collect();
        let starts: BTreeSet<i64> = sparse.values().copied().collect();
        for start_ms in starts {
            let more = self.judge(index, context, Window { start_ms, end_ms }).await?;
            run.rows_read += more.rows_read;
            run.computed = run.computed.zip(more.computed).map(|(some, more)| some + more);
            let longer: HashMap<String, Judged> = more.judged.into_iter().map(|row| (row.id.clone(), row)).collect();
            for judged in run.judged.iter_mut().filter(|judged| sparse.get(&judged.id) == Some(&start_ms)) {
                match longer.get(&judged.id) {
                    // The key was within its limit just now, and the longer window includes the fault.
                    Some(row) if matches!(row.verdict, Verdict::Past(_)) && self.is_recovering(index, &row.id) => {}
                    Some(row) if row.verdict != Verdict::NoData => *judged = row.clone(),
                    _ if end_ms - start_ms >= SPARSE_WINDOW_MS => judged.too_few_in_ms = Some(SPARSE_WINDOW_MS),
                    _ => {}
                }
            }
        }
        Ok(run)
    }

    /// Returns the start of the longer window by which to judge a row, if its key fires and has too few, but some
    /// samples; `None` if its own window is longer. Aligned, so that few windows serve all keys.
    fn since_past(&self, index: usize, judged: &Judged, window: Window) -> Option<i64> {
        let kept = self.pipelines[index].keys.get(&judged.id);
        let kept = kept.filter(|_| judged.verdict == Verdict::NoData && judged.samples > 0)?;
        let from_ms = (kept.fired.open_from_ms()? + SPARSE_GRID_MS - 1).div_euclid(SPARSE_GRID_MS) * SPARSE_GRID_MS;
        let start_ms = from_ms.max(window.end_ms - SPARSE_WINDOW_MS);
        (start_ms < window.start_ms).then_some(start_ms)
    }

    /// Returns whether a firing key was within its limit at its last evaluation.
    fn is_recovering(&self, index: usize, id: &str) -> bool {
        let recovering = self.pipelines[index].keys.get(id).and_then(|kept| kept.finding.recovering);
        recovering.is_some_and(|recovering| recovering.value.is_some())
    }

    async fn judge(&mut self, index: usize, context: &SessionContext, window: Window) -> Result<Run, String> {
        let Prepared { definition, params, limits, statement, .. } = &self.pipelines[index];
        let (context, sql, values) = (context.clone(), definition.sql.clone(), params.clone());
        let planned = statement.clone().filter(|planned| planned.is_in(&context));
        let running = self.apart.run(&definition.id, self.settings.timeout, async move {
            let before = cpu::used();
            let statement = match planned {
                Some(planned) => planned,
                None => Arc::new(Statement::optimized(&context, &sql, &values).await?),
            };
            let outcome = statement.bind(&values, Some(window))?.run().await?;
            let computed = before.and_then(|before| cpu::used()?.checked_sub(before));
            Ok((outcome, statement, computed))
        });
        let (outcome, statement, computed) = running.await.map_err(|late| late.to_string())?;
        let names = statement.names();
        let rows = json_rows(&outcome.batches).map_err(|error| line(&error))?;
        let sql = readable(definition, params, window).into();
        let judged =
            rows.into_iter().map(|row| Judged::of(definition, row, (&sql, window.start_ms), *limits)).collect();
        self.pipelines[index].statement = Some(statement);
        Ok(Run { judged, rows_read: outcome.rows_read, names, computed })
    }

    /// Updates the keys that were judged, then the missing keys of the pipeline. `is_new` is false if the same rows
    /// were judged before.
    fn apply(&mut self, index: usize, judged: &[Judged], is_new: bool, now_ms: i64, evaluation: &mut Evaluation) {
        let changes = evaluation.changes();
        let Prepared { definition, limits, promised, advice, keys, .. } = &mut self.pipelines[index];
        let mut nothing = None;
        if *promised {
            let none = Judged::nothing(definition, *limits);
            if judged.is_empty() && keys.keys().all(|id| *id == none.id) {
                nothing = Some(none);
            } else if judged.iter().all(|judged| judged.id != none.id) && keys.remove(&none.id).is_some() {
                evaluation.deletes.push(none.id);
            }
        }
        let judged: Vec<&Judged> = judged.iter().chain(&nothing).collect();
        for judged in &judged {
            let (id, before) = match keys.remove_entry(&judged.id) {
                Some((id, kept)) => (id, Some(kept)),
                None => (judged.id.clone(), None),
            };
            let durable = before.as_ref().map(Kept::durable);
            let mut moved = state::advance(definition, before, judged, now_ms);
            moved.finding.advice = advice.clone();
            evaluation.put(&id, durable, &moved);
            keys.insert(id, moved);
        }
        let seen: HashSet<&str> = judged.iter().map(|judged| judged.id.as_str()).collect();
        let missing: Vec<String> = keys.keys().filter(|id| !seen.contains(id.as_str())).cloned().collect();
        for id in missing {
            let Some(before) = keys.remove(&id) else { continue };
            let durable = before.durable();
            if let Some(moved) = state::miss(definition, before, now_ms) {
                evaluation.put(&id, Some(durable), &moved);
                keys.insert(id, moved);
            } else {
                evaluation.deletes.push(id);
            }
        }
        if is_new || evaluation.changes() != changes {
            self.publish(&self.pipelines[index]);
        }
    }
}
