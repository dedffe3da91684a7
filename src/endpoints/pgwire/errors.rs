//! Errors with the SQLSTATE that clients expect.

use crate::endpoints::pgcatalog::Fault;
use crate::engine::{QueryError, SqlFault};
use datafusion::common::{DataFusionError, SchemaError};
use pgwire::error::{ErrorInfo, PgWireError};

/// Maximum length of a message, because planner errors that list all columns can be long.
const MESSAGE_CHARS: usize = 4000;

/// Creates an error with an SQLSTATE.
pub(super) fn user(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(info("ERROR", code, message)))
}

/// Creates an error that closes the connection.
pub(super) fn fatal(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(info("FATAL", code, message)))
}

/// Returns the error for a statement in a failed transaction.
pub(super) fn aborted() -> PgWireError {
    user("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

/// Creates the error fields severity, SQLSTATE and message.
pub(super) fn info(severity: &str, code: &str, message: impl Into<String>) -> ErrorInfo {
    let mut message: String = message.into();
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS) {
        message.truncate(end);
        message.push('…');
    }
    let mut info = ErrorInfo::new(severity.to_owned(), code.to_owned(), message);
    info.severity_nonlocalized = Some(severity.to_owned());
    info
}

/// Converts a query error.
pub(super) fn query(error: &QueryError) -> PgWireError {
    let code = match error {
        QueryError::TooLong { .. } => "54000",
        QueryError::ReadOnly(_) => "25006",
        QueryError::TimedOut(_) => "57014",
        QueryError::Memory(_) => "53200",
        QueryError::Invalid(fault) => return of_fault(fault, "42000"),
        QueryError::Failed(fault) => return of_fault(fault, "XX000"),
    };
    user(code, error.to_string())
}

impl From<QueryError> for PgWireError {
    fn from(error: QueryError) -> PgWireError {
        query(&error)
    }
}

/// Converts an error for its transfer from a query worker.
pub(super) fn fault(error: PgWireError) -> SqlFault {
    let info = refine(error);
    let position = info.position.and_then(|position| position.parse().ok());
    SqlFault { code: Some(info.code), message: info.message, position }
}

fn of_fault(fault: &SqlFault, otherwise: &str) -> PgWireError {
    let mut info = info("ERROR", fault.code.as_deref().unwrap_or(otherwise), fault.message.clone());
    info.position = fault.position.map(|position| position.to_string());
    PgWireError::UserError(Box::new(info))
}

/// Converts an error of the planner or executor.
pub(super) fn datafusion(error: &DataFusionError) -> PgWireError {
    if let DataFusionError::External(inner) = error.find_root()
        && let Some(fault) = inner.downcast_ref::<Fault>()
    {
        return user(fault.code, fault.message.clone());
    }
    let code = code(error);
    user(code, worded(error, code))
}

/// Returns the message, with `PostgreSQL`'s wording for common errors.
fn worded(error: &DataFusionError, code: &str) -> String {
    let line = crate::engine::line(error);
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => match &**error {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let names = valid_fields.iter().map(|column| column.name.as_str());
                let near = near(&field.name, names);
                format!("column \"{}\" does not exist{near}", field.flat_name())
            }
            SchemaError::AmbiguousReference { field } => format!("column reference \"{}\" is ambiguous", field.name),
            _ => line,
        },
        DataFusionError::Plan(message) => match (code, quoted(message)) {
            ("42P01", Some(table)) => {
                let table = table.strip_prefix("datafusion.").unwrap_or(table);
                format!("relation \"{}\" does not exist", table.strip_prefix("public.").unwrap_or(table))
            }
            ("42883", Some(function)) => {
                let hint = message.split_once('\n').map_or(String::new(), |(_, hint)| format!("\n{}", hint.trim()));
                format!("function {function} does not exist{hint}")
            }
            _ => message.clone(),
        },
        DataFusionError::Execution(message) => message.clone(),
        _ => line,
    }
}

/// Returns the text in single quotes.
fn quoted(message: &str) -> Option<&str> {
    message.split('\'').nth(1)
}

/// Returns a suffix that suggests the nearest name.
fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut near: Vec<(usize, &str)> = names.map(|known| (strsim::levenshtein(name, known), known)).collect();
    near.sort_unstable();
    match near.first() {
        Some((distance, known)) if *distance <= 2 || known.eq_ignore_ascii_case(name) => {
            format!("\nPerhaps you meant to reference the column \"{known}\".")
        }
        _ => String::new(),
    }
}

fn code(error: &DataFusionError) -> &'static str {
    match error.find_root() {
        DataFusionError::SQL(..) => "42601",
        DataFusionError::SchemaError(error, _) => match **error {
            SchemaError::FieldNotFound { .. } => "42703",
            SchemaError::AmbiguousReference { .. } => "42702",
            _ => "42000",
        },
        // Planner errors have no code, only a message.
        DataFusionError::Plan(message) => planned(message),
        DataFusionError::NotImplemented(_) => "0A000",
        DataFusionError::ResourcesExhausted(_) => "53200",
        DataFusionError::ArrowError(error, _) if matches!(**error, arrow::error::ArrowError::DivideByZero) => "22012",
        DataFusionError::Execution(message) => executed(message),
        DataFusionError::ArrowError(..) => "22000",
        _ => "XX000",
    }
}

/// Returns the SQLSTATE of an execution error.
fn executed(message: &str) -> &'static str {
    let holds = |part: &str| message.contains(part);
    if holds("division by zero") {
        "22012"
    } else if holds("more than one row") {
        "21000"
    } else if holds("out of range") && !holds("date/time") {
        "22003"
    } else if holds("date/time field value out of range") {
        "22008"
    } else if ["date", "time", "timestamp", "interval"]
        .iter()
        .any(|kind| message.contains(&format!("invalid input syntax for type {kind}")))
    {
        "22007"
    } else if holds("invalid input syntax") || holds("malformed array") {
        "22P02"
    } else if holds("time zone") && holds("not recognized") {
        "22023"
    } else {
        "22000"
    }
}

fn planned(message: &str) -> &'static str {
    let missing = message.contains("not found");
    if message.contains("Invalid function") || (missing && message.contains("function")) {
        "42883"
    } else if missing && message.contains("column") {
        "42703"
    } else if missing && message.contains("table") {
        "42P01"
    } else {
        "42000"
    }
}

/// Creates a syntax error; the parser's message ends with the position.
pub(super) fn syntax(sql: &str, message: &str) -> PgWireError {
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    let mut info = info("ERROR", "42601", format!("syntax error: {message}"));
    info.position = position(sql, message).map(|position| position.to_string());
    PgWireError::UserError(Box::new(info))
}

/// Returns the position in characters, from 1, computed from line and column.
fn position(sql: &str, message: &str) -> Option<usize> {
    let (line, rest) = message.rsplit_once("at Line: ")?.1.split_once(", Column: ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let before: usize = sql.split('\n').take(line.checked_sub(1)?).map(|line| line.chars().count() + 1).sum();
    Some(before + column).filter(|position| (1..=sql.chars().count() + 1).contains(position))
}

/// Adds the SQLSTATE of the inner error to an error created by the pgwire library.
pub(super) fn refine(error: PgWireError) -> ErrorInfo {
    match error {
        PgWireError::ApiError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(error) => datafusion(error).into(),
            None => info("ERROR", "XX000", inner.to_string()),
        },
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_has_its_place() {
        let sql = "SELECT 1\nFROM )";
        let error = crate::endpoints::pgwire::syntax::parse(sql).unwrap_err();
        let ErrorInfo { code, position, .. } = ErrorInfo::from(syntax(sql, &error.to_string()));
        // The second line starts at character 10, and the bracket is its sixth character.
        assert_eq!((code.as_str(), position.as_deref()), ("42601", Some("15")));
    }

    #[test]
    fn planners_messages_have_codes() {
        assert_eq!(planned("table 'datafusion.public.t' not found"), "42P01");
        assert_eq!(planned("table function 'f' not found"), "42883");
        assert_eq!(planned("Invalid function 'f'.\nDid you mean 'g'?"), "42883");
        assert_eq!(planned("something else"), "42000");
    }
}
