//! A real Prometheus that receives remote write.

use super::client::{get, get_json};
use super::process::Process;
use super::{free_port, until};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A Prometheus that accepts remote write.
pub(crate) struct Receiver {
    program: String,
    flags: Vec<String>,
    process: Process,
    port: u16,
    folder: TempDir,
}

impl Receiver {
    /// Starts it with additional flags and additional settings in its file.
    pub(crate) async fn start(program: &str, flags: &[&str], settings: &str) -> Receiver {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = format!("global: {{scrape_interval: 1m}}\n{settings}\n");
        std::fs::write(folder.path().join("prometheus.yml"), file).expect("written");
        let process = Process::start("not-yet", &mut Command::new("true"), folder.path());
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut receiver = Receiver { program: program.to_owned(), flags, process, port: free_port(), folder };
        receiver.launch();
        receiver.ready().await;
        receiver
    }

    /// Starts it, or restarts it on its folder and port.
    pub(crate) fn launch(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(&self.program);
        command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{}", self.port));
        command.arg("--web.enable-remote-write-receiver").args(&self.flags).current_dir(folder);
        self.process = Process::start("receiver", &mut command, folder);
    }

    /// Waits until it accepts requests.
    pub(crate) async fn ready(&self) {
        let url = self.url("/-/ready");
        until("Prometheus to be ready", Duration::from_mins(1), || async {
            match get(&url).await? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{status}: {body}")),
            }
        })
        .await;
    }

    /// Stops it gracefully and waits for its end.
    pub(crate) async fn terminate(&mut self) {
        self.process.signal("TERM");
        self.process.wait(Duration::from_secs(30)).await;
    }

    /// Returns its log since the last start.
    pub(crate) fn log(&self) -> String {
        self.process.text()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns the raw result of an instant query.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let mut url = reqwest::Url::parse(&self.url("/api/v1/query")).expect("an address");
        url.query_pairs_mut().append_pair("query", query);
        let answer = get_json(url.as_str()).await?;
        answer["data"]["result"].as_array().cloned().ok_or_else(|| format!("no result: {answer}"))
    }

    /// Returns the value of a query that returns one series.
    pub(crate) async fn value(&self, query: &str) -> Result<f64, String> {
        match &self.query(query).await?[..] {
            [series] => {
                let text = series["value"][1].as_str().ok_or_else(|| format!("{query}: no number in {series}"))?;
                text.parse().map_err(|_| format!("{query}: no number in {series}"))
            }
            other => Err(format!("{query}: expected one series, found {other:?}")),
        }
    }
}
