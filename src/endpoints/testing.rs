//! A query service over a small table, for tests of the endpoints.

use super::QueryService;
use super::pgwire::PgDialect;
use crate::engine::{
    Answer, Dialect, Launch, Offered, OfferedTable, Plain, PoolSettings, Queries, QueryError, QueryLimits, Read,
    Request,
};
use crate::model::finding::{Finding, FindingState, Proof, Severity};
use crate::model::pipeline::PipelineDef;
use crate::model::table::{ColumnDef, ColumnType, TableDef, TableKind, map_fields};
use crate::store::{Part, SnapshotTable};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListBuilder, MapBuilder, MapFieldNames, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// State that tests can change while it serves.
pub(super) struct Example {
    queries: Queries,
    limits: QueryLimits,
    ailing: Mutex<Vec<(String, String)>>,
    pub(super) catching_up: Mutex<Option<String>>,
    /// Number of running queries.
    pub(super) running: Arc<AtomicUsize>,
}

/// 2026-01-02T03:04:05.678901Z in microseconds: days since the epoch are 20,455.
pub(super) const START_US: i64 = (20_455 * 86_400 + 3 * 3600 + 4 * 60 + 5) * 1_000_000 + 678_901;

impl Example {
    pub(super) fn new() -> Arc<Example> {
        Example::limited(QueryLimits { timeout: Duration::from_secs(20), rows_max: Some(1000), sql_bytes_max: 10_000 })
    }

    pub(super) fn limited(limits: QueryLimits) -> Arc<Example> {
        let rows = spans();
        let table = SnapshotTable::new(rows.schema(), None, move || vec![Part::new(rows.clone(), None)]);
        let table = OfferedTable { rows: Arc::new(table), doc: String::new(), column_docs: Vec::new() };
        let offered = Offered { tables: [("spans".to_owned(), table)].into(), views: Vec::new() };
        let dialects = || vec![Arc::new(Plain) as Arc<dyn Dialect>, Arc::new(PgDialect::default())];
        let settings = PoolSettings { launch: Launch::Thread(Arc::new(dialects)), ..PoolSettings::default() };
        let queries = Queries::new(settings, offered, |_| {}).unwrap();
        Arc::new(Example {
            queries,
            limits,
            ailing: Mutex::default(),
            catching_up: Mutex::default(),
            running: Arc::default(),
        })
    }

    pub(super) fn ail(&self, component: &str, error: &str) {
        self.ailing.lock().push((component.to_owned(), error.to_owned()));
    }
}

/// Counts a query as running until it is dropped.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Running {
        count.fetch_add(1, Ordering::SeqCst);
        Running(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl QueryService for Example {
    async fn read(&self, request: &Request) -> Result<Vec<Read>, QueryError> {
        self.queries.read(request).await
    }

    async fn describe(&self, request: &Request) -> Result<SchemaRef, QueryError> {
        self.queries.describe(request).await
    }

    async fn run(&self, request: &Request) -> Result<Answer, QueryError> {
        let _running = Running::new(&self.running);
        // A column with this name makes the query slow.
        if request.sql.contains("slow") {
            let slow = tokio::time::sleep(Duration::from_mins(1));
            let limit = request.limits.timeout;
            tokio::time::timeout(limit, slow).await.map_err(|_| QueryError::TimedOut(limit))?;
        }
        self.queries.run(request).await
    }

    fn limits(&self) -> QueryLimits {
        self.limits
    }

    fn findings(&self) -> Arc<Vec<Finding>> {
        Arc::new(vec![finding("a", FindingState::Firing), finding("b", FindingState::Ok)])
    }

    fn tables(&self) -> Vec<TableDef> {
        let column = ColumnDef {
            name: "duration_ms".to_owned(),
            kind: ColumnType::Float64,
            unit: Some("ms".to_owned()),
            low_cardinality: false,
            from: Vec::new(),
            merge: None,
            filled_from: None,
            doc: "How long it took.".to_owned(),
        };
        vec![TableDef {
            name: "spans".to_owned(),
            kind: TableKind::Signal,
            doc: "One row per span.".to_owned(),
            resolutions_s: Vec::new(),
            columns: vec![column],
        }]
    }

    fn pipelines(&self) -> Vec<PipelineDef> {
        crate::catalog::pipelines::builtin().unwrap()
    }

    fn listening(&self) -> Vec<(String, String)> {
        vec![("OTLP/gRPC (otlp)".to_owned(), "127.0.0.1:14317".to_owned())]
    }

    fn health(&self) -> Vec<(String, Result<(), String>)> {
        let ailing = self.ailing.lock().iter().map(|(name, error)| (name.clone(), Err(error.clone()))).collect();
        [vec![("server".to_owned(), Ok(()))], ailing].concat()
    }

    fn catching_up(&self) -> Option<String> {
        self.catching_up.lock().clone()
    }
}

fn finding(id: &str, state: FindingState) -> Finding {
    Finding {
        id: id.to_owned(),
        pipeline: "slow_statement".to_owned(),
        severity: (state == FindingState::Firing).then_some(Severity::Critical),
        state,
        title: "It is slow".to_owned(),
        key: vec![("service_name".to_owned(), "shop".to_owned())].into(),
        value: Some(200.0),
        limit: Some(100.0),
        headroom: None,
        unit: "ms".to_owned(),
        samples: 7,
        impact: String::new(),
        evidence: crate::model::evidence::Evidence::default(),
        trace_ids: std::sync::Arc::default(),
        evidence_sql: "".into(),
        advice: "".into(),
        proof: Proof::Measured,
        first_seen_ms: 0,
        last_seen_ms: 0,
        state_since_ms: 0,
        firing_since_ms: None,
        recovering: None,
        ended: None,
    }
}

/// Two rows: one with all values, one with only a name.
fn spans() -> RecordBatch {
    let names = MapFieldNames { entry: "entries".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
        .with_keys_field(map_fields()[0].clone())
        .with_values_field(map_fields()[1].clone());
    maps.keys().append_value("http.method");
    maps.values().append_value("GE\"T");
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.values().append_value("x");
    lists.values().append_value("y,z");
    lists.append(true);
    lists.append(false);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("name", Arc::new(StringArray::from(vec!["checkout", "empty"]))),
        ("start_time", Arc::new(TimestampMicrosecondArray::from(vec![Some(START_US), None]).with_timezone("UTC"))),
        ("duration_ms", Arc::new(Float64Array::from(vec![Some(12.5), None]))),
        ("status", Arc::new(Int64Array::from(vec![Some(200), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("attributes", Arc::new(maps.finish())),
        ("tags", Arc::new(lists.finish())),
        ("sketch", Arc::new(BinaryArray::from(vec![Some(&[0xde, 0xad][..]), None]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// Requests a page; returns status and body.
pub(super) async fn get(url: &str) -> (u16, String) {
    let answer = client().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Returns a client that uses no proxy.
pub(super) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
