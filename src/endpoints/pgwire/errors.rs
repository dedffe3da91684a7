//! Faults with the SQLSTATE that clients look at.

use crate::engine::QueryError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError};

/// An error under an SQLSTATE.
pub(super) fn user(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.into())))
}

/// A query's error.
pub(super) fn query(error: &QueryError) -> PgWireError {
    let code = match error {
        QueryError::TooLong { .. } => "54000",
        QueryError::ReadOnly(_) => "25006",
        QueryError::TimedOut(_) => "57014",
        QueryError::Memory(_) => "53200",
        QueryError::Invalid(error) | QueryError::Failed(error) => return datafusion(error),
    };
    user(code, error.to_string())
}

/// A planner's or executor's error.
pub(super) fn datafusion(error: &DataFusionError) -> PgWireError {
    user(code(error), error.strip_backtrace())
}

fn code(error: &DataFusionError) -> &'static str {
    match error.find_root() {
        DataFusionError::SQL(..) => "42601",
        DataFusionError::SchemaError(error, _) => match **error {
            SchemaError::FieldNotFound { .. } => "42703",
            SchemaError::AmbiguousReference { .. } => "42702",
            _ => "42000",
        },
        DataFusionError::Plan(message) if message.contains("table") && message.contains("not found") => "42P01",
        DataFusionError::Plan(message) if message.contains("Invalid function") => "42883",
        DataFusionError::Plan(_) => "42000",
        DataFusionError::NotImplemented(_) => "0A000",
        DataFusionError::ResourcesExhausted(_) => "53200",
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => "22000",
        _ => "XX000",
    }
}

/// Gives an error that the library made the SQLSTATE of what is in it.
pub(super) fn refine(error: &mut PgWireError) {
    if let PgWireError::ApiError(inner) = error {
        let found = match inner.downcast_ref::<DataFusionError>() {
            Some(error) => datafusion(error),
            None if inner.is::<datafusion::sql::sqlparser::parser::ParserError>() => user("42601", inner.to_string()),
            None => return,
        };
        *error = found;
    }
}
