//! A request to a worker.

use super::codec::{Frame, row_out};
use super::dialect::Settings;
use super::message::{Call, Task, ToWorker};
use crate::engine::query::{QueryError, QueryLimits};
use arrow::array::RecordBatch;
use std::sync::Arc;

/// A statement of a text, and its limits.
#[derive(Debug, Clone)]
pub struct Request {
    /// The [`super::Dialect`] that parses it.
    pub dialect: &'static str,
    /// The text.
    pub sql: Arc<str>,
    /// Index of the statement in the text, from 0.
    pub place: usize,
    /// Values of its parameters: one row with one column each.
    pub parameters: Option<RecordBatch>,
    /// Settings of the connection.
    pub settings: Settings,
    /// Limits.
    pub limits: QueryLimits,
}

impl Request {
    /// Creates a request of a text with one statement without parameters.
    #[must_use]
    pub fn new(dialect: &'static str, sql: &str, limits: QueryLimits) -> Request {
        Request { dialect, sql: sql.into(), place: 0, parameters: None, settings: Settings::new(), limits }
    }

    pub(super) fn call(&self, task: Task, shape: bool) -> Result<Frame, QueryError> {
        let call = Call {
            task,
            dialect: self.dialect.to_owned(),
            sql: self.sql.as_ref().to_owned(),
            place: self.place,
            settings: self.settings.clone(),
            rows_max: self.limits.rows_max,
            shape,
        };
        let body = self.parameters.as_ref().filter(|row| row.num_columns() > 0).map(row_out).transpose();
        let body = body.map_err(|error| QueryError::failed(&error))?.unwrap_or_default();
        Frame::new(&ToWorker::Call(call), body).map_err(|error| QueryError::ended(&error.to_string()))
    }
}
