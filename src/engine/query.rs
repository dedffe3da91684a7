//! What queries from outside may take and give, and the threads of work that computes long.

use super::error_text::line;
use super::functions::fingerprint;
use super::worker::SqlFault;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Stack of a thread that plans: enough for the deepest statement of a pipeline.
const STACK_BYTES: usize = 64 << 20;
/// Bytes of a statement that are looked at for its shape.
const SHAPED_BYTES_MAX: usize = 16 << 10;

/// What one query may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Time.
    pub timeout: Duration,
    /// Rows of the answer; the rest is cut off, and the answer says so. `None`: all.
    pub rows_max: Option<usize>,
    /// Bytes of the statement.
    pub sql_bytes_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        QueryLimits { timeout: Duration::from_secs(30), rows_max: None, sql_bytes_max: 256 << 10 }
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
    #[error("{0}")]
    Invalid(SqlFault),
    /// It took too long.
    #[error("the query took longer than {0:?}, which is the limit (extensions.sql.timeout)")]
    TimedOut(Duration),
    /// It needs more memory than there is for queries.
    #[error("the query needs more memory than extensions.sql.memory gives: {0}")]
    Memory(String),
    /// It failed while it ran.
    #[error("{0}")]
    Failed(SqlFault),
}

impl QueryError {
    /// A failure of the server's own.
    pub(crate) fn failed(error: &DataFusionError) -> QueryError {
        QueryError::Failed(SqlFault::plain(line(error)))
    }

    /// A query that came to an end before its time.
    pub(crate) fn ended(reason: &str) -> QueryError {
        QueryError::Failed(SqlFault::new("57P01", format!("the query ended early: {reason}")))
    }
}

/// Memory for queries, and no disk.
pub(crate) fn runtime(bytes_max: usize) -> datafusion::common::Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(bytes_max)))
        .with_disk_manager_builder(disk)
        .build_arc()
}

/// Refuses a plan that would change something.
pub(crate) fn read_only(plan: &LogicalPlan) -> Result<(), String> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| {
        let line = line(&error);
        line.strip_prefix("Error during planning: ").unwrap_or(&line).to_owned()
    })
}

/// Threads of their own for work that computes long, so that it holds up neither what comes in nor its own deadline.
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    /// Threads for the server's side of queries: rows of scans and of answers on their way.
    pub(crate) fn for_queries() -> std::io::Result<Workers> {
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Workers::new("sql", threads)
    }

    /// A thread for the engine's own work.
    pub(crate) fn for_engine() -> std::io::Result<Workers> {
        Workers::new("engine", 1)
    }

    /// A thread for the statements of pipelines.
    pub(crate) fn for_analyses() -> std::io::Result<Workers> {
        Workers::new("analyses", 1)
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
