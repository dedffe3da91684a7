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
//! the user's own over both), and a row with `explained_by` does not fire beside the finding that it names. One that fires
//! already ends like one inside its limit, or at once where the row says `explained_at_once`. Pipelines are judged in their
//! order; one that begins to fire together with a later one is judged again, for that one may explain it.

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
use state::Kept;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use threshold::{Judged, Verdict};

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
    firings: Firings,
    apart: Apart,
    /// Tables that hold a part of their rows only. What reads one is not judged.
    filling: Vec<String>,
}

/// What a pipeline's run gave.
struct Run {
    judged: Vec<Judged>,
    rows_read: u64,
    /// The names under which it read.
    names: Vec<String>,
    /// What it computed, where the system tells.
    computed: Option<Duration>,
}

/// Which pipelines an evaluation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// All but scans that rest.
    All,
    /// Those whose window has moved since their last run; of the others the last result is judged again, for time goes on.
    Moved,
}

/// What reads raw rows (`scan: true`) costs more the more there are: it rests this many times as long as it computed, so
/// that it never takes more than two hundredths of a core.
const SCAN_REST: u32 = 50;
/// The longest window of a key that fires and has too few samples in its own, ms.
const SPARSE_WINDOW_MS: i64 = 3_600_000;
/// Such windows begin at multiples of this, ms.
const SPARSE_GRID_MS: i64 = 300_000;
/// Windows of the finest rollups, ms: only whole ones are judged.
const FINE_MS: i64 = 10_000;
/// And so long at least.
const SCAN_REST_MIN: Duration = Duration::from_secs(30);
/// A scan that took less need not rest.
const SCAN_SHORT: Duration = Duration::from_millis(100);

impl Evaluator {
    /// Takes the finding pipelines out of `pipelines`; `restored` are the states that an earlier process put.
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
        let publish = |prepared: &Prepared| evaluator.firings.publish(&prepared.definition.id, prepared.keys.values());
        evaluator.pipelines.iter().for_each(publish);
        evaluator
    }

    /// When each key fired, for the table that pipelines read.
    #[must_use]
    pub fn firings(&self) -> Firings {
        self.firings.clone()
    }

    fn keys(&self) -> impl Iterator<Item = &Kept> {
        self.pipelines.iter().flat_map(|prepared| prepared.keys.values())
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.pipelines.iter().any(|prepared| prepared.keys.contains_key(id))
    }

    /// All keys, those firing first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.keys().map(|kept| kept.finding.clone()).collect();
        findings.sort_by(message::for_people);
        findings
    }

    /// Runs every pipeline at the moment `now_ms` and moves the state of each key.
    pub async fn evaluate(&mut self, context: &SessionContext, now_ms: i64) -> Evaluation {
        self.evaluate_due(context, now_ms, Due::All).await
    }

    /// The same for the pipelines that are due.
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

    /// Judges the last result of a pipeline again if its window has not moved since, or it rests; false where it is to run.
    fn judge_again(&mut self, index: usize, now_ms: i64, evaluation: &mut Evaluation) -> bool {
        let window = self.window(index, now_ms);
        let prepared = &self.pipelines[index];
        let rests = prepared.rests_until.is_some_and(|until| Instant::now() < until);
        // What reads when keys fire may see that a window late; `overtaken` runs again what must not.
        let last = prepared.last.as_ref().filter(|(last, _)| rests || *last == window);
        let Some(judged) = last.map(|(_, judged)| judged.clone()) else { return false };
        self.apply(index, (&judged, false), now_ms, evaluation);
        true
    }

    /// Runs a pipeline and moves the state of its keys. `contexts` are the session, and the one for quantiles of any count.
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
        // On a busy machine waiting is most of it, and costs nobody anything.
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
                self.apply(index, (&judged, true), now_ms, evaluation);
                let views = names.into_iter().filter(|name| self.views.contains(name));
                evaluation.runs.extend(views.map(|id| PipelineRun { id, ..cost.clone() }));
            }
            Err(error) => cost.error = Some(error),
        }
        evaluation.runs.push(cost);
    }

    /// Pipelines that read what fires, and have begun to fire in this evaluation without seeing all of it: one that is judged
    /// after them has begun, too, or their rows are those of an earlier evaluation (`again`). Another finding may explain
    /// them, so they are run again, so that no alert is sent for both.
    fn overtaken(&self, now_ms: i64, again: &HashSet<usize>) -> Vec<usize> {
        let begins =
            |prepared: &Prepared| prepared.keys.values().any(|kept| kept.finding.firing_since_ms == Some(now_ms));
        let begun: Vec<usize> = (0..self.pipelines.len()).filter(|index| begins(&self.pipelines[*index])).collect();
        let last = begun.last().copied();
        let is_blind = |index: &usize| Some(*index) != last || again.contains(index);
        begun.into_iter().filter(is_blind).filter(|index| self.pipelines[*index].reads_firings()).collect()
    }

    /// The window that a pipeline judges at a moment.
    fn window(&self, index: usize, now_ms: i64) -> Window {
        // A row of the finest rollup that has just begun would be judged by half of what it will hold.
        let end_ms = (now_ms - self.settings.lag_ms).div_euclid(FINE_MS) * FINE_MS;
        // Of a window that is no multiple of theirs, all rows that reach into it.
        let start_ms = (end_ms - self.pipelines[index].definition.window_ms).div_euclid(FINE_MS) * FINE_MS;
        Window { start_ms, end_ms }
    }

    /// Runs a pipeline over a window.
    ///
    /// A key that fires and has too few samples in its window is judged by all since it went past its limit, an hour at
    /// most: with traffic that has become sparse it would fire for ever. What came in before must not speak for it.
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
                    // What recovers was inside its limit just now: this window holds the fault itself.
                    Some(row) if matches!(row.verdict, Verdict::Past(_)) && self.is_recovering(index, &row.id) => {}
                    Some(row) if row.verdict != Verdict::NoData => *judged = row.clone(),
                    _ if end_ms - start_ms >= SPARSE_WINDOW_MS => judged.too_few_in_ms = Some(SPARSE_WINDOW_MS),
                    _ => {}
                }
            }
        }
        Ok(run)
    }

    /// Where the longer window begins by which a row is to be judged: that of a key that fires and has samples, but too
    /// few. `None` for any other, and where its own window is the longer one. On a grid, so that few windows serve all.
    fn since_past(&self, index: usize, judged: &Judged, window: Window) -> Option<i64> {
        let kept = self.pipelines[index].keys.get(&judged.id);
        let kept = kept.filter(|_| judged.verdict == Verdict::NoData && judged.samples > 0)?;
        let from_ms = (kept.fired.open_from_ms()? + SPARSE_GRID_MS - 1).div_euclid(SPARSE_GRID_MS) * SPARSE_GRID_MS;
        let start_ms = from_ms.max(window.end_ms - SPARSE_WINDOW_MS);
        (start_ms < window.start_ms).then_some(start_ms)
    }

    /// Whether a key that fires was inside its limit when it was last judged.
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
                None => Arc::new(Statement::plan(&context, &sql).await?),
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

    /// Moves the keys that were judged, then those of the pipeline that were not. `is_new` where they were not judged by the
    /// same rows before.
    fn apply(&mut self, index: usize, (judged, is_new): (&[Judged], bool), now_ms: i64, evaluation: &mut Evaluation) {
        let mut moved_any = is_new;
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
            if durable != Some(moved.durable()) {
                evaluation.puts.push((id.clone(), moved.to_bytes()));
                moved_any = true;
            }
            keys.insert(id, moved);
        }
        let seen: HashSet<&str> = judged.iter().map(|judged| judged.id.as_str()).collect();
        let missing: Vec<String> = keys.keys().filter(|id| !seen.contains(id.as_str())).cloned().collect();
        for id in missing {
            let Some(before) = keys.remove(&id) else { continue };
            let durable = before.durable();
            match state::miss(definition, before, now_ms) {
                Some(moved) => {
                    if durable != moved.durable() {
                        evaluation.puts.push((id.clone(), moved.to_bytes()));
                        moved_any = true;
                    }
                    keys.insert(id, moved);
                }
                None => {
                    evaluation.deletes.push(id);
                    moved_any = true;
                }
            }
        }
        // What is judged next sees what was judged before it.
        if moved_any {
            self.firings.publish(&self.pipelines[index].definition.id, self.pipelines[index].keys.values());
        }
    }
}
