//! Tables that are being read back after a start hold a part of their rows only: what is missing there is not what is wrong.

use super::Evaluator;
use super::prepared::Prepared;
use crate::engine::run::Statement;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

impl Evaluator {
    /// What reads one of these tables is not judged, until they are others.
    pub(crate) fn wait_for(&mut self, filling: Vec<String>) {
        self.filling = filling;
    }

    /// Whether a pipeline reads a table that holds a part of its rows only. One that cannot be planned says so when it is run.
    pub(super) async fn reads_filling(&mut self, index: usize, context: &SessionContext) -> bool {
        let Prepared { definition, statement, .. } = &mut self.pipelines[index];
        if statement.as_ref().is_none_or(|planned| !planned.is_in(context)) {
            *statement = Statement::plan(context, &definition.sql).await.ok().map(Arc::new);
        }
        statement.as_ref().is_some_and(|statement| statement.reads_any(&self.filling))
    }
}
