//! A flush merges the rows after the cursor into partial rows of the rollups. It updates the cursor, the partial rows
//! and the keyed state in one transaction.

use super::apart::{Apart, Late};
use super::error_text::line;
use super::findings::PipelineRun;
use super::functions::metric_spellings;
use super::keyed::counters::Counters;
use super::keyed::new_rows_schema;
use super::keyed::series::LastValues;
use super::logged::LoggedExceptions;
use super::needs;
use super::outcome::Outcome;
use super::panics::{caught, caught_now};
use super::run::Statement;
use super::settings::EngineSettings;
use super::swap_table::SwapTable;
use super::tables::Tables;
use crate::catalog::declared;
use crate::model::fault::Faults;
use crate::model::frame::Position;
use crate::model::pipeline::{PipelineDef, PipelineKind};
use crate::model::self_telemetry::WORK;
use crate::model::table::{TableDef, TableKind};
use crate::state::{State, StateTransaction};
use crate::store::{HotStore, NewRows};
use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument as _;
use tracing::field::Empty;

/// Name of the engine's cursor in the log.
pub const CURSOR: &str = "engine";
/// Kind of the state entries that contain the last points of counters.
pub(crate) const COUNTERS: &str = "counter";
/// Kind of the state entries of the engine itself.
pub(crate) const ENGINE: &str = "engine";
pub(crate) const EPOCH: &str = "epoch_unix_nano";

/// Timeout of a rollup for the rows of one flush.
const ROLLUP_MAX: Duration = Duration::from_mins(1);

/// Reads the rows after a position from the log if they are no longer in memory, as many as fit in memory at once.
pub type Refetch = dyn Fn(Position) -> anyhow::Result<NewRows> + Send + Sync;

/// Runs flushes, one at a time.
pub(crate) struct Flusher {
    cursor: Position,
    store: Arc<HotStore>,
    state: State,
    refetch: Arc<Refetch>,
    context: SessionContext,
    inputs: BTreeMap<String, Input>,
    rollups: Vec<Rollup>,
    apart: Apart,
    pub(crate) counters: Counters,
    pub(crate) last_values: Arc<Mutex<LastValues>>,
    pub(super) logged: Arc<Mutex<LoggedExceptions>>,
}

/// An input table `new_<signal>` of the rollups.
struct Input {
    slot: SwapTable,
    schema: SchemaRef,
}

/// A planned rollup pipeline.
struct Rollup {
    id: String,
    table: String,
    reads: Vec<String>,
    needs: Vec<String>,
    statement: Arc<Statement>,
}

impl Rollup {
    /// Returns whether `new` contains rows that this rollup reads.
    fn has_input(&self, new: &NewRows) -> bool {
        let rows = self.reads.iter().filter_map(|table| new.tables.get(table.as_str()));
        rows.into_iter().any(|batches| needs::is_met(&self.needs, batches))
    }
}

/// Rows that a flush adds to a table.
struct Addition {
    table: String,
    resolution_s: i64,
    batch: RecordBatch,
}

impl Flusher {
    /// Opens a flusher that continues at the stored cursor. Plans the statements in `context`.
    pub(crate) async fn open(
        tables: &Tables,
        pipelines: &[PipelineDef],
        settings: &EngineSettings,
        context: &SessionContext,
        (store, state, refetch): (Arc<HotStore>, State, Arc<Refetch>),
    ) -> anyhow::Result<Flusher> {
        let inputs = inputs(tables.definitions(), context)?;
        let mut counters = Counters::new(settings.counters_max(), epoch(&state).await?);
        for (key, bytes) in state.entries(COUNTERS).await? {
            counters.restore(&key, &bytes);
        }
        let cursor = state.cursor(CURSOR).await?;
        let last_values =
            LastValues::new(settings.series_max, tables.definitions()).with_unknown_starts(counters.unknown_starts());
        let last_values = Arc::new(Mutex::new(last_values));
        let context = context.clone();
        let rollups = Vec::new();
        let logged = Arc::new(Mutex::new(LoggedExceptions::restore(&state).await?));
        let apart = Apart::default();
        let mut flusher =
            Flusher { cursor, store, state, refetch, context, inputs, rollups, apart, counters, last_values, logged };
        flusher.plan(pipelines).await?;
        Ok(flusher)
    }

    /// Position of the newest flushed frame.
    pub(crate) fn cursor(&self) -> Position {
        self.cursor
    }

    /// The session in which statements are planned.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Plans the rollups among `pipelines` and replaces the previous ones.
    pub(crate) async fn plan(&mut self, pipelines: &[PipelineDef]) -> anyhow::Result<()> {
        let (mut rollups, mut faults) = (Vec::new(), Vec::new());
        for pipeline in pipelines.iter().filter(|pipeline| pipeline.kind == PipelineKind::Rollup) {
            let Some(table) = pipeline.table.clone() else { continue };
            let planned = async { Statement::of(&self.context, pipeline).await?.bind(&pipeline.params, None) };
            let statement = Arc::new(planned.await.with_context(|| pipeline.file.clone())?);
            faults.extend(declared::held_against(pipeline, &statement.columns()));
            let (reads, needs) = (pipeline.reads.clone(), pipeline.needs.clone());
            rollups.push(Rollup { id: pipeline.id.clone(), table, reads, needs, statement });
        }
        if !faults.is_empty() {
            return Err(Faults(faults).into());
        }
        self.rollups = rollups;
        self.apart = Apart::default();
        let names = pipelines.iter().flat_map(|pipeline| &pipeline.counters);
        self.counters.count(names.flat_map(|name| metric_spellings(name)).collect());
        Ok(())
    }

    /// Flushes the rows after the cursor into the rollups. Returns the cost of each rollup, or `None` if there are no
    /// new rows.
    pub(crate) async fn flush(&mut self, tables: &Tables) -> anyhow::Result<Option<Vec<PipelineRun>>> {
        let new = self.behind_cursor().await?;
        if new.upto <= self.cursor {
            return Ok(None);
        }
        let rows: usize = new.tables.values().flatten().map(RecordBatch::num_rows).sum();
        let work = tracing::info_span!(target: WORK, "flush", rows, rollups = Empty, failed = Empty, error = Empty);
        let taken = caught(self.take(&new, tables).instrument(work.clone())).await;
        let taken = taken.unwrap_or_else(|panicked| Err(panicked.into()));
        match &taken {
            Ok(costs) => super::costs::note(&work, "rollups", costs),
            Err(error) => {
                work.record("error", format!("{error:#}"));
                self.counters.rollback();
            }
        }
        self.inputs.values().for_each(|input| input.slot.fill(Vec::new()));
        let costs = taken?;
        self.counters.commit();
        self.cursor = new.upto;
        self.keep_last_values(&new);
        self.keep_exceptions(&new);
        self.store.join_read(new.upto);
        if let Err(error) = caught_now(|| self.store.pack(new.upto)) {
            tracing::error!(%error, "received rows are not packed");
        }
        Ok(Some(costs))
    }

    fn keep_last_values(&self, new: &NewRows) {
        let of = |table: &str| new.tables.get(table).into_iter().flatten();
        // Locked per batch, so that a scrape does not wait for all of them.
        let values = || self.last_values.lock();
        let numbers = of("metrics").try_for_each(|batch| caught_now(|| values().metrics(batch)));
        let histograms = of("histograms").try_for_each(|batch| caught_now(|| values().histograms(batch)));
        values().counters_overflowed = self.counters.overflowed;
        if let Err(error) = numbers.and(histograms) {
            tracing::error!(%error, "values of a request are missing from the scrape");
        }
    }

    fn keep_exceptions(&self, new: &NewRows) {
        for batch in new.tables.get("logs").into_iter().flatten() {
            let taken = caught_now(|| self.logged.lock().take(batch));
            if let Err(error) = taken {
                tracing::error!(%error, "exceptions of a request's log records are not remembered");
            }
        }
    }

    async fn behind_cursor(&self) -> anyhow::Result<NewRows> {
        let after = self.cursor;
        match self.store.since(after) {
            Ok(new) => Ok(new),
            Err(_evicted) => {
                let refetch = self.refetch.clone();
                tokio::task::spawn_blocking(move || refetch(after)).await.context("reading the log")?
            }
        }
    }

    async fn take(&mut self, new: &NewRows, tables: &Tables) -> anyhow::Result<Vec<PipelineRun>> {
        self.fill(new)?;
        let (costs, outputs) = self.run(new).await;
        let mut additions = Vec::new();
        for (name, batches) in outputs {
            let Some(table) = tables.rollups.get(&name) else { continue };
            match caught(table.addition(&batches)).await {
                Ok(added) => {
                    let (resolution_s, batch) = added?;
                    additions.push(Addition { table: name, resolution_s, batch });
                }
                Err(panicked) => {
                    let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
                    tracing::error!(table = name, rows, error = %panicked, "rows are missing from a rollup");
                }
            }
        }
        let ids = self.commit(new.upto, &additions).await?;
        for (addition, id) in additions.into_iter().zip(ids) {
            if let Some(table) = tables.rollups.get(&addition.table) {
                table.add(id, addition.resolution_s, addition.batch);
            }
        }
        Ok(costs)
    }

    /// Fills the input tables with the new rows, and adds the increase of counters.
    fn fill(&mut self, new: &NewRows) -> anyhow::Result<()> {
        for (name, input) in &self.inputs {
            let batches = new.tables.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            let mut shown = Vec::with_capacity(batches.len());
            for batch in batches {
                let keyed = caught_now(|| match name.as_str() {
                    "metrics" => self.counters.metrics(batch, &input.schema),
                    "histograms" => self.counters.histograms(batch, &input.schema),
                    _ => Ok(batch.clone()),
                });
                match keyed {
                    Ok(keyed) => shown.push(keyed?),
                    Err(panicked) => {
                        let rows = batch.num_rows();
                        tracing::error!(table = name, rows, error = %panicked, "rows of a request are not counted");
                    }
                }
            }
            input.slot.fill(shown);
        }
        Ok(())
    }

    /// Runs every rollup that reads the new rows. A rollup that fails is reported and does not stop the others.
    async fn run(&self, new: &NewRows) -> (Vec<PipelineRun>, BTreeMap<String, Vec<RecordBatch>>) {
        let mut costs = Vec::new();
        let mut outputs: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
        for rollup in self.rollups.iter().filter(|rollup| rollup.has_input(new)) {
            let began = Instant::now();
            let (done, error) = match self.run_apart(rollup).await {
                Ok(outcome) => (vec![outcome], None),
                Err(late @ (Late::TimedOut(_) | Late::Stuck(_))) => (Vec::new(), Some(late.to_string())),
                Err(Late::Failed(error)) => (self.run_by_batch(rollup).await, Some(line(&error))),
            };
            costs.push(PipelineRun {
                id: rollup.id.clone(),
                rows_read: done.iter().map(|outcome| outcome.rows_read).sum(),
                rows_written: done.iter().map(Outcome::rows).sum(),
                milliseconds: began.elapsed().as_secs_f64() * 1000.0,
                error,
            });
            let batches = done.into_iter().flat_map(|outcome| outcome.batches).filter(|batch| batch.num_rows() > 0);
            outputs.entry(rollup.table.clone()).or_default().extend(batches);
        }
        outputs.retain(|_, batches| !batches.is_empty());
        (costs, outputs)
    }

    /// Retries a failed rollup separately for the rows of each request, so that a bad value costs only the rows of its
    /// own request.
    async fn run_by_batch(&self, rollup: &Rollup) -> Vec<Outcome> {
        let mut done = Vec::new();
        // A join of several tables cannot be retried for a part of the rows.
        let [table] = rollup.reads.as_slice() else { return done };
        let Some(input) = self.inputs.get(table) else { return done };
        let batches = input.slot.batches();
        for batch in &batches {
            input.slot.fill(vec![batch.clone()]);
            match self.run_apart(rollup).await {
                Ok(outcome) => done.push(outcome),
                Err(error) => {
                    let (rollup, rows) = (&rollup.id, batch.num_rows());
                    tracing::warn!(rollup, rows, %error, "rows of a request are missing from a rollup");
                }
            }
        }
        input.slot.fill(batches);
        done
    }

    async fn run_apart(&self, rollup: &Rollup) -> Result<Outcome, Late> {
        let statement = rollup.statement.clone();
        self.apart.run(&rollup.id, ROLLUP_MAX, async move { statement.run().await }).await
    }

    async fn commit(&self, upto: Position, additions: &[Addition]) -> anyhow::Result<Vec<i64>> {
        let mut txn: StateTransaction = self.state.begin().await?;
        txn.set_cursor(CURSOR, upto).await?;
        for (key, bytes) in self.counters.moved() {
            txn.put(COUNTERS, &key, &bytes).await?;
        }
        let mut ids = Vec::with_capacity(additions.len());
        for addition in additions {
            ids.push(txn.add_part(&addition.table, addition.resolution_s, &addition.batch).await?);
        }
        txn.commit().await?;
        Ok(ids)
    }
}

/// Registers the tables `new_<signal>` in `context`.
fn inputs(tables: &[TableDef], context: &SessionContext) -> anyhow::Result<BTreeMap<String, Input>> {
    let mut inputs = BTreeMap::new();
    for table in tables.iter().filter(|table| table.kind == TableKind::Signal) {
        let input = Input { slot: SwapTable::default(), schema: new_rows_schema(table) };
        context.register_table(format!("new_{}", table.name), input.slot.table(input.schema.clone()))?;
        inputs.insert(table.name.clone(), input);
    }
    Ok(inputs)
}

/// Returns the time when counting began on this installation. The first value of a counter that started later counts in full.
async fn epoch(state: &State) -> anyhow::Result<i64> {
    let kept = state.entries(ENGINE).await?.into_iter().find(|(key, _)| key == EPOCH);
    if let Some(epoch) = kept.and_then(|(_, bytes)| Some(i64::from_le_bytes(bytes.try_into().ok()?))) {
        return Ok(epoch);
    }
    let epoch = crate::model::unix_time::now_ms() * 1_000_000;
    let mut txn = state.begin().await?;
    txn.put(ENGINE, EPOCH, &epoch.to_le_bytes()).await?;
    txn.commit().await?;
    Ok(epoch)
}
