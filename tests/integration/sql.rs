//! SQL from psql and psycopg over the Postgres wire, and over HTTP.

use crate::support::otlp::{request, span};
use crate::support::server::{Server, Setup, client};
use crate::support::{output, peer, stdout};
use serde_json::json;
use std::process::Command;

async fn filled() -> Server {
    let server = Setup::new().with(|config| config["extensions"]["sql"]["rows_max"] = json!(1000)).with(|config| {
        config["extensions"]["sql"]["timeout"] = json!("3s");
    });
    let server = server.start().await;
    let spans = (0..50).map(|number| span(number, "/a", 12.5)).collect();
    server.otlp().traces(request("shop", spans)).await.unwrap();
    server.reaches("SELECT sum(calls) FROM requests", 50.0).await;
    server
}

fn psql(server: &Server, statements: &[&str]) -> Command {
    let mut command = Command::new("psql");
    command.args(["-h", "127.0.0.1", "-p", &server.ports.postgres.to_string(), "-U", "me", "-d", "spanwise", "-At"]);
    command.args(["-v", "VERBOSITY=verbose"]).env("PGCONNECT_TIMEOUT", "10");
    for statement in statements {
        command.args(["-c", statement]);
    }
    command
}

#[tokio::test]
async fn psql_asks_lists_and_is_refused_what_would_change_something() {
    let server = filled().await;
    let counted = stdout(psql(&server, &["SELECT service_name, count(*) FROM spans GROUP BY 1"])).await;
    assert_eq!(counted.trim(), "shop|50");
    println!("psql: sent 50 spans, found {counted}");
    let tables = stdout(psql(&server, &["\\dt"])).await;
    for table in ["spans", "requests", "findings", "queries", "coverage"] {
        assert!(tables.lines().any(|line| line.contains(&format!("|{table}|"))), "{table}: {tables}");
    }
    let columns = stdout(psql(&server, &["\\d spans"])).await;
    assert!(columns.contains("duration_ms") && columns.contains("double precision"), "{columns}");
    let attributes =
        stdout(psql(&server, &["SELECT resource_attributes, attributes, start_time FROM spans LIMIT 1"])).await;
    assert!(attributes.contains('|') && !attributes.contains("ERROR"), "{attributes}");
    for (statement, state) in [
        ("DELETE FROM spans", "25006"),
        ("DROP TABLE spans", "25006"),
        ("SELECT nothing FROM spans", "42703"),
        ("SELECT * FROM nowhere", "42P01"),
        ("SELEC 1", "42601"),
        ("SELECT * FROM generate_series(1, 2000)", "54000"),
        ("SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b", "57014"),
    ] {
        let refused = output(psql(&server, &[statement])).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains(state), "{statement}: expected {state}, found {told}");
    }
    assert_eq!(server.number("SELECT count(*) FROM spans").await, 50.0, "nothing was changed");
}

const PSYCOPG: &str = r#"
import sys, psycopg, datetime
with psycopg.connect(f"host=127.0.0.1 port={sys.argv[1]} user=me dbname=spanwise", autocommit=True) as connection:
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        cursor.execute("SELECT service_name, duration_ms, start_time, http_response_status_code, error FROM spans WHERE duration_ms > %s AND service_name = %s LIMIT 1", (1.5, "shop"))
        row = cursor.fetchone()
        assert row[0] == "shop" and abs(row[1] - 12.5) < 1e-6, row
        assert isinstance(row[2], datetime.datetime) and row[2].tzinfo is not None, row
        assert row[3] is None and row[4] is False, row
        cursor.execute("SELECT sum(calls) FROM requests")
        assert cursor.fetchone()[0] == 50
    for _ in range(8):  # prepared after the fifth time
        cursor = connection.execute("SELECT count(*) FROM spans WHERE service_name = %s", ("shop",), prepare=True)
        assert cursor.fetchone() == (50,)
    try:
        connection.execute("DROP TABLE spans")
        raise SystemExit("a DROP went through")
    except psycopg.errors.ReadOnlySqlTransaction as error:
        pass
    print(50)
"#;

#[tokio::test]
async fn psycopg_binds_parameters_and_reads_types_in_text_and_binary() {
    let server = filled().await;
    let mut command = Command::new(peer("SPANWISE_PYTHON"));
    command.args(["-c", PSYCOPG, &server.ports.postgres.to_string()]);
    assert_eq!(stdout(command).await.trim(), "50");
    println!("psycopg: sent 50 spans, found 50");
}

#[tokio::test]
async fn http_answers_rows_and_clear_errors() {
    let server = filled().await;
    let rows =
        server.sql("SELECT service_name, attributes['http.route'] AS route, parent_span_id FROM spans LIMIT 1").await;
    assert_eq!(rows, [json!({"service_name": "shop", "route": null, "parent_span_id": null})]);
    let (status, answer) = server.ask("SELECT * FROM generate_series(1, 2000)").await;
    assert_eq!((status, answer["rows"].as_array().unwrap().len(), &answer["truncated"]), (200, 1000, &json!(true)));
    for (statement, expected, word) in [
        ("SELECT nothing FROM spans", 400, "nothing"),
        ("DROP TABLE spans", 403, "read-only"),
        (
            "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
            504,
            "extensions.sql.timeout",
        ),
    ] {
        let (status, answer) = server.ask(statement).await;
        assert!(status == expected && answer["error"].to_string().contains(word), "{statement}: {status} {answer}");
    }
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.http);
    let other_site = client().post(&url).header("origin", "https://evil.example").json(&json!({"query": "SELECT 1"}));
    assert_eq!(other_site.send().await.unwrap().status(), 403);
    let form = client().post(&url).header("content-type", "application/x-www-form-urlencoded").body("query=SELECT 1");
    assert_eq!(form.send().await.unwrap().status(), 415);
    let page = client().get(format!("http://127.0.0.1:{}/", server.ports.http)).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
}
