//! `ddapm-test-agent`, which Datadog uses to test its tracing libraries: it decodes and checks each request as a local Agent
//! would, and returns what it received.

use crate::support::client::{get, get_json};
use crate::support::otlp::{Answer, post};
use crate::support::process::Process;
use crate::support::{free_port, peer, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Its checks that apply to an exporter.
pub(crate) const CHECKS: [&str; 4] =
    ["trace_count_header", "meta_tracer_version_header", "trace_content_length", "meta_events_is_valid_json"];

/// Its other checks, and why they are excluded.
pub(crate) const LEFT_OUT: [(&str, &str); 3] = [
    (
        "trace_peer_service",
        "runs only where a library says that it names spans by its schema v1, and wants that schema's own tag for the source of \
         peer.service",
    ),
    (
        "trace_dd_service",
        "holds services against DD_SERVICE of the one program that a library is in, in schema v1 alone",
    ),
    ("trace_stall", "checks nothing: it makes answers wait"),
];

/// A running test agent.
pub(crate) struct TestAgent {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl TestAgent {
    pub(crate) async fn start() -> TestAgent {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let mut command = Command::new(peer("SPANWISE_DDAPM"));
        command
            .current_dir(folder.path())
            .env("PORT", port.to_string())
            .env("OTLP_HTTP_PORT", free_port().to_string())
            .env("OTLP_GRPC_PORT", free_port().to_string())
            .env("ENABLED_CHECKS", CHECKS.join(","))
            .env("DD_POOL_TRACE_CHECK_FAILURES", "true")
            .env("LOG_LEVEL", "ERROR");
        // Keeps it independent of the machine's environment, and from forwarding anything.
        for name in ["HOST", "DD_API_KEY", "DD_AGENT_URL", "DD_TRACE_AGENT_URL", "DD_DISABLE_ERROR_RESPONSES"] {
            command.env_remove(name);
        }
        let process = Process::start("ddapm-test-agent", &mut command, folder.path());
        let agent = TestAgent { _process: process, port, _folder: folder };
        until("the test agent to listen", Duration::from_mins(1), || get_json_of(agent.url("/info"))).await;
        agent
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns the received requests, in order: path, headers with lower-case names, and body in base64.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        let requests = get_json(&self.url("/test/session/requests")).await.expect("its requests");
        let one = |request: &Value| {
            let headers = request["headers"].as_object().expect("headers").iter();
            let headers: BTreeMap<String, Value> =
                headers.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
            let url = reqwest::Url::parse(request["url"].as_str().expect("an address")).expect("an address");
            json!({"path": url.path(), "headers": headers, "body": request["body"]})
        };
        requests.as_array().expect("a list").iter().map(one).collect()
    }

    /// Returns the decoded spans, by trace.
    pub(crate) async fn traces(&self) -> Vec<Vec<Value>> {
        let (status, text) = get(&self.url("/test/session/traces")).await.expect("its traces");
        assert_eq!(status, 200, "{text}");
        // Python writes numbers that JSON does not allow.
        let text = text.replace(": NaN", ": null").replace(": Infinity", ": null").replace(": -Infinity", ": null");
        serde_json::from_str(&text).expect("traces")
    }

    /// Returns the decoded statistics, by payload.
    pub(crate) async fn stats(&self) -> Vec<Value> {
        let stats = get_json(&self.url("/test/session/stats")).await.expect("its statistics");
        stats.as_array().expect("a list").clone()
    }

    /// Returns how often a check passed, failed and was skipped.
    pub(crate) async fn results(&self, check: &str) -> [u64; 3] {
        let summary = get_json(&self.url("/test/trace_check/summary")).await.expect("its summary");
        ["Passed_Checks", "Failed_Checks", "Skipped_Checks"].map(|kind| summary[check][kind].as_u64().unwrap_or(0))
    }

    /// Returns the failed checks and their messages.
    pub(crate) async fn failures(&self) -> Vec<(String, String)> {
        let (status, body) = get(&self.url("/test/trace_check/failures?use_json=true")).await.expect("its failures");
        if status == 200 {
            return Vec::new();
        }
        let failures: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status}: {error}: {body}"));
        let failures = failures.as_object().expect("failures by their check");
        failures.iter().map(|(check, told)| (check.clone(), told.to_string())).collect()
    }

    /// Sends a hand-written request.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<bytes::Bytes>) -> Answer {
        post(&self.url("/v0.7/traces"), headers, body).await.expect("an answer")
    }

    pub(crate) async fn forget_failures(&self) {
        let (status, body) = get(&self.url("/test/trace_check/clear")).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
    }
}

async fn get_json_of(url: String) -> Result<Value, String> {
    get_json(&url).await
}
