//! The Postgres wire apart from SQL: libpq sees transactions, savepoints and `COPY` as with a real `PostgreSQL`.

use crate::support::config::Setup;
use crate::support::peer;
use crate::support::postgres::Postgres;
use crate::support::process::run;
use crate::support::server::Server;
use crate::support::until;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

async fn asked(address: &str, folder: &Path) -> Vec<Vec<Value>> {
    let mut command = Command::new(Path::new(&peer("SPANWISE_SQL_CLIENTS")).join("python/bin/python"));
    command.args(["-c", include_str!("../sql/protocol.py"), address]).env_remove("PGTZ");
    let told = run("protocol", &mut command, folder, Duration::from_mins(3)).await;
    serde_json::from_str(told.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_copy_are_answered_as_postgresql_answers_them() {
    let (server, postgres) = tokio::join!(Server::start(Setup::default()), Postgres::start());
    let expected = asked(&postgres.url(), server.folder()).await;
    let ours = format!("host=127.0.0.1 port={} user=spanwise dbname=spanwise", server.ports.postgres);
    let found = asked(&ours, server.folder()).await;
    let (mut texts, mut faults) = (0, Vec::new());
    for (expected, found) in expected.iter().zip(&found) {
        texts += expected.len();
        let before: Vec<String> = expected.iter().map(|step| step["text"].to_string()).collect();
        for (place, (expected, found)) in expected.iter().zip(found).enumerate() {
            if expected != found {
                let so_far = before[..=place].join(", ");
                faults.push(format!("{so_far}\n    PostgreSQL: {expected}\n    Spanwise:   {found}"));
                break;
            }
        }
    }
    println!("the Postgres wire as PostgreSQL speaks it: {texts} texts in {} connections", expected.len());
    assert!(faults.is_empty() && expected.len() == found.len(), "{}", faults.join("\n"));
}

/// With a single worker that stays busy, the server still ends transactions, changes settings, and returns rows of a cursor
/// that occupies this worker itself.
#[tokio::test(flavor = "multi_thread")]
async fn statements_of_the_session_need_no_worker() {
    let server = Server::start(Setup::default().sql("workers: 1").sql("timeout: 10m")).await;
    let address = format!("host=127.0.0.1 port={} user=spanwise dbname=spanwise", server.ports.postgres);
    let psql = |statements: &[&str]| {
        let mut command = Command::new("psql");
        command.args([&address, "-XqAt"]).stdin(Stdio::null()).env_remove("PGOPTIONS");
        command.args(statements.iter().flat_map(|statement| ["-c", statement]));
        command
    };
    let rows = "DECLARE c CURSOR FOR SELECT x FROM generate_series(1, 5) g(x)";
    let statements =
        ["BEGIN", rows, "FETCH 2 FROM c", "MOVE 1 FROM c", "FETCH ALL FROM c", "CLOSE c", "COMMIT", "SELECT 6"];
    let told = run("cursor", &mut psql(&statements), server.folder(), Duration::from_mins(2)).await;
    assert_eq!(told, "1\n2\n4\n5\n6\n");

    let endless = "SELECT count(*) FROM generate_series(1, 100000000000) a(x) WHERE x % 7 = 8";
    let mut busy = psql(&[endless]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql");
    // Other queries wait for a worker.
    until("the only worker to be busy", Duration::from_mins(1), || {
        let mut command = psql(&["SET statement_timeout = '300ms'", "SELECT 1"]);
        async move {
            let told = command.output().map_err(|error| error.to_string())?;
            if told.status.success() { Err("SELECT 1 is answered".to_owned()) } else { Ok(()) }
        }
    })
    .await;
    let statements =
        ["BEGIN", "SET timezone = 'Europe/Berlin'", "SHOW timezone", "SAVEPOINT a", "ROLLBACK TO a", "COMMIT"];
    let told = run("session", &mut psql(&statements), server.folder(), Duration::from_mins(2)).await;
    assert_eq!(told, "Europe/Berlin\n");
    assert!(busy.try_wait().expect("it runs").is_none(), "the long query has ended");
    busy.kill().expect("killed");
    busy.wait().expect("ended");
}
