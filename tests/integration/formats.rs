//! Query results over HTTP in each format, read by Python's own `csv` and `json` and by Arrow's reader.

use crate::support::client::client;
use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::peer;
use crate::support::process::run;
use crate::support::server::Server;
use std::process::Command;
use std::time::Duration;

/// Reads the same rows in three formats and compares all values; texts contain everything that CSV has to quote.
const PROGRAM: &str = r#"
import csv, io, json, sys, urllib.request
def ask(accept, sql):
    request = urllib.request.Request(sys.argv[1], sql.encode(), {"content-type": "text/plain", "accept": accept})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["content-type"], answer.read().decode()
sql = """SELECT value AS n, CASE value % 6 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'a,b' WHEN 3 THEN 'say "hi"'
         WHEN 4 THEN 'two' || chr(13) || chr(10) || 'lines' ELSE ' ö ' END AS t, value / 7.0 AS f, value % 2 = 0 AS b,
         (SELECT max(start_time) FROM spans) AS s FROM generate_series(1, 20000) value ORDER BY 1"""
kind, text = ask("text/csv", sql)
assert kind == "text/csv; charset=utf-8; header=present", kind
table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
kind, lines = ask("application/x-ndjson", sql)
objects = [json.loads(line) for line in lines.splitlines()]
_, whole = ask("*/*", sql)
assert objects == json.loads(whole)["rows"]
assert table[0] == ["n", "t", "f", "b", "s"] and len(table) == 20001, table[0]
for found, row in zip(table[1:], objects):
    assert int(found[0]) == row["n"] and float(found[2]) == row["f"] and found[3] == str(row["b"]).lower(), (found, row)
    assert found[1] == (row["t"] or "") and found[4] == row["s"], (found, row)
print("rows:", len(objects))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_read_the_same_rows_in_every_format() {
    let server = Server::start(Setup::default()).await;
    let spans = (0..30).map(|n| route_span(n, "GET", "/products/{id}", 12.5)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    server.until_number("SELECT count(*) FROM spans", 30.0).await;
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let mut python = Command::new(peer("SPANWISE_PYTHON"));
    let told = run("formats", python.args(["-c", PROGRAM, &url]), server.folder(), Duration::from_mins(1)).await;
    assert!(told.contains("rows: 20000"), "{told}");

    // Exceeds every buffer on the way: a million rows are streamed.
    let million = "SELECT value, value::text AS t FROM generate_series(1, 1000000) value";
    let request = client().post(&url).header("content-type", "text/plain").body(million);
    let answer = request.header("accept", "application/vnd.apache.arrow.stream").send().await.expect("an answer");
    let body = answer.bytes().await.expect("a whole stream");
    let reader = arrow::ipc::reader::StreamReader::try_new(body.as_ref(), None).expect("an Arrow stream");
    let rows: usize = reader.map(|batch| batch.expect("a batch").num_rows()).sum();
    assert_eq!(rows, 1_000_000);

    let refused = client().post(&url).header("content-type", "text/plain").body("SELECT 1");
    let refused = refused.header("accept", "text/html").send().await.expect("an answer");
    assert_eq!(refused.status(), 406);
    println!("formats: 20000 rows alike in JSON, NDJSON and CSV; 1000000 rows as an Arrow stream; text/html: 406");
}
