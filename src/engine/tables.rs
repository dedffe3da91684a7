//! All tables as sessions see them: signals, rollups with their resolutions, state, and views.

use super::functions;
use super::postgres;
use super::rollups::RollupTable;
use super::run;
use super::worker::{Offered, OfferedTable, View};
use crate::model::frame::Position;
use crate::model::pipeline::PipelineDef;
use crate::model::table::{TableDef, TableKind};
use crate::store::{HotStore, SnapshotTable};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::view::ViewTable;
use datafusion::common::Result;
use datafusion::config::Dialect;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use parking_lot::RwLock;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of a state table: times in microseconds since the epoch, maps as objects.
pub type StateRows = Vec<Map<String, Value>>;
type StateSource = Arc<dyn Fn() -> Box<dyn Iterator<Item = Map<String, Value>>> + Send + Sync>;

/// Rows of a state table that are converted at a time: as JSON they take several times the memory.
const STATE_ROWS: usize = 500;

/// Returns the object that a JSON value contains.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => serde_json::Map::new(),
    }
}

/// All tables.
pub(crate) struct Tables {
    definitions: Vec<TableDef>,
    store: Arc<HotStore>,
    pub(crate) rollups: BTreeMap<String, Arc<RollupTable>>,
    state: Arc<RwLock<BTreeMap<String, StateSource>>>,
}

impl Tables {
    /// Creates the tables of `definitions`; rollups plan their merges in `context`.
    pub(crate) fn new(
        definitions: Vec<TableDef>,
        store: Arc<HotStore>,
        series_max: usize,
        context: &SessionContext,
    ) -> Result<Tables> {
        let mut rollups = BTreeMap::new();
        for table in definitions.iter().filter(|table| table.kind == TableKind::Rollup) {
            rollups.insert(table.name.clone(), RollupTable::new(table.clone(), series_max, context)?);
        }
        Ok(Tables { definitions, store, rollups, state: Arc::default() })
    }

    /// Adds the rollups of `definitions` that are new. Returns all tables and the names of the added ones. Existing
    /// tables do not change, and a table that `definitions` no longer contains keeps its rows until the next start.
    pub(crate) fn grown(
        &self,
        definitions: Vec<TableDef>,
        series_max: usize,
        context: &SessionContext,
    ) -> Result<(Tables, Vec<String>)> {
        let known = |name: &str| self.definitions.iter().find(|table| table.name == name);
        let (mut all, mut rollups, mut new) = (Vec::new(), self.rollups.clone(), Vec::new());
        for table in definitions {
            if let Some(known) = known(&table.name) {
                all.push(known.clone());
            } else if table.kind == TableKind::Rollup {
                rollups.insert(table.name.clone(), RollupTable::new(table.clone(), series_max, context)?);
                new.push(table.name.clone());
                all.push(table);
            }
        }
        let gone = self.definitions.iter().filter(|table| !all.iter().any(|kept| kept.name == table.name)).cloned();
        let gone: Vec<TableDef> = gone.collect();
        all.extend(gone);
        let tables = Tables { definitions: all, store: self.store.clone(), rollups, state: self.state.clone() };
        Ok((tables, new))
    }

    /// Registers the source of a state table's rows, which is called by each query.
    pub(crate) fn fill(&self, name: &str, rows: impl Fn() -> StateRows + Send + Sync + 'static) {
        self.fill_lazily(name, move || Box::new(rows().into_iter()));
    }

    /// Like [`Tables::fill`], for a table of many rows, which are not all in memory as JSON at once.
    pub(crate) fn fill_lazily(
        &self,
        name: &str,
        rows: impl Fn() -> Box<dyn Iterator<Item = Map<String, Value>>> + Send + Sync + 'static,
    ) {
        let mut state = self.state.write();
        state.insert(name.to_owned(), Arc::new(rows));
    }

    /// Position of the newest frame in the hot tables.
    pub(crate) fn newest(&self) -> Position {
        self.store.newest()
    }

    /// Names of the signal tables that are still being filled from the log.
    pub(crate) fn filling(&self) -> Vec<String> {
        let signals = self.definitions.iter().filter(|table| table.kind == TableKind::Signal);
        signals.filter(|_| self.store.is_filling()).map(|table| table.name.clone()).collect()
    }

    /// Log records in memory, oldest first.
    pub(crate) fn logs(&self) -> impl Iterator<Item = datafusion::common::Result<RecordBatch>> {
        self.store.provider("logs").into_iter().flat_map(|logs| logs.rows())
    }

    /// Memory of all rollup tables in bytes, by resolution in seconds.
    pub(crate) fn rollup_bytes_by_resolution(&self) -> BTreeMap<i64, usize> {
        let mut taken = BTreeMap::new();
        for (resolution_s, bytes) in self.rollups.values().flat_map(|table| table.memory_by_resolution()) {
            *taken.entry(resolution_s).or_default() += bytes;
        }
        taken
    }

    /// Share of the hot tables' memory that the rows after a frame take.
    pub(crate) fn share_since(&self, after: Position) -> f64 {
        self.store.share_since(after)
    }

    pub(crate) fn definitions(&self) -> &[TableDef] {
        &self.definitions
    }

    /// Creates a session over all tables and the views among `pipelines`.
    pub(crate) async fn session(
        &self,
        pipelines: &[PipelineDef],
        config: SessionConfig,
        runtime: Arc<RuntimeEnv>,
        sql: Sql,
    ) -> Result<SessionContext> {
        let context = session(config, runtime, sql);
        let offered = self.offered(pipelines);
        for (name, table) in offered.tables {
            context.register_table(name, table.rows)?;
        }
        views(&context, &offered.views, sql).await?;
        Ok(context)
    }

    /// Checks that the views among `pipelines` can be planned: a worker that fails to plan one would answer no query at all.
    pub(crate) async fn check_views(&self, pipelines: &[PipelineDef]) -> Result<()> {
        let config = SessionConfig::new().with_information_schema(true);
        self.session(pipelines, config, Arc::new(RuntimeEnv::default()), Sql::Outside).await.map(drop)
    }

    /// Returns all tables, and the views among `pipelines`.
    pub(crate) fn offered(&self, pipelines: &[PipelineDef]) -> Offered {
        let mut tables = BTreeMap::new();
        for table in &self.definitions {
            let column_docs: Vec<String> = table.columns.iter().map(|column| column.doc.clone()).collect();
            let rows = self.rows_of(table).into_iter();
            tables.extend(rows.map(|(name, rows)| {
                let (rows, doc, column_docs) = (Arc::new(rows), table.doc.clone(), column_docs.clone());
                (name, OfferedTable { rows, doc, column_docs })
            }));
        }
        Offered { tables, views: View::among(pipelines) }
    }

    /// Returns the rows of a table under each of its names.
    fn rows_of(&self, table: &TableDef) -> Vec<(String, SnapshotTable)> {
        let name = table.name.clone();
        match table.kind {
            TableKind::Signal => self.store.provider(&name).map(|rows| (name, rows)).into_iter().collect(),
            TableKind::Rollup => {
                let Some(rollup) = self.rollups.get(&name) else { return Vec::new() };
                let coarse = table.coarse_views().into_iter();
                let coarse = coarse.map(|(resolution_s, view)| (view, rollup.provider_of(resolution_s)));
                [(name, rollup.provider())].into_iter().chain(coarse).collect()
            }
            TableKind::State => vec![(name, self.state_table(table))],
        }
    }

    fn state_table(&self, table: &TableDef) -> SnapshotTable {
        let (state, name, schema) = (self.state.clone(), table.name.clone(), table.schema());
        SnapshotTable::packed(schema.clone(), move || {
            let source = state.read().get(&name).cloned();
            let mut rows = source.into_iter().flat_map(|source| source());
            let (schema, name) = (schema.clone(), name.clone());
            std::iter::from_fn(move || {
                let some: StateRows = rows.by_ref().take(STATE_ROWS).collect();
                let batch = (!some.is_empty()).then(|| batch(&schema, &some))?;
                let log = |error| tracing::error!(table = name, %error, "rows of a state table do not fit its schema");
                batch.map_err(log).ok()
            })
        })
    }
}

/// Converts rows to a batch.
pub(crate) fn batch(schema: &SchemaRef, rows: &StateRows) -> Result<RecordBatch> {
    let mut decoder =
        arrow::json::ReaderBuilder::new(schema.clone()).with_batch_size(rows.len().max(1)).build_decoder()?;
    decoder.serialize(rows)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema.clone())))
}

/// Creates a session without tables.
pub(crate) fn session(config: SessionConfig, runtime: Arc<RuntimeEnv>, sql: Sql) -> SessionContext {
    let config = if sql == Sql::Outside { postgres::config(config) } else { config };
    let mut state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    if sql == Sql::Outside {
        postgres::plans(&mut state);
    }
    let context = SessionContext::new_with_state(state.build());
    if sql == Sql::Outside {
        postgres::register(&context);
    }
    match sql {
        // Findings get null for a quantile of too few values, also through a view.
        Sql::Own => functions::register_judging(&context),
        Sql::Outside => functions::register(&context),
    }
    context
}

/// Registers views. A view may read another one in any order, so those that fail are retried.
pub(crate) async fn views(context: &SessionContext, views: &[View], sql: Sql) -> Result<()> {
    let mut left: Vec<&View> = views.iter().collect();
    loop {
        let before = left.len();
        let mut failed = None;
        let mut again = Vec::new();
        for view in left {
            match view_plan(context, view, sql).await {
                Ok(plan) => {
                    let view_table = ViewTable::new(plan, Some(view.sql.clone()));
                    drop(context.register_table(&view.id, Arc::new(view_table))?);
                }
                Err(error) => {
                    failed = Some(error.context(format!("view {}", view.file)));
                    again.push(view);
                }
            }
        }
        left = again;
        match failed {
            None => return Ok(()),
            Some(error) if left.len() == before => return Err(error),
            Some(_) => {}
        }
    }
}

/// Source of the SQL that a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sql {
    /// Pipelines.
    Own,
    /// Clients, which can also query the views. Planned with the semantics of `PostgreSQL`.
    Outside,
}

/// Plans a view with its parameters bound.
async fn view_plan(context: &SessionContext, view: &View, sql: Sql) -> Result<LogicalPlan> {
    let (mut state, params) = (context.state(), view.params());
    // Number literals are doubles, as in all pipelines.
    state.config_mut().options_mut().sql_parser.parse_float_as_decimal = false;
    let mut statement = state.sql_to_statement(&view.sql, &Dialect::Generic)?;
    if sql == Sql::Outside {
        postgres::rewrite(&mut statement);
    }
    let mut plan = state.statement_to_plan(statement).await?;
    if sql == Sql::Outside {
        plan = postgres::planned(plan)?;
    }
    if !params.is_empty() {
        plan = plan.with_param_values(run::param_values(&params, None))?;
    }
    match sql {
        Sql::Own => Ok(plan),
        Sql::Outside => postgres::finished(plan, &postgres::Zone::utc(), state.config_options()),
    }
}

/// Session settings for internal work: one partition, because other work uses the other cores.
pub(crate) fn own_config() -> SessionConfig {
    // A plan must not apply the dynamic filter of one run to the rows of the next.
    let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
    config
}
