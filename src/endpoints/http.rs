//! SQL over HTTP with JSON, CSV or Arrow results, findings, and the web page.

mod accept;
mod csv;
mod findings;
mod guard;
mod page;
mod rows;
mod shared;

#[cfg(test)]
mod tests;

pub use shared::HttpSettings;

use super::graceful_shutdown::{self, QUERY_GRACE};
use super::{QueryError, QueryService, query_span};
use crate::engine::{Plain, Request, SqlFault};
use crate::model::pipeline::PipelineDef;
use crate::model::table::{ColumnDef, ColumnType, TableDef};
use crate::net::Listener;
use accept::Format;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use rows::{Refused, TOO_MANY};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{Shared, refuse};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Default maximum number of rows of a JSON response.
const JSON_ROWS_MAX: usize = 100_000;

/// Serves until `cancel`; requests in progress can finish within some seconds.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: impl Into<Listener>,
    settings: HttpSettings,
    service: Arc<dyn QueryService>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let listener = listener.into();
    let loopback = listener.local_addr()?.ip().is_loopback();
    let guard = Arc::new(guard::Guard { settings: settings.clone(), loopback });
    let queries = Arc::new(Semaphore::new(settings.queries_max));
    let body_limit = DefaultBodyLimit::max(settings.body_bytes_max);
    let shared = Arc::new(Shared { service, settings, queries, cancel: cancel.clone() });
    let router = Router::new()
        .route("/", get(page::page))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/v1/sql", post(sql))
        .route("/v1/findings", get(findings::findings))
        .route("/v1/status", get(status))
        .route("/v1/tables", get(tables))
        .route("/v1/pipelines", get(pipelines))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "expected POST to /v1/sql, and GET elsewhere")
        })
        .with_state(shared)
        .layer(body_limit)
        .layer(middleware::from_fn(move |request, next| guard::check(guard.clone(), request, next)));
    graceful_shutdown::serve(listener, router, cancel).await
}

#[derive(Deserialize)]
struct Statement {
    query: String,
}

type Refusal = (StatusCode, String);

async fn sql(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let format = match Format::wanted(&headers) {
        Ok(format) => format,
        Err(message) => return varying(refuse(StatusCode::NOT_ACCEPTABLE, &message)),
    };
    let statement = match statement(&shared.settings, &headers, body) {
        Ok(statement) => statement,
        Err((status, message)) => return refuse(status, &message),
    };
    let Ok(permit) = shared.queries.clone().try_acquire_owned() else {
        let mut busy =
            refuse(StatusCode::TOO_MANY_REQUESTS, "as many queries as may run at once are running: ask again");
        busy.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return busy;
    };
    tokio::select! {
        answer = answer(&shared, &statement, format, permit) => varying(match answer {
            Ok(body) => answered(format, body),
            Err(Refused::Query(error)) => unanswered(&error),
            Err(Refused::TooMany) => refuse(StatusCode::UNPROCESSABLE_ENTITY, TOO_MANY),
            Err(Refused::Column(error)) => {
                refuse(StatusCode::BAD_REQUEST, &format!("a column of the answer cannot be written: {error}"))
            }
        }),
        () = graceful_shutdown::after(shared.cancel.clone(), QUERY_GRACE) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "the server ends")
        }
    }
}

async fn answer(
    shared: &Shared,
    statement: &str,
    format: Format,
    permit: OwnedSemaphorePermit,
) -> Result<Body, Refused> {
    let mut limits = shared.service.limits();
    if format == Format::Json {
        // JSON clients read the response as a whole.
        limits.rows_max = limits.rows_max.or(Some(JSON_ROWS_MAX));
    }
    let request = Request::new(Plain::NAME, statement, limits);
    let running = query_span::run("http", &*shared.service, &request).await?;
    rows::body(running, format, permit, shared.settings.stall).await
}

/// Adds `Vary`, because the response depends on `Accept`.
fn varying(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Reads the statement of a request. The content type is required because pages of other sites cannot send JSON without a
/// preflight; they can send plain text, but only with their `Origin`.
fn statement(
    settings: &HttpSettings,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<String, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(kind.as_str(), "application/json" | "text/plain") {
        let message = format!("expected content-type application/json or text/plain, found {kind:?}");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("the body has more than {} bytes, which is the limit", settings.body_bytes_max);
            (StatusCode::PAYLOAD_TOO_LARGE, message)
        }
        status => (status, format!("the body did not arrive whole: {rejection}")),
    })?;
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    if kind == "application/json" {
        let statement: Result<Statement, _> = serde_json::from_slice(&body);
        return statement
            .map(|statement| statement.query)
            .map_err(|error| bad(format!("expected {{\"query\": \"SELECT …\"}}: {error}")));
    }
    String::from_utf8(body.to_vec()).map_err(|_| bad("expected the statement as UTF-8 text".to_owned()))
}

fn answered(format: Format, body: Body) -> Response {
    let headers = [(header::CONTENT_TYPE, format.content_type()), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

fn unanswered(error: &QueryError) -> Response {
    let status = match error {
        QueryError::Invalid(_) | QueryError::ReadOnly(_) => StatusCode::BAD_REQUEST,
        QueryError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        QueryError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        QueryError::Memory(_) => StatusCode::INSUFFICIENT_STORAGE,
        QueryError::Failed(fault) if is_short(fault) => StatusCode::SERVICE_UNAVAILABLE,
        QueryError::Failed(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let message = error.to_string();
    let mut body = json!({ "error": message });
    if let Some((line, column)) = place(&message) {
        body["line"] = line.into();
        body["column"] = column.into();
    }
    let mut response = (status, Json(body)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Returns whether the server lacked resources (class 53), so that a retry can succeed.
fn is_short(fault: &SqlFault) -> bool {
    fault.code.as_deref().is_some_and(|code| code.starts_with("53"))
}

/// Parses line and column from a message of the SQL parser, which reports them only there.
fn place(message: &str) -> Option<(u64, u64)> {
    let (line, rest) = message.rsplit_once("at Line: ")?.1.split_once(", Column: ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, column.parse().ok()?))
}

async fn tables(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let tables: Vec<Value> = shared.service.tables().iter().map(table).collect();
    Json(json!({ "tables": tables }))
}

fn table(table: &TableDef) -> Value {
    let word = |kind: ColumnType| ColumnType::WORDS.iter().find(|(_, known)| *known == kind).map(|(word, _)| *word);
    let column = |column: &ColumnDef| json!({"name": column.name, "type": word(column.kind), "unit": column.unit, "doc": column.doc});
    let columns: Vec<Value> = table.columns.iter().map(column).collect();
    json!({"name": table.name, "doc": table.doc, "columns": columns})
}

/// Returns the listeners with their bound addresses, for the page.
async fn status(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let listening = shared.service.listening();
    let listening: Vec<Value> =
        listening.into_iter().map(|(what, address)| json!({"what": what, "address": address})).collect();
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "listening": listening }))
}

async fn pipelines(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let pipelines: Vec<Value> = shared.service.pipelines().iter().map(pipeline).collect();
    Json(json!({ "pipelines": pipelines }))
}

fn pipeline(pipeline: &PipelineDef) -> Value {
    json!({
        "id": pipeline.id, "title": pipeline.title, "file": pipeline.file, "doc": pipeline.prose, "sql": pipeline.sql,
    })
}
