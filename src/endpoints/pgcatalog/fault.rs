//! Errors of statements over the catalogs, with their SQLSTATE.

use crate::engine::line;
use datafusion::common::DataFusionError;

/// An error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(in crate::endpoints) struct Fault {
    /// SQLSTATE.
    pub(in crate::endpoints) code: &'static str,
    pub(in crate::endpoints) message: String,
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into() }
    }

    /// Converts an error of an engine function.
    pub(super) fn of(code: &'static str, error: &DataFusionError) -> Fault {
        match error {
            DataFusionError::Execution(message) => Fault::new(code, message.clone()),
            other => Fault::new(code, line(other)),
        }
    }

    pub(super) fn unsupported(what: impl std::fmt::Display) -> Fault {
        Fault::new("0A000", format!("not supported in a query over system catalogs: {what}"))
    }

    pub(super) fn undefined_function(name: &str, arguments: &str) -> Fault {
        Fault::new("42883", format!("function {name}({arguments}) does not exist"))
    }

    pub(super) fn undefined_column(name: &str) -> Fault {
        Fault::new("42703", format!("column {name} does not exist"))
    }

    pub(super) fn undefined_table(name: &str) -> Fault {
        Fault::new("42P01", format!("relation \"{name}\" does not exist"))
    }

    pub(super) fn invalid_text(what: &str, text: &str) -> Fault {
        Fault::new("22P02", format!("invalid input syntax for type {what}: \"{text}\""))
    }
}
