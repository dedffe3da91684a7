//! Layer 3: SQL sessions, functions, rollups and findings. Independent of HTTP and of vendors.

pub mod examples;
pub mod findings;
pub mod functions;
pub mod postgres;

mod apart;
mod compaction;
mod costs;
mod error_text;
mod evaluation;
mod flush;
mod keyed;
mod logged;
mod needs;
mod outcome;
mod panics;
mod query;
mod rollups;
mod run;
mod scrape;
mod settings;
mod state_tables;
mod swap_table;
mod tables;
mod work;
mod worker;

#[cfg(test)]
mod tests;

pub use error_text::line;
pub use flush::{CURSOR, Refetch};
pub use query::{QueryAnswer, QueryError, QueryLimits, shape};
pub use rollups::Retention;
pub(crate) use settings::COUNTERS_SHARE;
pub use settings::{Definitions, EngineSettings, Rules, in_force};
pub use tables::StateRows;
pub(crate) use tables::object;
pub use worker::{
    Answer, COMMAND, Dialect, Launch, Meaning, Offered, OfferedTable, Plain, PoolSettings, Queries, Read, Request,
    Settings, SqlFault, TableAbout, View, confine, serve,
};
pub(crate) use worker::{least_total, resident_bytes, total_by_default};

use crate::model::finding::{Finding, FindingState};
use crate::model::self_telemetry::WORK;
use crate::model::table::TableDef;
use crate::model::unix_time::now_ms;
use crate::state::State;
use crate::store::HotStore;
use costs::Costs;
use datafusion::prelude::SessionContext;
use evaluation::Judge;
use findings::Due;
use flush::Flusher;
use keyed::series::LastValues;
use logged::LoggedExceptions;
use parking_lot::RwLock;
use query::Workers;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use tables::{Tables, own_config};
use tokio::sync::{Mutex, watch};

/// Seconds without a completed flush after which the engine is unhealthy.
const SILENT_S_MAX: i64 = 120;

/// Flushes new rows into the rollups, evaluates findings over them, and answers SQL.
pub struct Engine {
    settings: EngineSettings,
    state: State,
    tables: RwLock<Arc<Tables>>,
    costs: Costs,
    rules: Arc<RwLock<Arc<Rules>>>,
    flusher: Mutex<Flusher>,
    /// Shared with the flusher, so that a scrape does not wait for a flush.
    last_values: Arc<parking_lot::Mutex<LastValues>>,
    /// Shared with the flusher; evidence of findings.
    logged: Arc<parking_lot::Mutex<LoggedExceptions>>,
    judge: Mutex<Judge>,
    findings: watch::Sender<Arc<Vec<Finding>>>,
    queries: Queries,
    own_worker: Workers,
    /// Number of counters tracked after the last flush.
    counters: AtomicUsize,
    /// When the last flush completed.
    worked_ms: AtomicI64,
}

impl Engine {
    /// Starts the engine from the stored state. `refetch` reads rows from the log that are no longer in memory.
    ///
    /// # Errors
    /// Returns an error if the state cannot be read or a pipeline cannot be planned.
    pub async fn start(
        settings: EngineSettings,
        definitions: Definitions,
        store: Arc<HotStore>,
        state: State,
        refetch: Arc<Refetch>,
    ) -> anyhow::Result<Arc<Engine>> {
        let Definitions { tables, rules } = definitions;
        let context = SessionContext::new_with_config(own_config());
        functions::register(&context);
        let tables = Tables::new(tables, store.clone(), settings.series_max, &context)?;
        compaction::restore(tables.rollups.values(), &state, settings.retention, now_ms()).await?;
        let held = (store.clone(), state.clone(), refetch);
        let flusher = Flusher::open(&tables, &rules.in_force(), &settings, &context, held).await?;
        let followed = flusher.counters.len();
        let (last_values, logged) = (flusher.last_values.clone(), flusher.logged.clone());
        let judge = Judge::new(&rules, &tables, &state).await?;
        tables.check_views(&rules.in_force()).await?;
        let offered = tables.offered(&rules.in_force());
        let (rules, costs) = (Arc::new(RwLock::new(Arc::new(rules))), Costs::default());
        let findings = watch::Sender::new(Arc::new(judge.findings()));
        fill_firings(&tables, &judge);
        fill(&tables, &rules, &costs, &findings, store);
        let queries = queries(&settings, offered, &costs, &rules)?;
        Ok(Arc::new(Engine {
            settings,
            state,
            tables: RwLock::new(Arc::new(tables)),
            costs,
            rules,
            flusher: Mutex::new(flusher),
            last_values,
            logged,
            judge: Mutex::new(judge),
            findings,
            queries,
            own_worker: Workers::for_engine()?,
            counters: AtomicUsize::new(followed),
            worked_ms: AtomicI64::new(now_ms()),
        }))
    }

    /// Evaluates all findings at the time `now_ms`.
    ///
    /// # Errors
    /// Returns an error if the states cannot be stored.
    pub async fn evaluate(&self, now_ms: i64) -> anyhow::Result<()> {
        self.evaluate_due(now_ms, Due::All).await
    }

    #[tracing::instrument(target = WORK, name = "evaluate", skip_all, fields(pipelines, firing, failed, error))]
    async fn evaluate_due(&self, now_ms: i64, due: Due) -> anyhow::Result<()> {
        let mut judge = self.judge.lock().await;
        let mut evaluation = judge.evaluate(now_ms, due, self.all_tables().filling()).await;
        self.logged.lock().add_to(&mut evaluation.findings);
        costs::note(&tracing::Span::current(), "pipelines", &evaluation.runs);
        let is_firing = |finding: &&Finding| finding.state == FindingState::Firing;
        tracing::Span::current().record("firing", evaluation.findings.iter().filter(is_firing).count());
        evaluation.runs.into_iter().for_each(|run| self.costs.add(run));
        judge.save(&self.state).await?;
        self.save_logged().await?;
        self.findings.send_replace(Arc::new(evaluation.findings));
        Ok(())
    }

    /// Reads exceptions that were logged before the start from the hot tables, once these are filled. Blocking.
    pub fn look_for_earlier_exceptions(&self) {
        let earlier = LoggedExceptions::of_rows(self.all_tables().logs());
        self.logged.lock().take_earlier(earlier);
    }

    /// Stores the logged exceptions that firing findings report, so that they survive a restart.
    async fn save_logged(&self) -> anyhow::Result<()> {
        let logged = || self.logged.lock();
        let changes = logged().take_unsaved();
        let saved = logged::save(&self.state, &changes).await;
        if saved.is_err() {
            logged().not_saved(changes);
        }
        saved
    }

    /// Merges small parts, drops expired rows, and forgets silent series.
    ///
    /// # Errors
    /// Returns an error if the state database fails.
    #[tracing::instrument(target = WORK, name = "compaction", skip_all, fields(error))]
    pub async fn compaction(&self, now_ms: i64) -> anyhow::Result<()> {
        let mut flusher = self.flusher.lock().await;
        let done = compaction::compaction(&self.all_tables(), &self.state, &mut flusher, &self.settings, now_ms).await;
        if let Err(error) = &done {
            tracing::Span::current().record("error", format!("{error:#}"));
        }
        done
    }

    /// Replaces the rules and adds new rollup tables, which start with the next rows that arrive. Existing tables do
    /// not change. On an error, nothing changes.
    ///
    /// # Errors
    /// Returns an error if a pipeline cannot be planned, or if the columns of a rollup differ from its declaration.
    pub async fn reload(&self, definitions: Definitions) -> anyhow::Result<()> {
        let Definitions { tables, rules } = definitions;
        let mut flusher = self.flusher.lock().await;
        let mut judging = self.judge.lock().await;
        // The new judge replaces this one together with its unsaved states.
        judging.save(&self.state).await?;
        let (tables, new) = self.all_tables().grown(tables, self.settings.series_max, flusher.context())?;
        let added = new.iter().filter_map(|name| tables.rollups.get(name));
        compaction::restore(added, &self.state, self.settings.retention, now_ms()).await?;
        let judge = Judge::new(&rules, &tables, &self.state).await?;
        tables.check_views(&rules.in_force()).await?;
        flusher.plan(&rules.in_force()).await?;
        self.queries.offer(tables.offered(&rules.in_force()))?;
        fill_firings(&tables, &judge);
        *judging = judge;
        *self.tables.write() = Arc::new(tables);
        *self.rules.write() = Arc::new(rules);
        Ok(())
    }

    /// Returns a receiver of all evaluated keys, firing ones first.
    #[must_use]
    pub fn findings(&self) -> watch::Receiver<Arc<Vec<Finding>>> {
        self.findings.subscribe()
    }

    /// Checks that new rows are still flushed: an engine that hangs would show outdated findings as current ones.
    ///
    /// # Errors
    /// Returns for how long no rows have been flushed.
    pub fn health(&self) -> Result<(), String> {
        let behind_s = (now_ms() - self.worked_ms.load(Ordering::Relaxed)) / 1000;
        if behind_s <= SILENT_S_MAX {
            return Ok(());
        }
        Err(format!("no rows have been taken into the rollups for {behind_s} s"))
    }

    /// Returns the rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().clone()
    }

    /// Returns the definitions of the tables that can be queried.
    #[must_use]
    pub fn tables(&self) -> Vec<TableDef> {
        self.all_tables().definitions().to_vec()
    }

    fn all_tables(&self) -> Arc<Tables> {
        self.tables.read().clone()
    }

    /// Registers the source of a state table's rows, which is called by each query.
    pub fn fill(&self, table: &str, rows: impl Fn() -> StateRows + Send + Sync + 'static) {
        self.all_tables().fill(table, rows);
    }

    /// Runs a read-only statement and collects all rows in memory.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn query(&self, sql: &str, limits: QueryLimits) -> Result<QueryAnswer, QueryError> {
        self.queries.run(&Request::new(Plain::NAME, sql, limits)).await?.collect().await
    }

    /// Memory of all rollup tables in bytes.
    #[must_use]
    pub fn rollup_bytes(&self) -> usize {
        self.all_tables().rollup_bytes_by_resolution().values().sum()
    }

    /// Memory of the last points of counters in bytes, after the last flush.
    #[must_use]
    pub fn counter_bytes(&self) -> usize {
        self.counters.load(Ordering::Relaxed) * settings::COUNTER_BYTES
    }

    /// Memory of the findings in bytes, without what they share.
    #[must_use]
    pub fn finding_bytes(&self) -> usize {
        self.findings().borrow().iter().map(Finding::memory_bytes).sum()
    }

    /// Returns the pool that runs external queries.
    #[must_use]
    pub fn queries(&self) -> &Queries {
        &self.queries
    }
}

fn queries(
    settings: &EngineSettings,
    offered: Offered,
    costs: &Costs,
    rules: &Arc<RwLock<Arc<Rules>>>,
) -> anyhow::Result<Queries> {
    let (costs, rules) = (costs.clone(), rules.clone());
    Queries::new(settings.queries.clone(), offered, move |query| {
        let rules = rules.read().clone();
        costs.add_views(&rules.pipelines, &query);
    })
}

/// Registers the row sources of the engine's own state tables.
fn fill(
    tables: &Tables,
    rules: &Arc<RwLock<Arc<Rules>>>,
    costs: &Costs,
    findings: &watch::Sender<Arc<Vec<Finding>>>,
    store: Arc<HotStore>,
) {
    let current = {
        let rules = rules.clone();
        move || rules.read().clone()
    };
    let (of_costs, costs) = (current.clone(), costs.clone());
    tables.fill("pipelines", move || costs.rows(&of_costs().pipelines));
    tables.fill("budgets", move || state_tables::budgets(&current().budgets));
    let findings = findings.subscribe();
    tables.fill_lazily("findings", move || state_tables::findings(&findings.borrow()));
    tables.fill("coverage", move || state_tables::coverage(&store));
}

/// Registers the rows of the table `firings`, which pipelines and SQL clients read.
fn fill_firings(tables: &Tables, judge: &Judge) {
    let firings = judge.firings();
    tables.fill("firings", move || firings.rows());
}
