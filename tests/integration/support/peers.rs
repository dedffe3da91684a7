//! Real databases, a real Collector and a real Prometheus, each on a port and in a folder of its own.

use super::server::client;
use super::{Process, free_port, output, peer, until};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const LONGEST: Duration = Duration::from_secs(60);

fn newest(pattern: &str, program: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir(pattern)
        .unwrap_or_else(|error| panic!("{pattern}: {error}"))
        .map(|entry| entry.unwrap().path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no {program} under {pattern}"))
}

/// PostgreSQL. It refuses to run as root, so then it runs as `postgres`.
pub struct Postgres {
    pub port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Postgres {
    pub async fn start() -> Postgres {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let root = stdout_of("id", &["-u"]).await.trim() == "0";
        if root {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if root {
            assert!(Command::new("chown").arg("-R").arg("postgres").arg(&data).status().unwrap().success());
        }
        let run = |program: PathBuf| {
            if root {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
                command
            } else {
                Command::new(program)
            }
        };
        let binaries = "/usr/lib/postgresql";
        let mut init = run(newest(binaries, "initdb"));
        init.args(["--auth=trust", "--username=shop", "--no-sync", "-D"]).arg(&data).current_dir("/");
        let made = output(init).await;
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = run(newest(binaries, "postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k", "", "-c", "listen_addresses=127.0.0.1"]);
        server.current_dir("/");
        let log = folder.path().join("log");
        let process = Process::start(&mut server, &log);
        until("PostgreSQL answers", LONGEST, || async {
            let mut probe = Command::new("psql");
            probe.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "shop", "-d", "postgres", "-c", "SELECT 1"]);
            let probed = output(probe).await;
            if probed.status.success() { Ok(()) } else { Err(std::fs::read_to_string(&log)) }
        })
        .await;
        Postgres { port, _process: process, _folder: folder }
    }
}

async fn stdout_of(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    super::stdout(command).await
}

pub struct Redis {
    pub port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Redis {
    pub async fn start() -> Redis {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let mut server = Command::new("redis-server");
        server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder.path());
        let process = Process::start(&mut server, &folder.path().join("log"));
        until("Redis answers", LONGEST, || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await }).await;
        Redis { port, _process: process, _folder: folder }
    }
}

/// The OpenTelemetry Collector.
pub struct Collector {
    pub port: u16,
    pub scrape: u16,
    process: Option<Process>,
    folder: TempDir,
}

impl Collector {
    /// One that is not started yet; `config` names its OTLP/gRPC port `GRPC`, its scrape port `SCRAPE`, its folder `DIR`.
    pub fn new(config: &str) -> Collector {
        let (folder, port, scrape) = (TempDir::new().unwrap(), free_port(), free_port());
        let config = config
            .replace("GRPC", &port.to_string())
            .replace("SCRAPE", &scrape.to_string())
            .replace("DIR", &folder.path().display().to_string());
        std::fs::write(folder.path().join("config.yaml"), config).unwrap();
        Collector { port, scrape, process: None, folder }
    }

    pub async fn start(&mut self) {
        let mut command = Command::new(peer("SPANWISE_COLLECTOR"));
        command.arg("--config").arg(self.folder.path().join("config.yaml"));
        let log = self.folder.path().join("log");
        self.process = Some(Process::start(&mut command, &log));
        until("the Collector listens", LONGEST, || async {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await;
            connected.map_err(|_| std::fs::read_to_string(&log))
        })
        .await;
    }

    /// Ends it, letting it write what it has.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("TERM");
            process.ended(LONGEST).await;
        }
    }

    pub fn kill(&mut self) {
        self.process = None;
    }

    /// What it says of itself.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The requests that its file exporter wrote. Killed, it may leave the newline of the last one unwritten, so they are
    /// read one behind the other, not by lines.
    pub fn lines(&self, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        serde_json::Deserializer::from_str(&text).into_iter::<Value>().map_while(Result::ok).collect()
    }

    pub async fn scraped(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.scrape);
        client().get(url).send().await.unwrap().text().await.unwrap()
    }
}

/// All objects that stand under a path of lists, such as `resourceSpans.scopeSpans.spans`.
pub fn items<'a>(lines: &'a [Value], path: &[&str]) -> Vec<&'a Value> {
    let mut found: Vec<&Value> = lines.iter().collect();
    for name in path {
        found = found.into_iter().filter_map(|value| value[*name].as_array()).flatten().collect();
    }
    found
}

/// Debian's Prometheus, scraping one address.
pub struct Prometheus {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Prometheus {
    pub fn start(target: u16) -> Prometheus {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: spanwise\n    honor_labels: true\n    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(&mut command, &folder.path().join("log"));
        Prometheus { port, _process: process, _folder: folder }
    }

    /// An instant query's samples.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let url = reqwest::Url::parse_with_params(
            &format!("http://127.0.0.1:{}/api/v1/query", self.port),
            &[("query", query)],
        );
        let answer = client().get(url.unwrap()).send().await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        answer["data"]["result"].as_array().cloned().ok_or_else(|| answer.to_string())
    }

    pub async fn number(&self, query: &str) -> Result<f64, String> {
        let samples = self.query(query).await?;
        let value = samples.first().and_then(|sample| sample["value"][1].as_str()?.parse().ok());
        value.ok_or_else(|| format!("{query}: {samples:?}"))
    }
}

/// A folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
