//! Queries from outside: read-only, and bounded in text, time, memory and rows.

use super::nesting;
use super::run::rows_read;
use super::tables::line;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect, dialect_from_str};
use datafusion::sql::sqlparser::tokenizer::Tokenizer;
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// Functions of one value whose answer can take any memory or time in one call, where no limit reaches.
pub(crate) const UNBOUNDED: [&str; 8] =
    ["range", "generate_series", "array_repeat", "array_resize", "repeat", "lpad", "rpad", "levenshtein"];

/// Calls, `CASE` and what else the parser reads anew, within one another, that a statement may have.
pub(super) const CALLS_MAX: usize = 12;
/// Tables that a statement may read, once names of a `WITH` are replaced.
const RELATIONS_MAX: u64 = 500;
/// Nodes that the plan of a statement may have.
const NODES_MAX: usize = 5000;

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

/// Plans a statement that only reads.
///
/// # Errors
/// When it is too long, would change something, or cannot be understood.
pub(crate) async fn plan(context: &SessionContext, sql: &str, limits: QueryLimits) -> Result<LogicalPlan, QueryError> {
    if sql.len() > limits.sql_bytes_max {
        return Err(QueryError::TooLong { limit: limits.sql_bytes_max, found: sql.len() });
    }
    let state = context.state();
    let dialect = state.config_options().sql_parser.dialect;
    if let Some(rules) = dialect_from_str(dialect) {
        parseable(&*rules, sql)?;
    }
    let statement = state.sql_to_statement(sql, &dialect).map_err(QueryError::Invalid)?;
    if let Planned::Statement(statement) = &statement {
        plannable(statement)?;
    }
    let plan = state.statement_to_plan(statement).await.map_err(QueryError::Invalid)?;
    bounded(&plan)?;
    read_only(&plan)?;
    Ok(plan)
}

/// Refuses a statement that would keep the parser of a dialect busy for long.
///
/// # Errors
/// When it nests too deep.
pub fn parseable(dialect: &dyn Dialect, sql: &str) -> Result<(), QueryError> {
    // What are no tokens the parser refuses at once.
    let tokens = Tokenizer::new(dialect, sql).tokenize().unwrap_or_default();
    let depth = nesting::depth(&tokens);
    if depth <= CALLS_MAX {
        return Ok(());
    }
    let message =
        format!("calls, CASE and INTERVAL stand {depth} deep within one another, expected at most {CALLS_MAX}");
    Err(QueryError::Invalid(DataFusionError::Plan(message)))
}

/// Refuses a statement whose plan would outgrow all memory.
///
/// # Errors
/// When it reads more tables than the limit, once names of a `WITH` are replaced.
pub fn plannable(statement: &Statement) -> Result<(), QueryError> {
    let found = nesting::relations(statement);
    if found <= RELATIONS_MAX {
        return Ok(());
    }
    let message = format!(
        "the statement reads tables {found} times where each name of a WITH is written out, expected at most {RELATIONS_MAX}"
    );
    Err(QueryError::Invalid(DataFusionError::Plan(message)))
}

/// Refuses a plan of too many nodes, which are walked one by one.
///
/// # Errors
/// When there are more than the limit.
pub fn bounded(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut nodes = 0_usize;
    let counted = plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > NODES_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    counted.map_err(QueryError::Invalid)?;
    if nodes > NODES_MAX {
        let message = format!("the statement's plan has more than {NODES_MAX} nodes, which is the limit");
        return Err(QueryError::Invalid(DataFusionError::Plan(message)));
    }
    Ok(())
}

fn read_only(plan: &LogicalPlan) -> Result<(), QueryError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| QueryError::ReadOnly(line(&error)))
}

/// Threads of their own for work that computes long, so that it holds up neither what comes in nor its own deadline.
pub(crate) struct Workers(Option<Runtime>);

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
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name(name).enable_all().build()?;
        Ok(Workers(Some(runtime)))
    }

    /// Sets work going; `None` where the server is stopping.
    pub(crate) fn spawn<F>(&self, work: F) -> Option<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Plans a statement here: what stands deep within itself holds up nobody else.
    ///
    /// # Errors
    /// As [`plan`].
    pub(crate) async fn plan(
        &self,
        context: SessionContext,
        sql: String,
        limits: QueryLimits,
    ) -> Result<LogicalPlan, QueryError> {
        let planning = self.spawn(async move { plan(&context, &sql, limits).await });
        let planning = AbortOnDropHandle::new(planning.ok_or_else(|| ended("the server is stopping"))?);
        match tokio::time::timeout(limits.timeout, planning).await {
            Ok(Ok(planned)) => planned,
            Ok(Err(error)) => Err(ended(&error.to_string())),
            Err(_) => Err(QueryError::TimedOut(limits.timeout)),
        }
    }

    /// Runs a plan within the limits. A caller that goes away takes its query with it.
    ///
    /// # Errors
    /// When it would change something, takes too long or too much memory, or fails.
    pub(crate) async fn execute(
        &self,
        context: SessionContext,
        plan: LogicalPlan,
        limits: QueryLimits,
    ) -> Result<Counted, QueryError> {
        bounded(&plan)?;
        read_only(&plan)?;
        let running = self.spawn(async move { collect(&context, plan, limits).await });
        let running = AbortOnDropHandle::new(running.ok_or_else(|| ended("the server is stopping"))?);
        match tokio::time::timeout(limits.timeout, running).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(ended(&error.to_string())),
            Err(_) => Err(QueryError::TimedOut(limits.timeout)),
        }
    }
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
    let state = context.state();
    let task = state.task_ctx();
    let plan = state.create_physical_plan(&plan).await.and_then(yielding).map_err(failed)?;
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
