use super::*;
use crate::delivery::settings::Secret;
use crate::endpoints::testing::{Example, client, get as ask};
use crate::engine::QueryLimits;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

struct Served {
    base: String,
    address: std::net::SocketAddr,
    example: Arc<Example>,
    cancel: CancellationToken,
    serving: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn served(settings: HttpSettings, example: Arc<Example>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, cancel) = (listener.local_addr().unwrap(), CancellationToken::new());
    let serving = tokio::spawn(serve(listener, settings, example.clone(), cancel.clone()));
    Served { base: format!("http://{address}"), address, example, cancel, serving }
}

async fn plain() -> Served {
    served(HttpSettings::default(), Example::new()).await
}

impl Served {
    async fn post(&self, kind: &str, body: &str) -> (u16, Value) {
        let request = client().post(format!("{}/v1/sql", self.base)).header("content-type", kind).body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn sql(&self, sql: &str) -> (u16, Value) {
        self.post("application/json", &json!({ "query": sql }).to_string()).await
    }

    async fn until(&self, running: usize) {
        let began = Instant::now();
        while self.example.running.load(Ordering::SeqCst) != running {
            assert!(began.elapsed() < Duration::from_secs(5), "expected {running} queries to run");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn every_type_has_its_json() {
    let served = plain().await;
    let (status, body) = served.sql("SELECT * FROM spans ORDER BY name").await;
    assert_eq!(status, 200);
    let expected = json!({"rows": [
        {"name": "checkout", "start_time": "2026-01-02T03:04:05.678901Z", "duration_ms": 12.5, "status": 200, "ok": true,
         "attributes": {"http.method": "GE\"T"}, "tags": ["x", "y,z"], "sketch": "dead"},
        {"name": "empty", "start_time": null, "duration_ms": null, "status": null, "ok": null, "attributes": null,
         "tags": null, "sketch": null},
    ]});
    assert_eq!(body, expected);
    let (_, body) = served.sql("SELECT CAST('NaN' AS DOUBLE) AS n, INTERVAL '1 day' AS i").await;
    assert_eq!(body["rows"][0]["n"], Value::Null);
    let (_, body) = served.sql("SELECT * FROM spans WHERE false").await;
    assert_eq!(body, json!({"rows": []}));
    let (_, body) = served.post("text/plain; charset=utf-8", "SELECT 1 AS one").await;
    assert_eq!(body, json!({"rows": [{"one": 1}]}));
}

#[tokio::test]
async fn a_name_that_stands_twice_is_told_apart() {
    let served = plain().await;
    let (_, body) = served.sql("SELECT a.name, b.name FROM spans a JOIN spans b ON a.name = b.name ORDER BY 1").await;
    assert_eq!(body["rows"][0], json!({"name": "checkout", "name_2": "checkout"}));
}

#[tokio::test]
async fn many_rows_come_in_parts_and_a_cut_is_told() {
    let limits = QueryLimits { rows_max: Some(2500), ..QueryLimits::default() };
    let served = served(HttpSettings::default(), Example::limited(limits)).await;
    let (_, body) = served.sql("SELECT value FROM generate_series(1, 2500) value").await;
    let rows = body["rows"].as_array().unwrap();
    assert_eq!((rows.len(), rows[2499]["value"].as_i64()), (2500, Some(2500)));
    assert_eq!(body.get("truncated"), None);
    let (_, body) = served.sql("SELECT value FROM generate_series(1, 2501) value").await;
    assert_eq!((body["rows"].as_array().unwrap().len(), &body["truncated"]), (2500, &json!(true)));
}

#[tokio::test]
async fn faults_are_told() {
    let limits = QueryLimits { timeout: Duration::from_millis(200), sql_bytes_max: 1000, ..QueryLimits::default() };
    let settings = HttpSettings { body_bytes_max: 5000, ..HttpSettings::default() };
    let served = served(settings, Example::limited(limits)).await;

    let (status, body) = served.sql("SELECT *\nFROM spans WHERE )").await;
    assert_eq!((status, &body["line"], &body["column"]), (400, &json!(2), &json!(18)), "{body}");
    let (status, body) = served.sql("SELECT nothing FROM spans").await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("nothing"), "{body}");
    for statement in ["DROP TABLE spans", "CREATE TABLE t (a INT)", "SET datafusion.execution.batch_size = 1"] {
        assert_eq!(served.sql(statement).await.0, 400, "{statement}");
    }
    assert_eq!(served.sql("SELECT 1 AS slow").await.0, 504);
    assert_eq!(served.sql(&format!("SELECT '{}'", "x".repeat(1000))).await.0, 413);
    let (status, body) = served.sql(&"x".repeat(6000)).await;
    assert_eq!((status, body["error"].as_str()), (413, Some("the body has more than 5000 bytes, which is the limit")));
    assert_eq!(served.post("application/json", "{\"sql\": 1}").await.0, 400);
    assert_eq!(served.post("application/x-www-form-urlencoded", "query=1").await.0, 415);
    let (status, body) = ask(&format!("{}/v1/sql?query=SELECT%201", served.base)).await;
    assert_eq!((status, body.contains("expected POST")), (405, true));
    assert_eq!(ask(&format!("{}/v2", served.base)).await.0, 404);
    assert_eq!(served.sql("SELECT 1 AS one").await.0, 200, "it goes on");
}

#[tokio::test]
async fn findings_are_chosen_and_strange_wishes_told() {
    let served = plain().await;
    let findings = async |choice: &str| {
        let (status, body) = ask(&format!("{}/v1/findings{choice}", served.base)).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let found = body["findings"].as_array();
        let ids = found.map(|found| found.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
        (status, ids.unwrap_or_default().concat())
    };
    assert_eq!(findings("").await, (200, "ab".to_owned()));
    assert_eq!(findings("?all=true").await, (200, "ab".to_owned()));
    assert_eq!(findings("?state=firing").await, (200, "a".to_owned()));
    assert_eq!(findings("?state=no_data").await, (200, String::new()));
    assert_eq!(findings("?pipeline=slow_statement&state=ok").await, (200, "b".to_owned()));
    let (_, body) = ask(&format!("{}/v1/findings", served.base)).await;
    assert!(body.contains(r#""key":{"service_name":"shop"}"#), "{body}");
    assert_eq!(findings("?state=burning").await.0, 400);
    assert_eq!(findings("?pipeline=slow").await.0, 400);
    assert_eq!(findings("?stat=ok").await.0, 400);
    assert_eq!(findings("?all=perhaps").await.0, 400);
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["findings"][0]["said"]["evidence"], json!([]), "{body}");
    let (_, status) = ask(&format!("{}/v1/status", served.base)).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["listening"], json!([{"what": "OTLP/gRPC (otlp)", "address": "127.0.0.1:14317"}]));
    let (_, tables) = ask(&format!("{}/v1/tables", served.base)).await;
    let tables: Value = serde_json::from_str(&tables).unwrap();
    let column = json!({"name": "duration_ms", "type": "float64", "unit": "ms", "doc": "How long it took."});
    assert_eq!(tables["tables"], json!([{"name": "spans", "doc": "One row per span.", "columns": [column]}]));
    let (_, pipelines) = ask(&format!("{}/v1/pipelines", served.base)).await;
    assert!(pipelines.contains("\"id\":\"slow_statement\""));
}

#[tokio::test]
async fn the_page_takes_nothing_from_elsewhere() {
    let served = served(HttpSettings { auth_token: Some(Secret::new("s")), ..HttpSettings::default() }, Example::new());
    let served = served.await;
    let answer = client().get(&served.base).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text().await.unwrap();
    assert!(
        !page.contains("http:") && !page.contains("https:") && !page.contains("<style") && !page.contains(" style=")
    );
    let (status, script) = ask(&format!("{}/page.js", served.base)).await;
    assert_eq!((status, script.contains("innerHTML"), script.contains("http")), (200, false, false));
    assert_eq!(ask(&format!("{}/page.css", served.base)).await.0, 200);
    for path in ["findings", "status"] {
        assert_eq!(ask(&format!("{}/v1/{path}", served.base)).await.0, 401, "{path}");
    }
    assert_eq!(served.sql("SELECT 1").await.0, 401);
    let request = client().post(format!("{}/v1/sql", served.base)).bearer_auth("s").json(&json!({"query": "SELECT 1"}));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn too_many_at_once_are_told_and_one_that_leaves_makes_room() {
    let served = served(HttpSettings { queries_max: 1, ..HttpSettings::default() }, Example::new()).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    let request = "POST /v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 16\r\n\r\nSELECT 1 AS slow";
    socket.write_all(request.as_bytes()).await.unwrap();
    served.until(1).await;
    let (status, body) = served.sql("SELECT 1").await;
    assert_eq!(status, 429, "{body}");
    // A disconnected client cancels its query.
    drop(socket);
    served.until(0).await;
    assert_eq!(served.sql("SELECT 1").await.0, 200);
}

#[tokio::test]
async fn slow_readers_do_not_keep_others_from_asking() {
    let limits = QueryLimits { rows_max: Some(200_000), ..QueryLimits::default() };
    let settings = HttpSettings { queries_max: 1, stall: Duration::from_millis(300), ..HttpSettings::default() };
    let served = served(settings, Example::limited(limits)).await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    // 20 MB: more than the socket buffers.
    let statement = "SELECT 'a hundred bytes of text, a hundred bytes of text, a hundred bytes of text, a hundred bytes of text' AS x FROM generate_series(1, 200000)";
    let length = statement.len();
    let request = format!(
        "POST /v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{statement}"
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut first = vec![0; 12];
    slow.read_exact(&mut first).await.unwrap();
    assert_eq!(first, b"HTTP/1.1 200");
    assert_eq!(served.sql("SELECT 1").await.0, 429, "the answer is being read");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(served.sql("SELECT 1").await.0, 200);
    // An aborted response does not end like a complete one.
    let mut rest = Vec::new();
    let _broken = slow.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{} bytes", rest.len());
}

#[tokio::test]
async fn the_end_waits_for_nobody_long() {
    let served = plain().await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"POST /v1/sql HTTP/1.1\r\nhost: loc").await.unwrap();
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let request = "POST /v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 16\r\n\r\nSELECT 1 AS slow";
    slow.write_all(request.as_bytes()).await.unwrap();
    served.until(1).await;
    let began = Instant::now();
    served.cancel.cancel();
    let mut answer = vec![0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 503");
    served.serving.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// Returns status, content type and body; the body is `None` if the transfer was aborted.
async fn asked(served: &Served, accept: &str, sql: &str) -> (u16, String, Option<Vec<u8>>) {
    let request = client().post(format!("{}/v1/sql", served.base)).header("accept", accept);
    let answer = request.header("content-type", "text/plain").body(sql.to_owned()).send().await.unwrap();
    assert!(answer.headers().get_all("vary").iter().any(|value| value.to_str().unwrap().contains("accept")));
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.bytes().await.ok().map(|body| body.to_vec()))
}

fn text(body: Option<Vec<u8>>) -> String {
    String::from_utf8(body.expect("a whole body")).unwrap()
}

/// RFC 4180: CRLF, doubled quotes, and quotes around values with a comma, a quote or a line break.
#[tokio::test]
async fn rows_as_csv() {
    let served = plain().await;
    let (status, kind, body) = asked(&served, "text/csv", "SELECT * FROM spans ORDER BY name").await;
    assert_eq!((status, kind.as_str()), (200, "text/csv; charset=utf-8; header=present"));
    let expected = "name,start_time,duration_ms,status,ok,attributes,tags,sketch\r\n\
        checkout,2026-01-02T03:04:05.678901Z,12.5,200,true,\"{\"\"http.method\"\":\"\"GE\\\"\"T\"\"}\",\"[\"\"x\"\",\"\"y,z\"\"]\",dead\r\n\
        empty,,,,,,,\r\n";
    assert_eq!(text(body), expected);
    let odd = "SELECT '' AS \"a,b\", 'say \"hi\"' AS q, E'two\\nlines' AS l, ' x' AS s, NULL AS n, CAST('inf' AS DOUBLE) AS i, 'ö' AS u";
    let odd = odd.replace("E'two\\nlines'", "'two\nlines'");
    let (_, kind, body) = asked(&served, "text/csv;header=absent", &odd).await;
    assert_eq!(kind, "text/csv; charset=utf-8; header=absent");
    assert_eq!(text(body), "\"\",\"say \"\"hi\"\"\",\"two\nlines\",\" x\",,Infinity,ö\r\n");
    let (_, _, body) = asked(&served, "text/csv", "SELECT name FROM spans WHERE false").await;
    assert_eq!(text(body), "name\r\n");
}

#[tokio::test]
async fn rows_as_lines_of_json_and_as_an_arrow_stream() {
    let served = plain().await;
    let sql = "SELECT name, status FROM spans ORDER BY name";
    let (status, kind, body) = asked(&served, "application/x-ndjson", sql).await;
    assert_eq!((status, kind.as_str()), (200, "application/x-ndjson"));
    assert_eq!(text(body), "{\"name\":\"checkout\",\"status\":200}\n{\"name\":\"empty\",\"status\":null}\n");
    let (_, _, body) = asked(&served, "application/x-ndjson", "SELECT 1 WHERE false").await;
    assert_eq!(text(body), "");

    let sql = "SELECT value AS v FROM generate_series(1, 1000) value";
    let (status, kind, body) = asked(&served, "application/vnd.apache.arrow.stream", sql).await;
    assert_eq!((status, kind.as_str()), (200, "application/vnd.apache.arrow.stream"));
    let body = body.unwrap();
    let reader = arrow::ipc::reader::StreamReader::try_new(body.as_slice(), None).unwrap();
    assert_eq!(reader.schema().field(0).name(), "v");
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 1000);
    assert!(body.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), "the stream says that it is whole");
    let (_, _, body) =
        asked(&served, "application/vnd.apache.arrow.stream", "SELECT name FROM spans WHERE false").await;
    let reader_of_none = body.unwrap();
    let reader = arrow::ipc::reader::StreamReader::try_new(reader_of_none.as_slice(), None).unwrap();
    assert_eq!((reader.schema().field(0).name().as_str(), reader.count()), ("name", 0));
}

#[tokio::test]
async fn what_no_format_fits_is_406_and_nothing_is_run() {
    let served = plain().await;
    let (status, kind, body) = asked(&served, "text/html, image/*;q=0.5", "SELECT 1 AS slow").await;
    assert_eq!((status, kind.as_str()), (406, "application/json"));
    assert!(text(body).contains("text/csv"), "it names what there is");
    let (status, kind, _) = asked(&served, "text/html, */*;q=0.1", "SELECT 1").await;
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    let (status, kind, body) = asked(&served, "text/csv", "SELECT nothing FROM spans").await;
    assert_eq!((status, kind.as_str()), (400, "application/json"), "an error is told in JSON");
    assert!(text(body).contains("nothing"));
}

/// In no format does a truncated or failed response look complete.
#[tokio::test]
async fn what_goes_wrong_on_the_way_is_told_or_breaks_off() {
    let limits = QueryLimits { rows_max: Some(50_000), ..QueryLimits::default() };
    let served = served(HttpSettings::default(), Example::limited(limits)).await;
    let many = "SELECT value, 'some text that takes its room' AS t FROM generate_series(1, 60000) value";
    let fails =
        "SELECT 1 / (40000 - value) AS v, 'some text that takes its room' AS t FROM generate_series(1, 60000) value";
    for accept in ["text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream"] {
        for sql in [many, fails] {
            let (status, _, body) = asked(&served, accept, sql).await;
            assert_eq!((status, body), (200, None), "{accept}: {sql}");
        }
    }
    let (status, _, body) = asked(&served, "application/json", fails).await;
    assert_eq!((status, body), (200, None));
    let (status, _, body) = asked(&served, "application/json", many).await;
    assert_eq!((status, text(body).ends_with("],\"truncated\":true}")), (200, true));
    // Errors found at once get their own status.
    for accept in ["text/csv", "application/json"] {
        let (status, _, body) =
            asked(&served, accept, "SELECT 1 / (2 - value) AS v FROM generate_series(1, 3) value").await;
        assert_eq!(status, 422, "{accept}: {}", text(body));
    }

    let mut socket = TcpStream::connect(served.address).await.unwrap();
    let length = fails.len();
    let request = format!(
        "POST /v1/sql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: application/x-ndjson\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{fails}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let _broken = socket.read_to_end(&mut all).await;
    let all = String::from_utf8_lossy(&all);
    assert!(
        all.contains("\n{\"error\":\"") && !all.ends_with("0\r\n\r\n"),
        "{}",
        &all[all.len().saturating_sub(300)..]
    );
}
