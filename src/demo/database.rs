//! An embedded `SQLite` behind a pool, with a span per statement and pool metrics.

use super::telemetry::Telemetry;
use super::web::Failure;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use parking_lot::Mutex;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// `SQLite` answers in microseconds, in the same process. A real shop's database is across a network, and patterns such as one
/// query per line are slow only because of the round trips, so each statement is delayed by one.
const NETWORK_ROUND_TRIP: Duration = Duration::from_millis(6);

/// A pool of connections to one database file.
#[derive(Clone)]
pub(super) struct Database {
    pool: SqlitePool,
    namespace: &'static str,
    telemetry: Telemetry,
    figures: PoolFigures,
    times: Times,
}

/// Maximum duration of a statement, as a multiple of its minimum.
const TIMES_LEAST: u32 = 8;

/// Minimum time that each statement took in the database.
///
/// The shop's database simulates one on a dedicated machine. Here it shares the machine with the shop, the server and
/// everything else, and a statement that waits for a processor would look slow. Waiting makes some runs longer and none
/// shorter, so the minimum is the statement's own cost, and every duration is capped at a multiple of it.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<HashMap<&'static str, Duration>>>);

impl Times {
    /// Converts a run that `took` this long here to its duration on the simulated database machine.
    fn of_database(&self, statement: &'static str, took: Duration) -> Duration {
        let mut least = self.0.lock();
        let least = least.entry(statement).or_insert(took);
        *least = took.min(*least);
        took.min(*least * TIMES_LEAST)
    }
}

/// The pool metrics of the semantic conventions.
#[derive(Clone)]
struct PoolFigures {
    connections: UpDownCounter<i64>,
    pending: UpDownCounter<i64>,
    wait_s: Histogram<f64>,
    timeouts: Counter<u64>,
    pool: KeyValue,
}

impl Database {
    pub(super) async fn open(
        folder: &Path,
        namespace: &'static str,
        connections_max: u32,
        telemetry: &Telemetry,
    ) -> anyhow::Result<Database> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join(format!("{namespace}.sqlite")))
            .create_if_missing(true)
            // The demo's data is temporary, so it need not wait for a disk that others keep busy.
            .synchronous(SqliteSynchronous::Off);
        let pool = SqlitePoolOptions::new()
            .max_connections(connections_max)
            .min_connections(connections_max)
            .acquire_timeout(Duration::from_secs(5))
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        let figures = PoolFigures::new(telemetry, namespace, connections_max);
        Ok(Database { pool, namespace, telemetry: telemetry.clone(), figures, times: Times::default() })
    }

    /// Runs statements that set up the shop; not traced, since no customer waits for them.
    pub(super) async fn set_up(&self, statements: &[&'static str]) -> anyhow::Result<()> {
        for statement in statements {
            sqlx::raw_sql(*statement).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Reads rows during the set-up; not traced either.
    pub(super) async fn read(&self, statement: &'static str) -> anyhow::Result<Vec<SqliteRow>> {
        Ok(sqlx::query(statement).fetch_all(&self.pool).await?)
    }

    /// Runs one statement in a span under `parent`.
    pub(super) async fn query(
        &self,
        parent: &Context,
        text: &'static str,
        arguments: SqliteArguments,
    ) -> Result<Vec<SqliteRow>, Failure> {
        let mut connection = match self.pool.try_acquire() {
            Some(connection) => self.figures.at_once(connection),
            None => self.figures.wait(self.pool.acquire()).await?,
        };
        let used = self.figures.use_one();
        let operation = text.split_whitespace().next().unwrap_or_default();
        let began = SystemTime::now();
        let span = self
            .telemetry
            .tracer
            .span_builder(format!("{operation} {}", self.namespace))
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes([
                KeyValue::new("db.system.name", "sqlite"),
                KeyValue::new("db.namespace", self.namespace),
                KeyValue::new("db.operation.name", operation),
                KeyValue::new("db.query.text", text),
            ])
            .start_with_context(&self.telemetry.tracer, parent);
        let context = parent.with_span(span);
        tokio::time::sleep(NETWORK_ROUND_TRIP).await;
        let asked = Instant::now();
        let rows = sqlx::query_with(text, arguments).fetch_all(&mut *connection).await;
        let took = NETWORK_ROUND_TRIP + self.times.of_database(text, asked.elapsed());
        let span = context.span();
        match &rows {
            Ok(rows) => span.set_attribute(KeyValue::new(
                "db.response.returned_rows",
                i64::try_from(rows.len()).unwrap_or(i64::MAX),
            )),
            Err(error) => span.set_status(Status::error(error.to_string())),
        }
        span.end_with_timestamp(began + took);
        drop(connection);
        drop(used);
        Ok(rows?)
    }
}

impl PoolFigures {
    fn new(telemetry: &Telemetry, namespace: &'static str, connections_max: u32) -> PoolFigures {
        let meter = &telemetry.meter;
        let pool = KeyValue::new("db.client.connection.pool.name", namespace);
        let connections = meter.i64_up_down_counter("db.client.connection.count").with_unit("{connection}").build();
        connections.add(i64::from(connections_max), &[pool.clone(), state("idle")]);
        connections.add(0, &[pool.clone(), state("used")]);
        let max = meter.i64_up_down_counter("db.client.connection.max").with_unit("{connection}").build();
        max.add(i64::from(connections_max), std::slice::from_ref(&pool));
        let pending = meter.i64_up_down_counter("db.client.connection.pending_requests").with_unit("{request}").build();
        pending.add(0, std::slice::from_ref(&pool));
        let timeouts = meter.u64_counter("db.client.connection.timeouts").with_unit("{timeout}").build();
        timeouts.add(0, std::slice::from_ref(&pool));
        let wait_s = meter.f64_histogram("db.client.connection.wait_time").with_unit("s").build();
        PoolFigures { connections, pending, wait_s, timeouts, pool }
    }

    /// Records a wait of zero for a connection that was free, however busy the machine is.
    fn at_once<T>(&self, connection: T) -> T {
        self.wait_s.record(0.0, std::slice::from_ref(&self.pool));
        connection
    }

    /// Waits for a connection, counted as pending meanwhile.
    async fn wait<T>(&self, acquire: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Failure> {
        let pool = std::slice::from_ref(&self.pool);
        let began = Instant::now();
        self.pending.add(1, pool);
        let acquired = acquire.await;
        self.pending.add(-1, pool);
        self.wait_s.record(began.elapsed().as_secs_f64(), pool);
        if matches!(acquired, Err(sqlx::Error::PoolTimedOut)) {
            self.timeouts.add(1, pool);
        }
        Ok(acquired?)
    }

    /// Counts a connection as used until the guard is dropped.
    fn use_one(&self) -> Used {
        self.shift(1);
        Used(self.clone())
    }

    fn shift(&self, by: i64) {
        self.connections.add(by, &[self.pool.clone(), state("used")]);
        self.connections.add(-by, &[self.pool.clone(), state("idle")]);
    }
}

struct Used(PoolFigures);

impl Drop for Used {
    fn drop(&mut self) {
        self.0.shift(-1);
    }
}

fn state(word: &'static str) -> KeyValue {
    KeyValue::new("db.client.connection.state", word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_makes_no_statement_slow() {
        let times = Times::default();
        let ms = Duration::from_millis;
        // By id: a millisecond, except for runs that waited for a processor.
        let found = [1, 300, 2, 900, 1, 40].map(|took| times.of_database("SELECT by number", ms(took)));
        assert_eq!(found, [1, 8, 2, 8, 1, 8].map(ms));
        // A scan is slow in every run.
        let found = [400, 200, 250, 3000].map(|took| times.of_database("SELECT by name", ms(took)));
        assert_eq!(found, [400, 200, 250, 1600].map(ms));
    }
}
