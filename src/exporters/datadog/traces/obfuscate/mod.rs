//! Removes private data from statements, commands and addresses, as the Agent does by default: SQL literals, arguments of Redis
//! and Valkey, values of Memcached, of `MongoDB` and of searches, users in URLs, card numbers.
//!
//! Does not use Datadog's own library for this: where its result differs from the Agent's, resources would have two names.

mod addresses;
mod cards;
mod json;
mod redis;
mod sql;
mod tokens;
mod url;

pub(in crate::exporters::datadog) use addresses::hide;

use super::wire::Span;

/// Tags that look like card numbers but are not.
const NO_CARDS: [&str; 30] = [
    "account_id",
    "aws_account",
    "config.spark_app_startTime",
    "config.spark_databricks_job_parentRunId",
    "databricks_job_id",
    "databricks_job_run_id",
    "databricks_task_run_id",
    "env",
    "error",
    "error.msg",
    "error.stack",
    "error.type",
    "graphql.field",
    "graphql.operation.name",
    "graphql.query",
    "graphql.type",
    "grpc.code",
    "grpc.method",
    "grpc.request",
    "http.method",
    "http.status_code",
    "out.host",
    "out.port",
    "runtime-id",
    "sampling.priority",
    "service",
    "service.name",
    "span.name",
    "span.type",
    "sql.query",
];

/// Obfuscates a span.
pub(super) fn obfuscate(span: &mut Span) {
    for (key, value) in &mut span.meta {
        let spared = key.starts_with('_') || key == "version" || NO_CARDS.contains(&key.as_str());
        if !spared && cards::is_card(value) {
            "?".clone_into(value);
        }
    }
    match span.r#type.as_str() {
        "sql" | "cassandra" => statements(span),
        kind @ ("redis" | "valkey") => {
            let command = if kind == "redis" { "redis.raw_command" } else { "valkey.raw_command" };
            span.resource = redis::names(&span.resource);
            replace(span, command, redis::obfuscate);
        }
        // The whole command is dropped, because keys and values cannot be distinguished.
        "memcached" => replace(span, "memcached.command", |_| String::new()),
        "web" | "http" => replace(span, "http.url", url::without_user),
        "mongodb" => replace(span, "mongodb.query", json::obfuscate),
        "elasticsearch" | "opensearch" => {
            replace(span, "elasticsearch.body", json::obfuscate);
            replace(span, "opensearch.body", json::obfuscate);
        }
        _ => {}
    }
}

/// Obfuscates the resource of a SQL span, and all tags that contain the statement.
fn statements(span: &mut Span) {
    let before = std::mem::take(&mut span.resource);
    span.resource = if before.is_empty() { String::new() } else { sql::obfuscate(&before) };
    for key in ["sql.query", "db.statement", "db.query.text"] {
        match span.meta.get_mut(key) {
            Some(value) if value.is_empty() && key == "sql.query" => {
                span.meta.remove(key);
            }
            Some(value) if value.is_empty() => {}
            Some(value) if *value == before => value.clone_from(&span.resource),
            Some(value) => *value = sql::obfuscate(value),
            None => {}
        }
    }
}

fn replace(span: &mut Span, key: &str, with: impl Fn(&str) -> String) {
    if let Some(value) = span.meta.get_mut(key).filter(|value| !value.is_empty()) {
        *value = with(value);
    }
}
