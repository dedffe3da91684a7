//! Real peers in temporary folders on free ports: Redis, the Collector, Prometheus.

use super::client::{get, get_json};
use super::process::Process;
use super::{free_port, peer, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A Redis without persistence.
pub(crate) struct Redis {
    _server: Process,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Redis {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let server = Process::start("redis", command.current_dir(folder.path()), folder.path());
        until("Redis to listen", Duration::from_secs(20), || async {
            std::net::TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|error| error.to_string())
        })
        .await;
        Redis { _server: server, port, _folder: folder }
    }

    /// Returns the URL of one of its databases.
    pub(crate) fn url(&self, database: u8) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.port)
    }
}

/// A real OpenTelemetry Collector that receives OTLP.
pub(crate) struct Collector {
    process: Process,
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    health: u16,
    config: PathBuf,
    folder: TempDir,
}

/// Ports and folder for a Collector's configuration.
pub(crate) struct Place<'a> {
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    pub(crate) health: u16,
    pub(crate) folder: &'a std::path::Path,
}

impl Collector {
    /// Starts a Collector with the configuration that `write` returns.
    pub(crate) async fn start(write: impl FnOnce(&Place<'_>) -> String) -> Collector {
        let mut collector = Collector::prepare(write);
        collector.launch();
        collector.ready().await;
        collector
    }

    /// Prepares, but does not start, a Collector that writes what it receives to `out.json`, one JSON per line.
    ///
    /// With rotation its exporter writes immediately; without, it buffers acknowledged data in memory for a moment, and a kill
    /// would lose it.
    pub(crate) fn writing_files() -> Collector {
        Collector::prepare(|place| {
            let Place { grpc, http, health, folder } = place;
            format!(
                "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: 127.0.0.1:{grpc}}}\n      http: {{endpoint: 127.0.0.1:{http}}}\n\
                 exporters:\n  file: {{path: {:?}, rotation: {{max_megabytes: 1000}}}}\n\
                 extensions:\n  health_check: {{endpoint: 127.0.0.1:{health}}}\n\
                 service:\n  extensions: [health_check]\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
                 traces: {{receivers: [otlp], exporters: [file]}}\n    metrics: {{receivers: [otlp], exporters: [file]}}\n    \
                 logs: {{receivers: [otlp], exporters: [file]}}\n",
                folder.join("out.json").display()
            )
        })
    }

    fn prepare(write: impl FnOnce(&Place<'_>) -> String) -> Collector {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (grpc, http, health) = (free_port(), free_port(), free_port());
        let text = write(&Place { grpc, http, health, folder: folder.path() });
        let config = folder.path().join("collector.yaml");
        std::fs::write(&config, text).expect("written");
        let process = Process::start("not-yet", &mut Command::new("true"), folder.path());
        Collector { process, grpc, http, health, config, folder }
    }

    /// Starts the Collector, or restarts it.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new(peer("SPANWISE_COLLECTOR"));
        command.arg("--config").arg(&self.config).current_dir(self.folder.path());
        self.process = Process::start("collector", &mut command, self.folder.path());
    }

    pub(crate) async fn ready(&mut self) {
        let url = format!("http://127.0.0.1:{}/", self.health);
        until("the Collector to be ready", Duration::from_secs(30), || {
            let ended = self.process.ended();
            let text = self.process.text();
            let url = url.clone();
            async move {
                assert!(ended.is_none(), "the Collector ended: {text}");
                match get(&url).await? {
                    (200, _) => Ok(()),
                    (status, body) => Err(format!("{status}: {body}")),
                }
            }
        })
        .await;
    }

    pub(crate) fn kill9(&mut self) {
        self.process.kill9();
    }

    pub(crate) fn log(&self) -> String {
        self.process.text()
    }

    /// Returns the written requests. A kill may lose the last newline, so the file is read as consecutive JSON values, not as
    /// lines.
    pub(crate) fn written(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("out.json")).unwrap_or_default();
        serde_json::Deserializer::from_str(&text).into_iter::<Value>().map_while(Result::ok).collect()
    }

    /// Counts the written spans by trace id and span id.
    pub(crate) fn spans(&self) -> BTreeMap<(String, String), u64> {
        let mut seen = BTreeMap::new();
        for request in self.written() {
            for span in items(&request, "resourceSpans", "scopeSpans", "spans") {
                let id = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
                *seen.entry((id("traceId"), id("spanId"))).or_default() += 1;
            }
        }
        seen
    }

    /// Returns the numbers of written spans, data points and log records.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let mut counts = (0, 0, 0);
        for request in self.written() {
            counts.0 += items(&request, "resourceSpans", "scopeSpans", "spans").count() as u64;
            counts.2 += items(&request, "resourceLogs", "scopeLogs", "logRecords").count() as u64;
            for metric in items(&request, "resourceMetrics", "scopeMetrics", "metrics") {
                let kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
                let points = kinds.iter().filter_map(|kind| metric[kind]["dataPoints"].as_array());
                counts.1 += points.map(|points| points.len() as u64).sum::<u64>();
            }
        }
        counts
    }
}

/// Iterates over the items of a request, across resources and scopes.
fn items<'a>(request: &'a Value, resources: &str, scopes: &'a str, items: &'a str) -> impl Iterator<Item = &'a Value> {
    let list = |value: &'a Value, key: &str| value[key].as_array().map_or(&[][..], Vec::as_slice).iter();
    list(request, resources).flat_map(move |of| list(of, scopes)).flat_map(move |of| list(of, items))
}

/// A real Prometheus.
pub(crate) struct Prometheus {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts Debian's Prometheus, which scrapes `target` every second.
    pub(crate) async fn scraping(target: u16) -> Prometheus {
        Prometheus::start("prometheus", &job("spanwise", target, ""), &[]).await
    }

    /// Starts Debian's Prometheus, which scrapes `target` over TLS with the given `tls_config`.
    pub(crate) async fn scraping_tls(target: u16, tls: &str) -> Prometheus {
        let job = format!("{}    scheme: https\n    tls_config: {{{tls}}}\n", job("spanwise", target, ""));
        Prometheus::start("prometheus", &job, &[]).await
    }

    /// Starts Debian's Prometheus with native histograms, so that it requests the protobuf format.
    pub(crate) async fn scraping_native(target: u16) -> Prometheus {
        let flags = ["--enable-feature=native-histograms"];
        Prometheus::start("prometheus", &job("spanwise", target, ""), &flags).await
    }

    /// Starts the newest Prometheus, which scrapes `target` every second, once per list of protocols (preferred one first). The
    /// label `via` names the preferred protocol.
    pub(crate) async fn newest(target: u16, protocols: &[&str], flags: &[&str]) -> Prometheus {
        let jobs = protocols.iter().enumerate().map(|(number, list)| job(&format!("job-{number}"), target, list));
        let jobs: String = jobs.collect();
        Prometheus::start(&peer("SPANWISE_PROMETHEUS"), &jobs, flags).await
    }

    async fn start(program: &str, jobs: &str, features: &[&str]) -> Prometheus {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("prometheus.yml");
        let text = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}");
        std::fs::write(&config, text).expect("written");
        let port = free_port();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(features).current_dir(folder.path());
        let process = Process::start("prometheus", &mut command, folder.path());
        let prometheus = Prometheus { _process: process, port, _folder: folder };
        until("Prometheus to be ready", Duration::from_secs(30), || async {
            match get(&format!("http://127.0.0.1:{port}/-/ready")).await? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{status}: {body}")),
            }
        })
        .await;
        prometheus
    }

    /// Returns its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs an instant query; returns each series with its value.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<(BTreeMap<String, String>, f64)>, String> {
        let mut url = reqwest::Url::parse(&format!("http://127.0.0.1:{}/api/v1/query", self.port)).expect("an address");
        url.query_pairs_mut().append_pair("query", query);
        let answer = get_json(url.as_str()).await?;
        let result = answer["data"]["result"].as_array().ok_or_else(|| format!("no result: {answer}"))?;
        let series = result.iter().map(|series| {
            let labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).unwrap_or_default();
            let value = series["value"][1].as_str().and_then(|value| value.parse().ok()).unwrap_or(f64::NAN);
            (labels, value)
        });
        Ok(series.collect())
    }

    /// Returns the value of a query that returns one series.
    pub(crate) async fn value(&self, query: &str) -> Result<f64, String> {
        match &self.query(query).await?[..] {
            [(_, value)] => Ok(*value),
            other => Err(format!("{query}: expected one series, found {other:?}")),
        }
    }
}

/// Returns a scrape job; with empty `protocols` Prometheus uses its default.
fn job(name: &str, target: u16, protocols: &str) -> String {
    let list = if protocols.is_empty() { String::new() } else { format!("    scrape_protocols: [{protocols}]\n") };
    let via = protocols.split(',').next().unwrap_or_default();
    format!(
        "  - job_name: {name}\n    honor_labels: true\n{list}    static_configs: [{{targets: ['127.0.0.1:{target}'], labels: {{via: \
         '{via}'}}}}]\n"
    )
}
