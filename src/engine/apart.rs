//! Runs the statements of pipelines on a separate thread with a timeout: a user's statement can compute indefinitely
//! without yielding, and must not block the engine.

use super::error_text::line;
use super::query::Workers;
use datafusion::common::DataFusionError;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::time::Duration;

/// Time that a cancelled statement has to stop.
const STOP: Duration = Duration::from_secs(1);

/// The current thread, and the pipelines that could not be stopped.
#[derive(Default)]
pub(crate) struct Apart {
    thread: Mutex<Option<Workers>>,
    stuck: Mutex<HashSet<String>>,
}

/// Reason why a statement gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Late {
    /// It timed out and was stopped.
    #[error("took longer than {0:?}, which is the limit")]
    TimedOut(Duration),
    /// It timed out and could not be stopped.
    #[error(
        "took longer than {0:?}, which is the limit, and could not be stopped: it is not run again before the next reload or start"
    )]
    Stuck(Duration),
    /// It failed.
    #[error("{}", line(.0))]
    Failed(DataFusionError),
}

impl From<DataFusionError> for Late {
    fn from(error: DataFusionError) -> Self {
        Late::Failed(error)
    }
}

impl Apart {
    /// Runs the work of a pipeline with a timeout. Work that cannot be stopped keeps its thread and is not run again;
    /// other pipelines get a new thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        pipeline: &str,
        limit: Duration,
        work: impl Future<Output = Result<T, DataFusionError>> + Send + 'static,
    ) -> Result<T, Late> {
        if self.stuck.lock().contains(pipeline) {
            return Err(Late::Stuck(limit));
        }
        let mut running = self.spawn(work)?;
        if let Ok(done) = tokio::time::timeout(limit, &mut running).await {
            let panicked = |error: tokio::task::JoinError| DataFusionError::Execution(format!("it panicked: {error}"));
            return Ok(done.map_err(panicked)??);
        }
        running.abort();
        if tokio::time::timeout(STOP, &mut running).await.is_ok() {
            return Err(Late::TimedOut(limit));
        }
        self.stuck.lock().insert(pipeline.to_owned());
        *self.thread.lock() = None;
        Err(Late::Stuck(limit))
    }

    fn spawn<F>(&self, work: F) -> Result<tokio::task::JoinHandle<F::Output>, DataFusionError>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            *thread = Some(Workers::for_analyses().map_err(DataFusionError::IoError)?);
        }
        let running = thread.as_ref().and_then(|thread| thread.spawn(work));
        running.ok_or_else(|| DataFusionError::Execution("the engine is stopping".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_stopped_costs_its_own_thread_alone() {
        let (apart, limit) = (Apart::default(), Duration::from_millis(50));
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let deaf = async move {
            let _until_told = stopped.recv();
            Ok(0)
        };
        assert!(matches!(apart.run("deaf", limit, deaf).await, Err(Late::Stuck(_))));
        assert_eq!(apart.run("other", Duration::from_secs(20), async { Ok(7) }).await.ok(), Some(7));
        assert!(matches!(apart.run("deaf", limit, async { Ok(1) }).await, Err(Late::Stuck(_))), "not begun again");
        let polite = std::future::pending::<Result<(), DataFusionError>>();
        assert!(matches!(apart.run("polite", limit, polite).await, Err(Late::TimedOut(_))));
        let panics = async move { if limit.is_zero() { Ok(()) } else { panic!("so it is") } };
        assert!(
            apart.run("panics", Duration::from_secs(20), panics).await.unwrap_err().to_string().contains("panicked")
        );
        drop(stop);
    }
}
