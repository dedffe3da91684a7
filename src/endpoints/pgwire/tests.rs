//! Tests with psql, as users run it. Without psql they print a message and check nothing: `tests/run` installs it.

use super::*;
use crate::delivery::settings::Secret;
use crate::endpoints::testing::Example;
use crate::engine::QueryLimits;
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PSQL: &str = "/usr/bin/psql";

/// Waits for a process while the server runs.
async fn ended(child: Child) -> Output {
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap()
}

struct Served {
    address: SocketAddr,
    example: Arc<Example>,
    cancel: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

fn open(connections_max: usize) -> PgSettings {
    PgSettings { user: "spanwise".to_owned(), password: None, connections_max }
}

async fn served(settings: PgSettings, bounds: Bounds, example: Arc<Example>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, cancel) = (listener.local_addr().unwrap(), CancellationToken::new());
    let shared = Shared::new(settings, example.clone(), bounds);
    let serving = tokio::spawn(serve_within(listener, shared, cancel.clone()));
    Served { address, example, cancel, serving }
}

async fn plain() -> Served {
    served(open(8), Bounds::default(), Example::new()).await
}

impl Served {
    fn psql(&self, statements: &[&str]) -> Command {
        assert!(std::path::Path::new(PSQL).exists(), "{PSQL} is not there: tests/run installs it");
        let mut command = Command::new(PSQL);
        let target = format!("postgresql://{}/spanwise", self.address);
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", &target]);
        for statement in statements {
            command.args(["--command", statement]);
        }
        command.env("PGCONNECT_TIMEOUT", "10").env_remove("PGPASSWORD").env("PGUSER", "spanwise");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns both outputs of psql.
    async fn told(&self, statements: &[&str]) -> String {
        let output = ended(self.psql(statements).spawn().unwrap()).await;
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    /// Returns message and SQLSTATE that psql prints for a statement.
    async fn fault(&self, statement: &str) -> String {
        self.told(&["\\set VERBOSITY verbose", statement]).await
    }

    async fn until(&self, running: usize) {
        let began = Instant::now();
        while self.example.running.load(Ordering::SeqCst) != running {
            assert!(began.elapsed() < Duration::from_secs(10), "expected {running} queries to run");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn every_type_has_its_text() {
    let served = plain().await;
    let told = served.told(&["SELECT * FROM spans ORDER BY name"]).await;
    let expected = "checkout|2026-01-02 03:04:05.678901+00|12.5|200|t|{\"http.method\":\"GE\\\"T\"}|{x,\"y,z\"}|\\xdead\n\
                    empty|||||||\n";
    assert_eq!(told, expected);
    assert_eq!(served.told(&["SELECT count(*) FROM spans", "SELECT NULL"]).await, "2\n\n");
    let numbers = "SELECT 0.1::double, 'NaN'::double, count(*), sum(status), NULL::double FROM spans";
    assert_eq!(served.told(&[numbers]).await, "0.1|NaN|2|200|\n");
    let named = "SELECT named_struct('a', 1) AS s, attributes['http.method'] FROM spans WHERE name = 'checkout'";
    assert_eq!(served.told(&[named]).await, "{\"a\":1}|GE\"T\n");
}

#[tokio::test]
async fn tables_are_described() {
    let served = plain().await;
    let told = served.told(&["\\dt"]).await;
    assert!(told.lines().any(|line| line.starts_with("public|spans|table|")), "{told}");
    let told = served.told(&["\\d spans"]).await;
    for column in ["name|text", "start_time|timestamp with time zone", "duration_ms|double precision", "status|bigint"]
    {
        assert!(told.lines().any(|line| line.starts_with(column)), "expected {column} in {told}");
    }
    assert!(!told.contains("ERROR"), "{told}");
    let told = served.told(&["\\d"]).await;
    assert!(told.contains("spans") && !told.contains("ERROR"), "{told}");
}

#[tokio::test]
async fn what_clients_say_is_accepted() {
    let served = plain().await;
    let said = [
        "SET statement_timeout = '5s'",
        "SHOW statement_timeout",
        "RESET statement_timeout",
        "SHOW statement_timeout",
        "BEGIN READ ONLY",
        "SELECT 1",
        "SAVEPOINT a",
        "COMMIT",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SHOW TRANSACTION ISOLATION LEVEL",
        "SET TIME ZONE 'UTC'",
        "SET extra_float_digits = 3",
        "SET application_name TO 'test'",
        "SHOW application_name",
        "DISCARD ALL",
        "DEALLOCATE ALL",
        "ABORT",
    ];
    let told = served.told(&said).await;
    assert_eq!(told, "5s\n0\n1\nread committed\ntest\n");
    let fault = served.fault("SET statement_timeout = 'soon'").await;
    assert!(fault.contains("22023") && fault.contains("\"soon\""), "{fault}");
    let fault = served.fault("SHOW nothing").await;
    assert!(fault.contains("42704"), "{fault}");
}

/// Queries that Grafana sends when a data source is added, and expansions of its macros.
#[tokio::test]
async fn grafana_is_answered() {
    let served = plain().await;
    let asked = [
        "SELECT current_setting('server_version_num')::int/100 as version",
        "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'",
        "SELECT quote_ident(table_name) FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN \
         ('information_schema', 'pg_catalog') ORDER BY 1",
        "SELECT floor(extract(epoch from start_time)/300)*300 AS \"time\", count(*) FROM spans WHERE start_time BETWEEN \
         '2026-01-01T00:00:00Z' AND '2026-01-03T00:00:00.123Z' GROUP BY 1 ORDER BY 1",
        "SELECT current_setting('nothing', true), starts_with(version(), 'PostgreSQL 16')",
    ];
    let told = served.told(&asked).await;
    // 2026-01-02T03:00:00Z, the five-minute window in which the span began.
    assert_eq!(told, "1600\nspans\n1767322800|1\n|t\n");
}

#[tokio::test]
async fn an_error_ends_a_transaction() {
    let served = plain().await;
    let told = served.told(&["BEGIN", "SELECT nothing FROM spans", "SELECT 1", "COMMIT", "SELECT 2"]).await;
    assert!(told.starts_with("2\n") && told.contains("current transaction is aborted"), "{told}");
}

#[tokio::test]
async fn faults_have_their_sqlstate() {
    let limits = QueryLimits { timeout: Duration::from_millis(300), rows_max: Some(10), sql_bytes_max: 5000 };
    let served = served(open(8), Bounds::default(), Example::limited(limits)).await;
    let long = format!("SELECT '{}'", "x".repeat(5000));
    let many = "SELECT 1;".repeat(17);
    let faults = [
        ("SELECT )", "42601"),
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT nothing FROM spans", "42703"),
        ("SELECT nofunction(name) FROM spans", "42883"),
        ("SELECT 1/0", "22012"),
        ("SELECT $1", "42P02"),
        ("SELECT 1 AS slow", "57014"),
        ("SELECT * FROM generate_series(1, 11)", "54000"),
        (&long, "54000"),
        (&many, "54000"),
        ("DECLARE c CURSOR FOR SELECT 1", "25P01"),
        ("PREPARE p AS SELECT 1", "0A000"),
        ("INSERT INTO spans (name) VALUES ('a')", "25006"),
        ("UPDATE spans SET name = 'a'", "25006"),
        ("DELETE FROM spans", "25006"),
        ("DROP TABLE spans", "25006"),
        ("CREATE TABLE t AS SELECT 1", "25006"),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "42601"),
        ("SELECT * INTO t FROM spans", "25006"),
        ("COPY spans TO '/tmp/spans.csv'", "25006"),
        ("TRUNCATE spans", "25006"),
        ("VACUUM", "25006"),
    ];
    for (statement, code) in faults {
        let told = served.fault(statement).await;
        assert!(told.contains(&format!("ERROR:  {code}:")), "{statement}: expected {code}, found {told}");
    }
    let told = served.fault("DROP TABLE spans").await;
    assert!(told.contains("cannot execute DROP TABLE in a read-only server"), "{told}");
    let told = served.fault("SELECT *\nFROM spans WHERE )").await;
    assert!(told.contains("LINE 2: FROM spans WHERE )"), "{told}");
    let told = served.told(&["SET statement_timeout = 50", "SELECT 1 AS slow"]).await;
    assert!(told.contains("statement_timeout of 50ms"), "{told}");
    assert_eq!(served.told(&["SELECT count(*) FROM spans"]).await, "2\n");
}

#[tokio::test]
async fn a_password_is_asked_for() {
    let settings = PgSettings { password: Some(Secret::new("swordfish")), ..open(8) };
    let served = served(settings, Bounds::default(), Example::new()).await;
    let asked = async |user: &str, password: &str| {
        let mut command = served.psql(&["SELECT 1"]);
        let child = command.env("PGPASSWORD", password).env("PGUSER", user).spawn().unwrap();
        let output = ended(child).await;
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let told = asked("spanwise", "swordfish").await;
    assert_eq!(told, "1\n");
    assert!(asked("spanwise", "sword").await.contains("Password authentication failed"));
    assert!(asked("other", "swordfish").await.contains("Password authentication failed"));
}

#[tokio::test]
async fn one_too_many_is_told() {
    let served = served(open(1), Bounds::default(), Example::new()).await;
    let mut first = served.psql(&["SELECT 1 AS slow"]);
    let mut first = first.spawn().unwrap();
    served.until(1).await;
    let told = served.told(&["SELECT 1"]).await;
    assert!(told.contains("too many clients already"), "{told}");
    first.kill().unwrap();
    // A disconnected client cancels its query.
    served.until(0).await;
    first.wait().unwrap();
    let began = Instant::now();
    while served.told(&["SELECT 1"]).await != "1\n" {
        assert!(began.elapsed() < Duration::from_secs(5), "the first one's place is not free");
    }
}

#[tokio::test]
async fn an_interrupt_cancels() {
    let served = plain().await;
    let mut command = served.psql(&["\\set VERBOSITY verbose", "SELECT 1 AS slow", "SELECT 2"]);
    let psql = command.spawn().unwrap();
    served.until(1).await;
    let pid = psql.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    served.until(0).await;
    let output = ended(psql).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("57014") && told.contains("user request"), "{told}");
}

#[tokio::test]
async fn the_end_waits_for_nobody_long() {
    let served = plain().await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let psql = served.psql(&["SELECT 1 AS slow"]).spawn().unwrap();
    served.until(1).await;
    let began = Instant::now();
    served.cancel.cancel();
    served.serving.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.unwrap();
    assert!(String::from_utf8_lossy(&rest).contains("57P01"), "{rest:?}");
    let told = String::from_utf8(ended(psql).await.stderr).unwrap();
    assert!(told.contains("the server ends"), "{told}");
}

/// A startup message of protocol 3.0: length, version, name and value, and a zero byte.
const START: &[u8] = b"\0\0\0\x17\0\x03\0\0user\0spanwise\0\0";

#[tokio::test]
async fn the_idle_and_the_huge_are_closed() {
    let bounds = Bounds { idle: Duration::from_millis(200), message_bytes_max: 20_000, ..Bounds::default() };
    let served = served(open(8), bounds, Example::new()).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(START).await.unwrap();
    let mut told = Vec::new();
    idle.read_to_end(&mut told).await.unwrap();
    assert!(String::from_utf8_lossy(&told).contains("57P05"), "{told:?}");

    let mut huge = TcpStream::connect(served.address).await.unwrap();
    huge.write_all(START).await.unwrap();
    // Declares a query of a gigabyte, but sends only slightly more than the limit.
    huge.write_all(b"Q\x3f\xff\0\0").await.unwrap();
    let _ = huge.write_all(&vec![b'x'; 60_000]).await;
    let mut told = vec![0; 4096];
    let began = Instant::now();
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains("54000") {
        assert!(began.elapsed() < Duration::from_secs(5), "{}", String::from_utf8_lossy(&all));
        let read = huge.read(&mut told).await.unwrap_or(0);
        all.extend_from_slice(&told[..read]);
    }
}

#[tokio::test]
async fn garbage_closes_its_own_connection_alone() {
    let served = plain().await;
    for garbage in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], &[0xff; 64], &[0; 64], b"\x16\x03\x01\0\0\0\0\0"] {
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        socket.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{garbage:?}");
    }
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(START).await.unwrap();
    socket.write_all(b"!!!!!!!!!!").await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await.unwrap();
    assert!(String::from_utf8_lossy(&rest).contains("08P01"));
    let told = served.told(&["SELECT 1"]).await;
    assert_eq!(told, "1\n");
}
