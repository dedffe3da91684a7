//! `metric_key(name)`: one spelling for a metric's name from OTLP and Prometheus: `cache.gets` and `cache_gets_total` are
//! both `cache_gets`, `db.sql.connection.wait_duration` and `db_sql_connection_wait_duration_milliseconds_total` are both
//! `db_sql_connection_wait_duration`. Prometheus replaces dots by underscores and appends the unit and `_total`.

use arrow::array::{AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::borrow::Cow;
use std::sync::Arc;

/// Units that names in Prometheus end with.
const UNITS: [&str; 6] = ["_seconds", "_milliseconds", "_nanoseconds", "_connections", "_objects", "_threads"];

/// Creates `metric_key(name)`.
pub(super) fn metric_key() -> ScalarUDF {
    create_udf("metric_key", vec![DataType::Utf8], DataType::Utf8, Volatility::Immutable, Arc::new(evaluate))
}

fn evaluate(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let keys: StringArray = columns[0].as_string::<i32>().iter().map(|name| Some(key(name?))).collect();
    Ok(ColumnarValue::Array(Arc::new(keys)))
}

/// Returns the name without dots, unit and `_total`.
fn key(name: &str) -> Cow<'_, str> {
    let separated = name.contains(['.', '/']);
    let mut key = if separated { Cow::Owned(name.replace(['.', '/'], "_")) } else { Cow::Borrowed(name) };
    cut(&mut key, "_total");
    // The unit of one name can be the whole of another, such as `hikaricp_connections`.
    if let Some(unit) = UNITS.iter().find(|unit| key.strip_suffix(**unit).is_some_and(|stem| stem.contains('_'))) {
        cut(&mut key, unit);
    }
    key
}

/// Returns the name unchanged, in Prometheus' spelling, and as a counter in Prometheus' spelling.
pub(in crate::engine) fn spellings(name: &str) -> [String; 3] {
    let spelled = name.replace(['.', '/'], "_");
    let counter = format!("{}_total", spelled.strip_suffix("_total").unwrap_or(&spelled));
    [name.to_owned(), spelled, counter]
}

fn cut(key: &mut Cow<'_, str>, suffix: &str) {
    let Some(length) = key.strip_suffix(suffix).map(str::len) else { return };
    match key {
        Cow::Borrowed(text) => *text = &text[..length],
        Cow::Owned(text) => text.truncate(length),
    }
}

#[cfg(test)]
mod tests {
    use super::{key, spellings};

    #[test]
    fn spellings_of_one_metric_are_one() {
        for (name, expected) in [
            ("cache.gets", "cache_gets"),
            ("cache_gets_total", "cache_gets"),
            ("redis.keyspace.hits", "redis_keyspace_hits"),
            ("redis_keyspace_hits_total", "redis_keyspace_hits"),
            ("db.sql.connection.wait_duration", "db_sql_connection_wait_duration"),
            ("db_sql_connection_wait_duration_milliseconds_total", "db_sql_connection_wait_duration"),
            ("go_sql_wait_duration_seconds_total", "go_sql_wait_duration"),
            ("go_sql_in_use_connections", "go_sql_in_use"),
            ("go.sql/connections/open", "go_sql_connections_open"),
            ("r2dbc.pool.acquired", "r2dbc_pool_acquired"),
            ("r2dbc_pool_acquired_connections", "r2dbc_pool_acquired"),
            ("reactor.netty.connection.provider.pending.connections", "reactor_netty_connection_provider_pending"),
            ("hikaricp.connections", "hikaricp_connections"),
            ("hikaricp_connections", "hikaricp_connections"),
            ("hikaricp.connections.timeout", "hikaricp_connections_timeout"),
            ("hikaricp_connections_timeout_total", "hikaricp_connections_timeout"),
            ("hikaricp_connections_acquire_seconds", "hikaricp_connections_acquire"),
            ("commons_pool2_num_waiters_threads", "commons_pool2_num_waiters"),
            ("seconds", "seconds"),
            ("total", "total"),
        ] {
            assert_eq!(key(name), expected, "{name}");
        }
    }

    #[test]
    fn a_counter_is_known_in_each_spelling() {
        assert_eq!(spellings("cache.gets"), ["cache.gets", "cache_gets", "cache_gets_total"]);
        assert_eq!(spellings("django_hits_total"), ["django_hits_total", "django_hits_total", "django_hits_total"]);
    }
}
