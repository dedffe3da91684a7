//! A Spanwise of the test's own.

use super::{Process, free_port, until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

pub struct Server {
    pub process: Process,
    pub ports: Ports,
    folder: TempDir,
    environment: Vec<(String, String)>,
    http: reqwest::Client,
}

#[derive(Clone, Copy)]
pub struct Ports {
    pub grpc: u16,
    pub otlp_http: u16,
    pub http: u16,
    pub postgres: u16,
    pub scrape: u16,
    pub health: u16,
}

/// How a server is to be.
pub struct Setup {
    pub config: Value,
    pub environment: Vec<(String, String)>,
    pub ports: Ports,
    folder: TempDir,
}

pub const SPANWISE: &str = env!("CARGO_BIN_EXE_spanwise");

pub fn client() -> reqwest::Client {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap()
}

impl Setup {
    pub fn new() -> Setup {
        let folder = TempDir::new().unwrap();
        let ports = Ports {
            grpc: free_port(),
            otlp_http: free_port(),
            http: free_port(),
            postgres: free_port(),
            scrape: free_port(),
            health: free_port(),
        };
        let at = |port: u16| json!({"endpoint": format!("127.0.0.1:{port}")});
        let config = json!({
            "receivers": {"otlp": {"protocols": {"grpc": at(ports.grpc), "http": at(ports.otlp_http)}}},
            "connectors": {"performance": {"interval": "1s"}},
            "exporters": {"prometheus": at(ports.scrape)},
            "extensions": {
                "store": {"directory": folder.path().join("data")},
                "sql": {"http": at(ports.http), "postgres": at(ports.postgres)},
                "health_check": at(ports.health),
            },
            "service": {
                "extensions": ["store", "sql", "health_check"],
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "exporters": ["performance"]},
                    "metrics": {"receivers": ["otlp"], "exporters": ["performance", "prometheus"]},
                    "logs": {"receivers": ["otlp"], "exporters": ["performance"]},
                },
                // Own metrics would be counted with those of the test.
                "telemetry": {"metrics": {"level": "none"}},
            },
        });
        Setup { config, environment: Vec::new(), ports, folder }
    }

    /// Adds an exporter to the pipelines of all signals.
    pub fn export(mut self, id: &str, settings: Value) -> Setup {
        self.config["exporters"][id] = settings;
        for signal in ["traces", "metrics", "logs"] {
            self.config["service"]["pipelines"][signal]["exporters"].as_array_mut().unwrap().push(json!(id));
        }
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Value)) -> Setup {
        change(&mut self.config);
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub async fn start(self) -> Server {
        let server = self.launch(Command::new(SPANWISE));
        server.ready().await;
        server
    }

    /// Starts by a command of the caller's, to which the program's arguments are added.
    pub fn launch(self, mut command: Command) -> Server {
        let Setup { config, environment, ports, folder } = self;
        let path = folder.path().join("config.yaml");
        // JSON is YAML.
        std::fs::write(&path, serde_json::to_string_pretty(&config).unwrap()).unwrap();
        command.args(["--config".as_ref(), path.as_os_str()]).envs(environment.clone());
        let process = Process::start(&mut command, &folder.path().join("log"));
        Server { process, ports, folder, environment, http: client() }
    }
}

impl Server {
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub async fn ready(&self) {
        let url = format!("http://127.0.0.1:{}/", self.ports.health);
        until("the server is ready", Duration::from_secs(60), || async {
            match self.http.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                other => Err((other.map(|answer| answer.status()), self.log())),
            }
        })
        .await;
    }

    pub async fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.ended(Duration::from_secs(10)).await;
    }

    /// Starts again on the same folder and ports.
    pub async fn restart(&mut self) {
        let mut command = Command::new(SPANWISE);
        command.args(["--config".as_ref(), self.folder.path().join("config.yaml").as_os_str()]);
        command.envs(self.environment.clone());
        self.process = Process::start(&mut command, &self.folder.path().join("log"));
        self.ready().await;
    }

    pub async fn sql(&self, sql: &str) -> Vec<Value> {
        let (status, answer) = self.ask(sql).await;
        assert_eq!(status, 200, "{sql}: {answer}");
        answer["rows"].as_array().unwrap().clone()
    }

    pub async fn ask(&self, sql: &str) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/v1/sql", self.ports.http);
        let answer = self.http.post(url).json(&json!({ "query": sql })).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: &str) -> f64 {
        let rows = self.sql(sql).await;
        let value = rows.first().and_then(|row| row.as_object()?.values().next()?.as_f64());
        value.unwrap_or(0.0)
    }

    /// Waits until a query gives a number.
    pub async fn reaches(&self, sql: &str, expected: f64) {
        until(sql, Duration::from_secs(60), || async {
            let found = self.number(sql).await;
            if (found - expected).abs() < 1e-9 { Ok(()) } else { Err(format!("{found}, expected {expected}")) }
        })
        .await;
    }

    pub async fn findings(&self) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/v1/findings", self.ports.http);
        let answer: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        answer["findings"].as_array().unwrap().clone()
    }

    pub async fn scrape(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports.scrape);
        self.http.get(url).send().await.unwrap().text().await.unwrap()
    }

    pub fn otlp(&self) -> super::otlp::Sender {
        super::otlp::Sender::new(self.ports.otlp_http)
    }
}
