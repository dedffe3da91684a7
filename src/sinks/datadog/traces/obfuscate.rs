//! What a statement, a command or an address says of people is taken out, as the Agent does by default: literals of SQL,
//! arguments of Redis and Valkey, values of Memcached, of MongoDB and of searches, users in URLs, card numbers.

use super::wire::Span;
use libdd_trace_obfuscation::credit_cards::is_card_number;
use libdd_trace_obfuscation::http::obfuscate_url_string;
use libdd_trace_obfuscation::json::JsonObfuscator;
use libdd_trace_obfuscation::obfuscation_config::{DbmsKind, JsonObfuscatorConfig, SqlConfig};
use libdd_trace_obfuscation::redis::{obfuscate_redis_string, quantize_redis_string};
use libdd_trace_obfuscation::sql::{SQL_NON_PARSABLE_REPLACEMENT, obfuscate_sql};

/// Tags that look like card numbers and are none.
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

/// Takes it out of a span.
pub(super) fn obfuscate(span: &mut Span) {
    for (key, value) in &mut span.meta {
        let spared = key.starts_with('_') || key == "version" || NO_CARDS.contains(&key.as_str());
        if !spared && is_card_number(value.as_str(), false) {
            "?".clone_into(value);
        }
    }
    match span.r#type.as_str() {
        "sql" | "cassandra" => statements(span),
        kind @ ("redis" | "valkey") => {
            let command = if kind == "redis" { "redis.raw_command" } else { "valkey.raw_command" };
            span.resource = quantize_redis_string(&span.resource);
            replace(span, command, obfuscate_redis_string);
        }
        // The command is dropped whole, for there is no telling keys from values.
        "memcached" => replace(span, "memcached.command", |_| String::new()),
        "web" | "http" => replace(span, "http.url", |url| obfuscate_url_string(url, false, false)),
        "mongodb" => replace(span, "mongodb.query", document),
        "elasticsearch" | "opensearch" => {
            replace(span, "elasticsearch.body", document);
            replace(span, "opensearch.body", document);
        }
        _ => {}
    }
}

/// The resource of a span of SQL, and what else carries the statement.
fn statements(span: &mut Span) {
    let before = std::mem::take(&mut span.resource);
    span.resource = if before.is_empty() { String::new() } else { statement(&before) };
    for key in ["sql.query", "db.statement", "db.query.text"] {
        match span.meta.get_mut(key) {
            Some(value) if value.is_empty() && key == "sql.query" => {
                span.meta.remove(key);
            }
            Some(value) if value.is_empty() => {}
            Some(value) if *value == before => value.clone_from(&span.resource),
            Some(value) => *value = statement(value),
            None => {}
        }
    }
}

fn statement(sql: &str) -> String {
    obfuscate_sql(sql, &SqlConfig::default(), DbmsKind::Generic)
        .unwrap_or_else(|_| SQL_NON_PARSABLE_REPLACEMENT.to_owned())
}

fn document(json: &str) -> String {
    JsonObfuscator::new(JsonObfuscatorConfig::enabled()).obfuscate(json).0
}

fn replace(span: &mut Span, key: &str, with: impl Fn(&str) -> String) {
    if let Some(value) = span.meta.get_mut(key).filter(|value| !value.is_empty()) {
        *value = with(value);
    }
}
