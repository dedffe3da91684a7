//! A real OpenSearch node.

use super::client::client;
use super::process::{Process, run};
use super::server::{SPANWISE, Server};
use super::{free_port, peer, until};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// One node.
pub(crate) struct OpenSearch {
    process: Process,
    pub(crate) port: u16,
    folder: TempDir,
}

impl OpenSearch {
    pub(crate) async fn start() -> OpenSearch {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = Process::start("not-yet", &mut Command::new("true"), folder.path());
        let mut node = OpenSearch { process, port: free_port(), folder };
        node.launch().await;
        node
    }

    /// Starts the node, or restarts it on its data.
    pub(crate) async fn launch(&mut self) {
        let mut command = Command::new(peer("SPANWISE_OPENSEARCH"));
        command.arg(self.folder.path().join("data")).arg(self.port.to_string()).current_dir(self.folder.path());
        self.process = Process::start("opensearch", &mut command, self.folder.path());
        until("OpenSearch to be ready", Duration::from_mins(2), || async {
            self.ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", Value::Null).await.map(drop)
        })
        .await;
    }

    /// Returns the response to a request if it succeeded.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut request = client().request(method.parse().expect("a method"), &url);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| format!("{url}: {error:?}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{url}: {error:?}"))?;
        if !status.is_success() {
            return Err(format!("{url}: {status}: {text}"));
        }
        serde_json::from_str(&text).map_err(|error| format!("{url}: {error}: {text}"))
    }

    /// Returns the documents of a data stream.
    pub(crate) async fn count(&self, stream: &str) -> Result<u64, String> {
        self.ask("POST", &format!("/{stream}/_refresh"), Value::Null).await?;
        let answer = self.ask("GET", &format!("/{stream}/_count"), Value::Null).await?;
        answer["count"].as_u64().ok_or_else(|| answer.to_string())
    }

    /// Returns the only document with these values.
    pub(crate) async fn only(&self, stream: &str, terms: &[(&str, Value)]) -> Value {
        let terms: Vec<Value> = terms.iter().map(|(field, value)| json!({"term": {(*field): value}})).collect();
        let query = json!({"query": {"bool": {"filter": terms}}});
        let answer = self.ask("POST", &format!("/{stream}/_search"), query).await.expect("a search");
        let hits = answer["hits"]["hits"].as_array().cloned().unwrap_or_default();
        assert_eq!(hits.len(), 1, "{terms:?}: {answer}");
        hits[0]["_source"].clone()
    }

    pub(crate) fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Installs the index template that Spanwise prints.
    pub(crate) async fn bring_template(&self, server: &Server) {
        let mut command = Command::new(SPANWISE);
        command.args(["export", "index-template", "--config"]).arg(server.config());
        let printed = run("template", &mut command, server.folder(), Duration::from_secs(30)).await;
        let template = serde_json::from_str(&printed).expect("JSON");
        let answer = self.ask("PUT", "/_index_template/spanwise", template).await.expect("the template is taken");
        assert_eq!(answer, json!({"acknowledged": true}));
    }
}
