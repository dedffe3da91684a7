//! SQL and findings over HTTP as JSON, and the page.

mod guard;
mod page;
mod rows;

use super::QueryService;
use crate::engine::QueryError;
use crate::sinks::settings::Secret;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Settings of `extensions.sql.http`.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Token that a client must bear.
    pub auth_token: Option<Secret>,
    /// Bytes that a request's body may have.
    pub body_bytes_max: usize,
    /// Queries that run at once; more are told to come again.
    pub queries_max: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings { auth_token: None, body_bytes_max: 1 << 20, queries_max: 8 }
    }
}

struct Shared {
    service: Arc<dyn QueryService>,
    queries: Semaphore,
}

/// Serves until `cancel`; requests under way are answered.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: HttpSettings,
    service: Arc<dyn QueryService>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let loopback = listener.local_addr()?.ip().is_loopback();
    let guard = Arc::new(guard::Guard { token: settings.auth_token.clone(), loopback });
    let shared = Arc::new(Shared { service, queries: Semaphore::new(settings.queries_max) });
    let router = Router::new()
        .route("/", get(page::page))
        .route("/v1/sql", post(sql))
        .route("/v1/findings", get(findings))
        .route("/v1/tables", get(tables))
        .route("/v1/pipelines", get(pipelines))
        .with_state(shared)
        .layer(DefaultBodyLimit::max(settings.body_bytes_max))
        .layer(middleware::from_fn(move |request, next| guard::check(guard.clone(), request, next)));
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Statement {
    query: String,
}

async fn sql(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let statement = match statement(&headers, &body) {
        Ok(statement) => statement,
        Err((status, message)) => return refuse(status, &message),
    };
    let Ok(_permit) = shared.queries.try_acquire() else {
        let mut busy =
            refuse(StatusCode::TOO_MANY_REQUESTS, "as many queries as may run at once are running: ask again");
        busy.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        return busy;
    };
    match shared.service.query(&statement).await {
        Ok(answer) => match rows::body(&answer) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("the answer cannot be written: {error}")),
        },
        Err(error) => refuse(status(&error), &error.to_string()),
    }
}

fn statement(headers: &HeaderMap, body: &Bytes) -> Result<String, (StatusCode, String)> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => serde_json::from_slice(body)
            .map(|statement: Statement| statement.query)
            .map_err(|error| bad(format!("expected {{\"query\": \"SELECT …\"}}: {error}"))),
        "text/plain" => {
            String::from_utf8(body.to_vec()).map_err(|_| bad("expected the statement as UTF-8 text".to_owned()))
        }
        found => {
            let message = format!("expected content-type application/json or text/plain, found {found:?}");
            Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
    }
}

fn status(error: &QueryError) -> StatusCode {
    match error {
        QueryError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        QueryError::ReadOnly(_) => StatusCode::FORBIDDEN,
        QueryError::Invalid(_) => StatusCode::BAD_REQUEST,
        QueryError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        QueryError::Memory(_) => StatusCode::INSUFFICIENT_STORAGE,
        QueryError::Failed(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

#[derive(Deserialize)]
struct Wanted {
    state: Option<String>,
    pipeline: Option<String>,
}

async fn findings(State(shared): State<Arc<Shared>>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let findings = shared.service.findings();
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let found: Vec<_> = findings
        .iter()
        .filter(|finding| is(&wanted.state, finding.state.as_str()) && is(&wanted.pipeline, &finding.pipeline))
        .collect();
    Json(json!({ "findings": found }))
}

async fn tables(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let column = |column: &crate::model::table::ColumnDef| json!({"name": column.name, "type": column.kind.arrow().to_string(), "unit": column.unit, "doc": column.doc});
    let table = |table: &crate::model::table::TableDef| {
        let columns: Vec<Value> = table.columns.iter().map(column).collect();
        json!({"name": table.name, "doc": table.doc, "columns": columns})
    };
    let tables: Vec<Value> = shared.service.tables().iter().map(table).collect();
    Json(json!({ "tables": tables }))
}

async fn pipelines(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let pipeline = |pipeline: &crate::model::pipeline::PipelineDef| json!({"id": pipeline.id, "title": pipeline.title, "file": pipeline.file, "doc": pipeline.prose, "sql": pipeline.sql});
    let pipelines: Vec<Value> = shared.service.pipelines().iter().map(pipeline).collect();
    Json(json!({ "pipelines": pipelines }))
}
