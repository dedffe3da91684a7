//! Findings over tables that are still being filled after a start: with rows missing they would report no problem.

use super::Evaluator;
use super::prepared::Prepared;
use crate::engine::run::Statement;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

impl Evaluator {
    /// Pauses pipelines that read one of these tables; replaces the previous list.
    pub(crate) fn wait_for(&mut self, filling: Vec<String>) {
        self.filling = filling;
    }

    /// Returns whether a pipeline reads a table that is still being filled. Planning errors are reported when it runs.
    pub(super) async fn reads_filling(&mut self, index: usize, context: &SessionContext) -> bool {
        let Prepared { definition, params, statement, .. } = &mut self.pipelines[index];
        if statement.as_ref().is_none_or(|planned| !planned.is_in(context)) {
            *statement = Statement::optimized(context, &definition.sql, params).await.ok().map(Arc::new);
        }
        statement.as_ref().is_some_and(|statement| statement.reads_any(&self.filling))
    }
}
