//! Session and transaction statements. They are answered as clients expect; few of them have an effect, because the server is
//! read-only.

use super::copies::CopyForm;
use super::cursors::{CursorStatement, Declared, Fetched};
use super::errors;
use crate::endpoints::pgcatalog;
use crate::engine::postgres::Zone;
use crate::engine::postgres::fold;
use crate::engine::{QueryError, Settings, SqlFault};
use datafusion::sql::sqlparser::ast::{CloseCursor, DiscardObject, Expr, Reset, Set, Statement, Value};
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::{ClientInfo, METADATA_DATABASE, METADATA_USER, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::response::TransactionStatus;
use pgwire::types::format::FormatOptions;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// A statement that is not a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said {
    /// `BEGIN`.
    Begin,
    /// `COMMIT`, or `END`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `SET name = value`; `None` is `DEFAULT`.
    Set(String, Option<String>),
    /// `RESET ALL`, `DISCARD ALL`.
    Forget(Cow<'static, str>),
    /// `SHOW name`.
    Show(String),
    /// `DEALLOCATE name`; `None` for all.
    Deallocate(Option<String>),
    /// `COPY (query) TO STDOUT`, with the text of the query.
    Copy(String, CopyForm),
    /// `DECLARE name CURSOR FOR query`, with the text of the query.
    Declare(Declared, String),
    /// `FETCH` or `MOVE`.
    Fetch(Fetched),
    /// `CLOSE name`; `None` for all.
    Close(Option<String>),
    /// `SAVEPOINT name`.
    Savepoint(String),
    /// `RELEASE SAVEPOINT name`.
    Release(String),
    /// `ROLLBACK TO SAVEPOINT name`.
    RollbackTo(String),
    /// A statement without effect, answered with this tag.
    Fine(Cow<'static, str>),
}

/// Settings that `SHOW` supports, with their default values.
pub(super) const KNOWN: [(&str, &str); 27] = [
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, YMD"),
    ("default_table_access_method", "heap"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", "16.6"),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "Etc/UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// Tag of the statement that resets the session.
pub(super) const DISCARD_ALL: &str = "DISCARD ALL";

/// Keys in a request's settings that cannot conflict with setting names.
const USER: &str = "session user";
const DATABASE: &str = "session database";
const ADDRESS: &str = "session address";
const PID: &str = "session pid";

/// Returns the key of a setting in the client's metadata. The prefix separates it from startup parameters, except for settings
/// that the library itself looks up.
fn place(name: &str) -> String {
    match name {
        "bytea_output" | "datestyle" | "extra_float_digits" | "intervalstyle" | "application_name" => name.to_owned(),
        other => format!("set.{other}"),
    }
}

impl From<CursorStatement> for Said {
    fn from(statement: CursorStatement) -> Said {
        match statement {
            CursorStatement::Declare(declared, query) => Said::Declare(declared, query),
            CursorStatement::Fetch(fetched) => Said::Fetch(fetched),
        }
    }
}

impl Said {
    /// Parses a statement; `None` if it is not one of these.
    pub(super) fn of(statement: &Statement) -> Option<Said> {
        Some(match statement {
            Statement::StartTransaction { .. } => Said::Begin,
            Statement::Commit { .. } => Said::Commit,
            Statement::Rollback { savepoint: Some(name), .. } => Said::RollbackTo(fold(name)),
            Statement::Rollback { .. } => Said::Rollback,
            Statement::Savepoint { name } => Said::Savepoint(fold(name)),
            Statement::ReleaseSavepoint { name } => Said::Release(fold(name)),
            Statement::Set(set) => assignment(set),
            Statement::Reset(reset) => match &reset.reset {
                Reset::ALL => Said::Forget("RESET".into()),
                Reset::ConfigurationParameter(name) => Said::Set(name.to_string().to_lowercase(), None),
            },
            Statement::Discard { object_type: DiscardObject::ALL } => Said::Forget(DISCARD_ALL.into()),
            Statement::Discard { object_type } => Said::Fine(format!("DISCARD {object_type}").into()),
            Statement::Deallocate { name, .. }
                if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") =>
            {
                Said::Deallocate(None)
            }
            Statement::Deallocate { name, .. } => Said::Deallocate(Some(name.value.clone())),
            Statement::Close { cursor: CloseCursor::All } => Said::Close(None),
            Statement::Close { cursor: CloseCursor::Specific { name } } => Said::Close(Some(fold(name))),
            Statement::UNLISTEN { .. } => Said::Fine("UNLISTEN".into()),
            Statement::ShowVariable { variable } => {
                let words: Vec<String> = variable.iter().map(|word| word.value.to_lowercase()).collect();
                Said::Show(match words.join(" ").as_str() {
                    "transaction isolation level" => "transaction_isolation".to_owned(),
                    "time zone" => "timezone".to_owned(),
                    _ => words.join("."),
                })
            }
            _ => return None,
        })
    }

    /// Returns whether it ends a transaction.
    pub(super) fn ends(&self) -> bool {
        matches!(self, Said::Commit | Said::Rollback)
    }

    /// Returns whether it is allowed in a failed transaction.
    pub(super) fn recovers(&self) -> bool {
        self.ends() || matches!(self, Said::RollbackTo(_))
    }

    /// Returns the result columns.
    pub(super) fn fields(&self, format: FieldFormat) -> Vec<FieldInfo> {
        match self {
            Said::Show(name) => vec![FieldInfo::new(name.clone(), None, None, Type::TEXT, format)],
            _ => Vec::new(),
        }
    }

    /// Runs the statement.
    pub(super) fn answer<C: ClientInfo>(&self, client: &mut C, format: FieldFormat) -> PgWireResult<Response> {
        Ok(match self {
            Said::Begin => Response::TransactionStart(Tag::new("BEGIN")),
            Said::Commit if client.transaction_status() == TransactionStatus::Error => {
                Response::TransactionEnd(Tag::new("ROLLBACK"))
            }
            Said::Commit => Response::TransactionEnd(Tag::new("COMMIT")),
            Said::Rollback => Response::TransactionEnd(Tag::new("ROLLBACK")),
            Said::Set(name, value) => {
                set(client, name, value.as_deref())?;
                Response::Execution(Tag::new("SET"))
            }
            Said::Forget(tag) => {
                for (name, _) in KNOWN {
                    client.metadata_mut().remove(&place(name));
                }
                Response::Execution(Tag::new(tag))
            }
            Said::Show(name) => {
                let fields = Arc::new(self.fields(format));
                let mut row = DataRowEncoder::new(fields.clone());
                row.encode_field(&Some(shown(client, name)?))?;
                let row = Ok(row.take_row());
                let mut response = QueryResponse::new(fields, futures::stream::iter([row]));
                "SHOW".clone_into(&mut response.command_tag);
                Response::Query(response)
            }
            Said::Deallocate(_) => Response::Execution(Tag::new("DEALLOCATE")),
            Said::Savepoint(_) => Response::Execution(Tag::new("SAVEPOINT")),
            Said::Release(_) => Response::Execution(Tag::new("RELEASE")),
            Said::RollbackTo(_) => Response::Execution(Tag::new("ROLLBACK")),
            // Cursor statements are handled by the session.
            Said::Copy(..) | Said::Declare(..) | Said::Fetch(_) | Said::Close(_) => {
                return Err(errors::user("XX000", "a statement of the session's own"));
            }
            Said::Fine(tag) => Response::Execution(Tag::new(tag)),
        })
    }
}

fn assignment(set: &Set) -> Said {
    match set {
        Set::SingleAssignment { variable, values, .. } => {
            let name = variable.to_string().replace('"', "").to_lowercase();
            let value = values.iter().map(word).collect::<Vec<_>>().join(", ");
            Said::Set(name, Some(value).filter(|value| !value.eq_ignore_ascii_case("default")))
        }
        Set::SetTimeZone { value, .. } => Said::Set("timezone".to_owned(), Some(word(value))),
        Set::SetNames { charset_name, .. } => Said::Set("client_encoding".to_owned(), Some(charset_name.value.clone())),
        _ => Said::Fine("SET".into()),
    }
}

fn word(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.clone(),
            other => other.clone().into_string().unwrap_or_else(|| other.to_string()),
        },
        Expr::Identifier(name) => name.value.clone(),
        other => other.to_string(),
    }
}

/// Changes a setting; `None` resets it.
pub(super) fn set<C: ClientInfo>(client: &mut C, name: &str, value: Option<&str>) -> PgWireResult<()> {
    let place = place(name);
    let Some(value) = value else {
        client.metadata_mut().remove(&place);
        return Ok(());
    };
    let expected = match name {
        "statement_timeout" if duration(value).is_none() => "milliseconds, or a number with ms, s, min or h",
        "client_encoding" if !matches!(value.to_uppercase().as_str(), "UTF8" | "UTF-8" | "UNICODE" | "SQL_ASCII") => {
            "UTF8"
        }
        "bytea_output" if !matches!(value.to_lowercase().as_str(), "hex" | "escape") => "hex or escape",
        "extra_float_digits" if !value.parse().is_ok_and(|digits| (-15..=3).contains::<i8>(&digits)) => "-15 to 3",
        "intervalstyle"
            if !matches!(
                value.to_lowercase().as_str(),
                "postgres" | "postgres_verbose" | "sql_standard" | "iso_8601"
            ) =>
        {
            "postgres, postgres_verbose, sql_standard or iso_8601"
        }
        "timezone" if Zone::set(value).is_none() => "the name of a time zone, or hours east of UTC",
        _ => {
            // Some settings are fixed by the server, because it is read-only.
            let ours = name.ends_with("read_only") || name.starts_with("server_");
            // Unknown names are ignored, to limit memory.
            if !ours && KNOWN.iter().any(|(known, _)| *known == name) {
                client.metadata_mut().insert(place, value.to_owned());
            }
            return Ok(());
        }
    };
    Err(errors::user("22023", format!("{name}: expected {expected}, found {value:?}")))
}

fn shown<C: ClientInfo>(client: &C, name: &str) -> PgWireResult<String> {
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    let Some((_, default)) = known else {
        return Err(errors::user("42704", format!("unrecognized configuration parameter {name:?}")));
    };
    if name == "timezone" {
        return Ok(timezone(client).unwrap_or(default).to_owned());
    }
    Ok(client.metadata().get(&place(name)).cloned().unwrap_or_else(|| (*default).to_owned()))
}

/// Returns the client's statement timeout; `None` if only the server's applies.
pub(super) fn timeout<C: ClientInfo>(client: &C) -> Option<Duration> {
    client.metadata().get(&place("statement_timeout")).and_then(|value| duration(value)).filter(|time| !time.is_zero())
}

/// Returns user, database and settings of the client, for parsing its statements in a worker.
pub(super) fn settings<C: ClientInfo>(client: &C) -> Settings {
    let set = |(name, _): &(&str, &str)| Some(((*name).to_owned(), client.metadata().get(&place(name))?.clone()));
    let mut settings: Settings = KNOWN.iter().filter_map(set).collect();
    settings.extend(timezone(client).map(|zone| ("timezone".to_owned(), zone.to_owned())));
    let said = |name: &str| client.metadata().get(name).cloned();
    let user = said(METADATA_USER).unwrap_or_default();
    settings.insert(USER.to_owned(), user.clone());
    settings.insert(DATABASE.to_owned(), said(METADATA_DATABASE).unwrap_or(user));
    settings.insert(ADDRESS.to_owned(), client.socket_addr().to_string());
    settings.insert(PID.to_owned(), client.pid_and_secret_key().0.to_string());
    settings
}

/// Restores the client from a request's settings.
pub(super) fn told(settings: &Settings) -> pgcatalog::Client {
    let value = |name: &str| settings.get(name).cloned();
    let setting = |&(name, default): &(&'static str, &'static str)| pgcatalog::Setting {
        name,
        value: value(name).unwrap_or_else(|| default.to_owned()),
        default,
    };
    pgcatalog::Client {
        user: value(USER).unwrap_or_default(),
        database: value(DATABASE).unwrap_or_default(),
        settings: KNOWN.iter().map(setting).collect(),
        pid: value(PID).and_then(|pid| pid.parse().ok()).unwrap_or_default(),
        address: value(ADDRESS).and_then(|address| address.parse().ok()),
        ..pgcatalog::Client::default()
    }
}

/// Returns the client's output format options.
pub(super) fn options<C: ClientInfo>(client: &C) -> Arc<FormatOptions> {
    let mut options = FormatOptions::from_client_metadata(client.metadata());
    timezone(client).unwrap_or("UTC").clone_into(&mut options.time_zone);
    Arc::new(options)
}

/// Returns the time zone that the client set, or specified when it connected, if it is valid.
pub(super) fn timezone<C: ClientInfo>(client: &C) -> Option<&str> {
    let metadata = client.metadata();
    let named = || metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("timezone")).map(|(_, value)| value);
    let set = metadata.get(&place("timezone")).or_else(named).map(String::as_str);
    set.or_else(|| metadata.get("options").and_then(|options| option(options)))
        .filter(|value| Zone::set(value).is_some())
}

/// Returns the time zone of `-c timezone=…`.
fn option(options: &str) -> Option<&str> {
    options.split_whitespace().find_map(|word| {
        let (name, value) = word.trim_start_matches('-').split_once('=')?;
        let name = name.strip_prefix('c').unwrap_or(name);
        name.eq_ignore_ascii_case("timezone").then_some(value)
    })
}

/// Rewords the error of a query that exceeded the client's own timeout.
pub(super) fn limited(timeout: Option<Duration>, error: QueryError) -> QueryError {
    match error {
        QueryError::TimedOut(limit) if timeout == Some(limit) => {
            let message = format!("the query took longer than the statement_timeout of {limit:?}");
            QueryError::Failed(SqlFault::new("57014", message))
        }
        other => other,
    }
}

fn duration(value: &str) -> Option<Duration> {
    let value = value.trim();
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
    let number: u64 = number.parse().ok()?;
    let ms = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(ms)?))
}

/// Converts the error of a query; the timeout is the session's.
pub(super) fn failed(timeout: Option<Duration>, error: QueryError) -> PgWireError {
    errors::query(&limited(timeout, error))
}
