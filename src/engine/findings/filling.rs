//! Findings over tables that are still being filled after a start: with rows missing they would report no problem.

use super::Evaluator;
use super::prepared::Prepared;
use crate::engine::run::Statement;
use datafusion::prelude::SessionContext;

impl Evaluator {
    /// Pauses pipelines that read one of these tables; replaces the previous list.
    pub(crate) fn wait_for(&mut self, filling: Vec<String>) {
        self.filling = filling;
    }

    /// Returns whether a pipeline reads a table that is still being filled. Planning errors are reported when it runs.
    pub(super) async fn reads_filling(&self, index: usize, context: &SessionContext) -> bool {
        let Prepared { definition, statement, .. } = &self.pipelines[index];
        if let Some(planned) = statement.as_ref().filter(|planned| planned.is_in(context)) {
            return planned.reads_any(&self.filling);
        }
        // Not kept: it is optimized when it runs, apart from the other pipelines.
        let planned = Statement::plan(context, &definition.sql).await;
        planned.is_ok_and(|planned| planned.reads_any(&self.filling))
    }
}
