//! Limits, answers and errors of external queries, and the threads for long computations.

use super::error_text::line;
use super::worker::SqlFault;
use crate::statements::fingerprint;
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

/// Stack size of a thread that plans: enough for the deepest statement of a pipeline.
const STACK_BYTES: usize = 64 << 20;
/// Maximum number of bytes of a statement that are parsed for its shape.
const SHAPED_BYTES_MAX: usize = 16 << 10;

/// Limits of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Timeout.
    pub timeout: Duration,
    /// Maximum number of rows. If there are more, the answer is truncated and marked as such. `None`: no limit.
    pub rows_max: Option<usize>,
    /// Maximum number of bytes of the statement.
    pub sql_bytes_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        QueryLimits { timeout: Duration::from_secs(30), rows_max: None, sql_bytes_max: 256 << 10 }
    }
}

/// Answer to a query.
#[derive(Debug, Clone)]
pub struct QueryAnswer {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// Whether there were more rows than [`QueryLimits::rows_max`].
    pub truncated: bool,
}

/// Reason why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The statement exceeds its size limit.
    #[error("the statement has {found} bytes, at most {limit} are taken (extensions.sql.statement_size)")]
    TooLong {
        /// Limit in bytes.
        limit: usize,
        /// Actual number of bytes.
        found: usize,
    },
    /// The statement is not read-only.
    #[error("this server is read-only: {0}")]
    ReadOnly(String),
    /// The statement cannot be parsed or planned.
    #[error("{0}")]
    Invalid(SqlFault),
    /// The query timed out.
    #[error("the query took longer than {0:?}, which is the limit (extensions.sql.timeout)")]
    TimedOut(Duration),
    /// The query needs more memory than there is for queries.
    #[error("the query needs more memory than extensions.sql.memory gives: {0}")]
    Memory(String),
    /// The query failed while it ran.
    #[error("{0}")]
    Failed(SqlFault),
}

impl QueryError {
    /// Converts an internal error of the server.
    pub(crate) fn failed(error: &DataFusionError) -> QueryError {
        QueryError::Failed(SqlFault::plain(line(error)))
    }

    /// Returns the error of a query that was ended early.
    pub(crate) fn ended(reason: &str) -> QueryError {
        QueryError::Failed(SqlFault::new("57P01", format!("the query ended early: {reason}")))
    }
}

/// Creates a runtime with a memory limit and without spilling to disk.
pub(crate) fn runtime(bytes_max: usize) -> datafusion::common::Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(bytes_max)))
        .with_disk_manager_builder(disk)
        .build_arc()
}

/// Rejects a plan that is not read-only.
pub(crate) fn read_only(plan: &LogicalPlan) -> Result<(), String> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| {
        let line = line(&error);
        line.strip_prefix("Error during planning: ").unwrap_or(&line).to_owned()
    })
}

/// Threads for long computations, which must not block receivers or their own timeouts.
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    /// Creates threads for the server's side of queries: rows of scans and answers in transit.
    pub(crate) fn for_queries() -> std::io::Result<Workers> {
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Workers::new("sql", threads)
    }

    /// Creates a thread for the engine's own work.
    pub(crate) fn for_engine() -> std::io::Result<Workers> {
        Workers::new("engine", 1)
    }

    /// Creates a thread for the statements of pipelines.
    pub(crate) fn for_analyses() -> std::io::Result<Workers> {
        Workers::new("analyses", 1)
    }

    fn new(name: &str, threads: usize) -> std::io::Result<Workers> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).thread_name(name).thread_stack_size(STACK_BYTES).enable_all();
        Ok(Workers(Some(builder.build()?)))
    }

    /// Spawns a task; `None` if the server is stopping.
    pub(crate) fn spawn<F>(&self, work: F) -> Option<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.as_ref().map(|runtime| runtime.spawn(work))
    }
}

/// Returns a statement without its literals.
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

/// Returns the plan with joins that yield regularly. The leaves of `DataFusion` yield, but a join can compute for
/// minutes on one batch and could not be cancelled meanwhile.
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
