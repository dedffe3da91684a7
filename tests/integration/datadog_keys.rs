//! Validation of Datadog's API key at startup: only an unknown key ends the program, and only if the user configured that.

use crate::support::config::{Ports, Setup};
use crate::support::server::{SPANWISE, Server};
use crate::support::{free_port, serve, until};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use std::process::Command;
use std::time::Duration;

/// An unknown key; the test's API accepts keys that begin with 1.
const WRONG: &str = "0123456789abcdef0123456789abcdef";
const RIGHT: &str = "1123456789abcdef0123456789abcdef";

/// Answers like Datadog: <https://docs.datadoghq.com/api/latest/authentication/validate-api-key/>.
async fn answer(uri: Uri, headers: HeaderMap) -> (StatusCode, &'static str) {
    let key = headers.get("dd-api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    match (uri.path(), key.starts_with('1')) {
        ("/api/v1/validate", true) => (StatusCode::OK, "{\"valid\":true}"),
        ("/api/v1/validate", false) => (StatusCode::FORBIDDEN, "{\"errors\":[\"Forbidden\"]}"),
        _ => (StatusCode::NOT_FOUND, ""),
    }
}

fn setup(api: &str, key: &str, fails: bool) -> Setup {
    let settings = format!(
        "api: {{key: {key}, fail_on_invalid_key: {fails}}}, metrics: {{endpoint: \"{api}\"}}, logs: {{endpoint: \"{api}\"}}, traces: \
         {{endpoint: \"{api}\"}}"
    );
    Setup::default()
        .exporter_aside("datadog", &settings)
        .pipeline("logs/datadog", "receivers: [otlp], exporters: [datadog]")
}

/// Returns the exit code and stderr of a start that ends by itself.
fn ended(setup: &Setup, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("otel-config.yaml");
    std::fs::write(&file, setup.text(Ports::free(), &folder.path().join("data"))).expect("written");
    let output = Command::new(SPANWISE).args(arguments).arg("--config").arg(&file).output().expect("spanwise runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_datadog_does_not_know_ends_the_start_where_it_shall() {
    let api = serve(Router::new().fallback(answer)).await;
    let wrong = setup(&api, WRONG, true);
    let run = move |arguments: &'static [&str]| {
        let wrong = wrong.clone();
        tokio::task::spawn_blocking(move || ended(&wrong, arguments))
    };
    let (code, told) = run(&[]).await.unwrap();
    assert_eq!(code, Some(1), "{told}");
    let expected = format!("exporters.datadog.api.key: {api} does not know this key (403 Forbidden");
    assert!(told.contains(&expected) && !told.contains(WRONG), "{told}");
    let check = run(&["check"]).await.unwrap();
    assert_eq!(check.0, Some(0), "check asks nobody: {}", check.1);
    println!("{}", told.trim());

    // A valid key, an unknown one that only causes a warning, and an unreachable API.
    let starts = [
        (api.clone(), RIGHT, true, None),
        (api, WRONG, false, Some("does not know this key")),
        (format!("http://127.0.0.1:{}", free_port()), RIGHT, true, Some("cannot validate exporters.datadog.api.key")),
    ];
    for (api, key, fails, warning) in starts {
        let mut server = Server::start(setup(&api, key, fails)).await;
        until("what is told of the key", Duration::from_secs(20), || async {
            let log = server.log();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains("api.key")).collect();
            match (warning, lines.as_slice()) {
                (None, []) => Ok(()),
                (Some(warning), [line]) if line.contains("WARN") && line.contains(warning) => Ok(()),
                _ => Err(format!("expected {warning:?} in {log}")),
            }
        })
        .await;
        assert!(!server.log().contains(key), "a key is never shown");
        assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
    }
}
