//! Queries from outside: read-only, and bounded in text, time, memory and rows.

mod depth;
mod growth;
mod read;

#[cfg(test)]
pub(super) use read::CALLS_MAX;
pub use read::Reader;

use super::functions::fingerprint;
use super::run::rows_read;
use super::tables::line;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect as SqlDialect, GenericDialect};
use futures::StreamExt as _;
use read::bounded;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

/// Stack of a thread that plans: enough for the deepest statement that is let in, wherever `DataFusion` recurses.
const STACK_BYTES: usize = 64 << 20;
/// Bytes of a statement that are looked at for its shape.
const SHAPED_BYTES_MAX: usize = 16 << 10;

/// What one query may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Time.
    pub timeout: Duration,
    /// Rows of the answer; the rest is cut off, and the answer says so.
    pub rows_max: usize,
    /// Bytes of the statement.
    pub sql_bytes_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        QueryLimits { timeout: Duration::from_secs(30), rows_max: 100_000, sql_bytes_max: 256 << 10 }
    }
}

/// What a query gave.
#[derive(Debug, Clone)]
pub struct QueryAnswer {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// True where there were more rows than [`QueryLimits::rows_max`].
    pub truncated: bool,
}

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The statement is longer than it may be.
    #[error("the statement has {found} bytes, at most {limit} are taken (extensions.sql.statement_size)")]
    TooLong {
        /// Bytes that may be.
        limit: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// It would change something.
    #[error("this server is read-only: {0}")]
    ReadOnly(String),
    /// It cannot be understood.
    #[error("{}", line(.0))]
    Invalid(DataFusionError),
    /// It took too long.
    #[error("the query took longer than {0:?}, which is the limit (extensions.sql.timeout)")]
    TimedOut(Duration),
    /// It needs more memory than there is for queries.
    #[error("the query needs more memory than extensions.sql.memory gives: {0}")]
    Memory(String),
    /// It failed while it ran.
    #[error("{}", line(.0))]
    Failed(DataFusionError),
}

/// An answer, and how many rows were read for it.
pub(crate) type Counted = (QueryAnswer, u64);

/// Memory for queries, and no disk.
pub(crate) fn runtime(bytes_max: usize) -> datafusion::common::Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(bytes_max)))
        .with_disk_manager_builder(disk)
        .build_arc()
}

/// Statements as `DataFusion` itself reads them.
pub(crate) struct Plain(pub(crate) SessionContext);

impl Reader for Plain {
    type Read = LogicalPlan;
    type Error = QueryError;

    fn dialect(&self) -> &dyn SqlDialect {
        &GenericDialect
    }

    fn parse(&self, sql: &str) -> Result<Vec<Statement>, QueryError> {
        let state = self.0.state();
        let dialect = state.config_options().sql_parser.dialect;
        state.sql_to_statement(sql, &dialect).map(|statement| vec![statement]).map_err(QueryError::Invalid)
    }

    async fn plan(&self, statement: Statement) -> Result<LogicalPlan, QueryError> {
        self.0.state().statement_to_plan(statement).await.map_err(QueryError::Invalid)
    }
}

fn read_only(plan: &LogicalPlan) -> Result<(), QueryError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| QueryError::ReadOnly(line(&error)))
}

/// Threads of their own for work that computes long, so that it holds up neither what comes in nor its own deadline.
pub struct Workers(Option<Runtime>);

impl Workers {
    /// Threads for queries from outside.
    pub(crate) fn for_queries() -> std::io::Result<Workers> {
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Workers::new("sql", threads)
    }

    /// A thread for the engine's own work.
    pub(crate) fn for_engine() -> std::io::Result<Workers> {
        Workers::new("engine", 1)
    }

    fn new(name: &str, threads: usize) -> std::io::Result<Workers> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).thread_name(name).thread_stack_size(STACK_BYTES).enable_all();
        Ok(Workers(Some(builder.build()?)))
    }

    /// Sets work going; `None` where the server is stopping.
    pub(crate) fn spawn<F>(&self, work: F) -> Option<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Runs work within a time. A caller that goes away takes its work with it.
    pub(crate) async fn within<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let running = self.spawn(work.in_current_span());
        let running = AbortOnDropHandle::new(running.ok_or_else(|| ended("the server is stopping"))?);
        match tokio::time::timeout(time, running).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(ended(&error.to_string())),
            Err(_) => Err(QueryError::TimedOut(time)),
        }
    }

    /// Plans a statement within the limits.
    ///
    /// # Errors
    /// When it cannot be understood, would change something, or takes too long.
    pub(crate) async fn plan(
        &self,
        context: SessionContext,
        sql: String,
        limits: QueryLimits,
    ) -> Result<LogicalPlan, QueryError> {
        let planning = async move {
            let plans = read::read(&Plain(context), &sql, limits).await?;
            note(&sql);
            plans.into_iter().next().ok_or_else(|| ended("there is no statement"))
        };
        self.within(limits.timeout, planning).await
    }

    /// Runs a plan within the limits.
    ///
    /// # Errors
    /// When it would change something, takes too long or too much memory, or fails.
    pub(crate) async fn execute(
        &self,
        context: SessionContext,
        plan: LogicalPlan,
        limits: QueryLimits,
    ) -> Result<Counted, QueryError> {
        self.within(limits.timeout, async move { collect(&context, plan, limits).await }).await
    }
}

/// Notes what is asked, without its literals, in the unit of work that the caller began.
fn note(sql: &str) {
    let work = tracing::Span::current();
    if !work.is_disabled() {
        work.record("statement", shape(sql));
    }
}

/// A statement without its literals.
#[must_use]
pub fn shape(sql: &str) -> String {
    fingerprint("postgresql", &sql[..sql.floor_char_boundary(SHAPED_BYTES_MAX)])
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn ended(reason: &str) -> QueryError {
    QueryError::Failed(DataFusionError::Execution(format!("the query ended early: {reason}")))
}

async fn collect(context: &SessionContext, plan: LogicalPlan, limits: QueryLimits) -> Result<Counted, QueryError> {
    bounded(&plan)?;
    read_only(&plan)?;
    let state = context.state();
    let task = state.task_ctx();
    let plan = growth::bound(plan).and_then(|plan| state.optimize(&plan)).map_err(failed)?;
    growth::constants(&plan).map_err(failed)?;
    let plan = state.query_planner().create_physical_plan(&plan, &state).await.and_then(yielding).map_err(failed)?;
    // What the answer holds counts as memory of queries, too.
    let held = MemoryConsumer::new("the answer's rows").register(task.memory_pool() as &Arc<dyn MemoryPool>);
    let rows_read = rows_read(&plan);
    let mut stream = execute_stream(plan, task).map_err(failed)?;
    let mut answer = QueryAnswer { schema: stream.schema(), batches: Vec::new(), truncated: false };
    let mut left = limits.rows_max;
    while let Some(batch) = stream.next().await {
        let mut batch = batch.map_err(failed)?;
        if batch.num_rows() > left {
            answer.truncated = true;
            batch = batch.slice(0, left);
        }
        left -= batch.num_rows();
        held.try_grow(batch.get_array_memory_size()).map_err(failed)?;
        answer.batches.push(batch);
        if answer.truncated {
            break;
        }
    }
    Ok((answer, rows_read))
}

/// The plan with joins that give their thread back every now and then. `DataFusion`'s leaves do, but a join can work for
/// minutes on what one leaf gave it, and could not be stopped meanwhile.
pub(crate) fn yielding(plan: Arc<dyn ExecutionPlan>) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        Ok(if node.name().contains("Join") {
            Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
        } else {
            Transformed::no(node)
        })
    });
    wrapped.map(|wrapped| wrapped.data)
}

fn failed(error: DataFusionError) -> QueryError {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => QueryError::Memory(message.clone()),
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => QueryError::Invalid(error),
        _ => QueryError::Failed(error),
    }
}
