//! The program under test.

use super::client::{client, get, get_json};
use super::config::{Ports, Setup};
use super::process::{Process, tail};
use super::until;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tempfile::TempDir;

/// Path of the program.
pub(crate) const SPANWISE: &str = env!("CARGO_BIN_EXE_spanwise");
/// Timeout of a start, including one that replays a log on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running Spanwise with its own folder and ports.
pub(crate) struct Server {
    process: Process,
    pub(crate) ports: Ports,
    setup: Setup,
    config: PathBuf,
    folder: TempDir,
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(crate) async fn start(setup: Setup) -> Server {
        let mut server = Server::launch(setup, &[]);
        server.ready().await;
        server
    }

    /// Starts a server under another program, such as strace, without waiting.
    pub(crate) fn launch(setup: Setup, under: &[String]) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = Ports::free();
        let config = folder.path().join("otel-config.yaml");
        std::fs::write(&config, setup.text(ports, &folder.path().join("data"))).expect("written");
        let process = spawn(&setup, &config, folder.path(), under);
        Server { process, ports, setup, config, folder }
    }

    /// Waits until the health check answers 200.
    pub(crate) async fn ready(&mut self) {
        let url = format!("http://127.0.0.1:{}/", self.ports.health);
        until("Spanwise to be ready", READY_WITHIN, || {
            let (ended, url) = (self.process.ended(), url.clone());
            let text = self.process.text();
            async move {
                assert!(ended.is_none(), "Spanwise ended with {ended:?}: {}", tail(&text, 40));
                match get(&url).await? {
                    (200, _) => Ok(()),
                    (status, body) => Err(format!("{status}: {body}")),
                }
            }
        })
        .await;
    }

    /// The folder that the test may use.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Path of the configuration file.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Returns its log since the last start.
    pub(crate) fn log(&self) -> String {
        self.process.text()
    }

    /// Kills it with SIGKILL, as in a crash.
    pub(crate) fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Stops it gracefully and waits for its end.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait(Duration::from_secs(30)).await
    }

    /// Waits for its end, without a signal.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.process.wait(Duration::from_secs(30)).await
    }

    /// Restarts it on the same folder and ports, and waits until it has replayed its log.
    pub(crate) async fn start_again(&mut self) {
        self.launch_again();
        self.ready().await;
        self.ready_and_caught_up().await;
    }

    /// Restarts it without waiting.
    pub(crate) fn launch_again(&mut self) {
        self.process = spawn(&self.setup, &self.config, self.folder.path(), &[]);
    }

    /// Waits until it is ready and has replayed its log.
    pub(crate) async fn ready_and_caught_up(&self) {
        let url = format!("http://127.0.0.1:{}/", self.ports.health);
        until("the log to be read back", Duration::from_mins(2), || async {
            let body = get_json(&url).await?;
            if body["catchingUp"].is_null() { Ok(()) } else { Err(body.to_string()) }
        })
        .await;
    }

    /// Removes the test's environment variables from the next start, so that the disk works again.
    pub(crate) fn without_variables(&mut self) {
        self.setup.forget_variables();
    }

    /// Returns the rows of a statement.
    pub(crate) async fn sql(&self, query: &str) -> Vec<Value> {
        self.try_sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Returns the rows of a statement, or the response if there are none.
    pub(crate) async fn try_sql(&self, query: &str) -> Result<Vec<Value>, String> {
        let (status, body) = self.ask(query).await?;
        match (status, body["rows"].as_array()) {
            (200, Some(rows)) => Ok(rows.clone()),
            _ => Err(format!("{status}: {body}")),
        }
    }

    /// Returns the HTTP status and the JSON of the response to a statement.
    pub(crate) async fn ask(&self, query: &str) -> Result<(u16, Value), String> {
        let url = format!("http://127.0.0.1:{}/v1/sql", self.ports.sql);
        let answer = client().post(&url).json(&json!({ "query": query })).send().await;
        let answer = answer.map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status().as_u16();
        let body = answer.json().await.map_err(|error| format!("{url}: {status}: {error}"))?;
        Ok((status, body))
    }

    /// Returns the number from a statement with one row and one column; null is 0.
    pub(crate) async fn number(&self, query: &str) -> f64 {
        self.try_number(query).await.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    pub(crate) async fn try_number(&self, query: &str) -> Result<f64, String> {
        let rows = self.try_sql(query).await?;
        let value = rows.first().and_then(Value::as_object).and_then(|row| row.values().next());
        let value = value.ok_or_else(|| format!("no row: {rows:?}"))?;
        value.as_f64().or_else(|| value.is_null().then_some(0.0)).ok_or_else(|| format!("no number: {value}"))
    }

    /// Waits until a statement returns the number.
    pub(crate) async fn until_number(&self, query: &str, expected: f64) {
        until(&format!("{query} to give {expected}"), Duration::from_mins(1), || async {
            let found = self.try_number(query).await?;
            if (found - expected).abs() < 1e-9 { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    /// Returns all findings.
    pub(crate) async fn findings(&self) -> Result<Vec<Value>, String> {
        let answer = get_json(&format!("http://127.0.0.1:{}/v1/findings", self.ports.sql)).await?;
        answer["findings"].as_array().cloned().ok_or_else(|| format!("no findings in {answer}"))
    }

    /// Returns the text of the scrape.
    pub(crate) async fn scrape(&self) -> String {
        let (status, body) = get(&self.scrape_url()).await.expect("the scrape answers");
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) fn scrape_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.ports.scrape)
    }

    pub(crate) fn http_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.http)
    }
}

fn spawn(setup: &Setup, config: &Path, folder: &Path, under: &[String]) -> Process {
    let mut command = match under {
        [] => Command::new(SPANWISE),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(SPANWISE);
            command
        }
    };
    command.arg("--config").arg(config).current_dir(folder).envs(setup.environment().iter().cloned());
    Process::start("spanwise", &mut command, folder)
}
