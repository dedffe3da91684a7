//! A process under test.

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use spanwise::exporters::otlp::RawCodec;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

const LONGEST: Duration = Duration::from_mins(1);
/// Linux counts CPU time in hundredths of a second.
const TICKS_A_SECOND: f64 = 100.0;

/// A running process with its OTLP and scrape ports.
pub(crate) struct Subject {
    process: Child,
    grpc: u16,
    scrape: u16,
    pub(crate) ready: Duration,
    folder: TempDir,
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _it_may_have_ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Subject {
    pub(crate) async fn spanwise() -> anyhow::Result<Subject> {
        Subject::spanwise_with("").await
    }

    /// Starts Spanwise with these keys of `performance`.
    pub(crate) async fn spanwise_with(performance: &str) -> anyhow::Result<Subject> {
        let (folder, grpc, scrape) = (TempDir::new()?, free_port()?, free_port()?);
        let config = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}}}}}}}\n\
             exporters: {{prometheus: {{endpoint: '127.0.0.1:{scrape}'}}}}\n\
             connectors: {{performance: {{{performance}}}}}\n\
             extensions: {{store: {{directory: '{}'}}, sql: {{http: {{endpoint: '127.0.0.1:{}'}}}}}}\n\
             service:\n  extensions: [store, sql]\n  pipelines:\n    traces: {{receivers: [otlp], exporters: [performance]}}\n    \
             metrics: {{receivers: [otlp], exporters: [performance, prometheus]}}\n",
            folder.path().join("data").display(),
            free_port()?,
        );
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
        command.arg("--config").arg(file);
        Subject::start(command, folder, grpc, scrape).await
    }

    pub(crate) async fn collector() -> anyhow::Result<Subject> {
        let program = std::env::var("SPANWISE_COLLECTOR")
            .context("SPANWISE_COLLECTOR is not set: first eval \"$(tests/run --env)\"")?;
        let (folder, grpc, scrape) = (TempDir::new()?, free_port()?, free_port()?);
        let config = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}}}}}}}\n\
             connectors: {{spanmetrics: {{metrics_flush_interval: 1s}}}}\n\
             exporters: {{prometheus: {{endpoint: '127.0.0.1:{scrape}'}}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
             traces: {{receivers: [otlp], exporters: [spanmetrics]}}\n    metrics: {{receivers: [otlp, spanmetrics], exporters: [prometheus]}}\n"
        );
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(file);
        Subject::start(command, folder, grpc, scrape).await
    }

    /// Starts the demo on ports of its choice; it is killed on drop.
    pub(crate) async fn demo() -> anyhow::Result<Subject> {
        let folder = TempDir::new()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
        // Its directory is deleted with ours even if it is killed.
        command.args(["demo", "--json"]).env("TMPDIR", folder.path()).current_dir(folder.path());
        let log = std::fs::File::create(folder.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut subject = Subject { process, grpc: 0, scrape: 0, ready: Duration::ZERO, folder };
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Some(status) = subject.process.try_wait()? {
            bail!("the demo ended: {status}: {}", std::fs::read_to_string(subject.folder.path().join("log"))?);
        }
        Ok(subject)
    }

    async fn start(mut command: Command, folder: TempDir, grpc: u16, scrape: u16) -> anyhow::Result<Subject> {
        let log = std::fs::File::create(folder.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let mut process = command.spawn().with_context(|| format!("{command:?}"))?;
        while tokio::net::TcpStream::connect(("127.0.0.1", grpc)).await.is_err() {
            if let Some(status) = process.try_wait()? {
                bail!("{command:?} ended: {status}: {}", std::fs::read_to_string(folder.path().join("log"))?);
            }
            ensure!(began.elapsed() < LONGEST, "{command:?} does not listen");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Subject { process, grpc, scrape, ready: began.elapsed(), folder })
    }

    /// Kills it as in a crash and restarts it with the same directory; returns the start time.
    pub(crate) async fn restart(mut self) -> anyhow::Result<(Subject, Instant)> {
        self.process.kill()?;
        self.process.wait()?;
        let folder = std::mem::replace(&mut self.folder, TempDir::new()?);
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
        command.arg("--config").arg(folder.path().join("config.yaml"));
        let began = Instant::now();
        Ok((Subject::start(command, folder, self.grpc, self.scrape).await?, began))
    }

    /// Returns its output on the standard streams since the start.
    pub(crate) fn output(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("log"))?)
    }

    /// Returns the URL of its scrape.
    pub(crate) fn scrape_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.scrape)
    }

    /// Returns the user and system time of the process and its child processes.
    pub(crate) fn cpu(&self) -> Duration {
        self.processes().iter().filter_map(|process| used(&format!("/proc/{process}/stat"))).sum()
    }

    /// Returns the CPU time by thread name; child processes are under `query workers`.
    pub(crate) fn cpu_by_thread(&self) -> anyhow::Result<BTreeMap<String, Duration>> {
        let mut parts: BTreeMap<String, Duration> = BTreeMap::new();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let folder = thread?.path();
            let Ok(name) = std::fs::read_to_string(folder.join("comm")) else { continue };
            let name = name.trim().trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-').to_owned();
            *parts.entry(name).or_default() += used(&folder.join("stat").display().to_string()).unwrap_or_default();
        }
        let others = self.processes().into_iter().skip(1);
        let others = others.filter_map(|process| used(&format!("/proc/{process}/stat"))).sum();
        parts.insert("query workers".to_owned(), others);
        Ok(parts)
    }

    /// Returns the process id, then those of its child processes.
    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.process.id()];
        let mut at = 0;
        while let Some(process) = all.get(at).copied() {
            for thread in std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
                let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            at += 1;
        }
        all
    }

    /// Returns the resident memory of the process.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().next().context("no VmRSS")?.parse::<u64>()? * 1024)
    }

    /// Returns the size of the files under `name` in its data directory.
    pub(crate) fn stored_bytes(&self, name: &str) -> u64 {
        let data = self.folder.path().join("data");
        let files = std::fs::read_dir(&data).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with(name)).map(|file| size(&file.path())).sum()
    }

    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", self.grpc))?;
        Ok(Client(tonic::client::Grpc::new(endpoint.connect().await?)))
    }

    /// Waits until its scrape shows that every span was counted.
    pub(crate) async fn has_counted(&self, spans: u64) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let began = Instant::now();
        loop {
            let text = http.get(self.scrape_url()).send().await?.text().await?;
            let counted: f64 = text
                .lines()
                .filter(|line| line.starts_with("traces_span_metrics_calls_total"))
                .filter_map(|line| line.rsplit("} ").next()?.split(' ').next()?.parse::<f64>().ok())
                .sum();
            if (counted - spans as f64).abs() < 0.5 {
                return Ok(());
            }
            ensure!(began.elapsed() < LONGEST, "counted {counted} of {spans} spans");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub(crate) fn now_unix_nano() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?)
}

/// Returns the user and system time of a process or thread.
fn used(stat: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(stat).ok()?;
    // Fields 14 and 15 after the name, which may contain anything; the state is field 3.
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Some(Duration::from_secs_f64((ticks(11) + ticks(12)) / TICKS_A_SECOND))
}

fn size(path: &Path) -> u64 {
    let within = std::fs::read_dir(path).into_iter().flatten().flatten().map(|file| size(&file.path())).sum::<u64>();
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    within + file.map_or(0, |file| file.len())
}

/// Sends encoded requests over gRPC.
pub(crate) struct Client(tonic::client::Grpc<Channel>);

impl Client {
    /// Sends traces.
    pub(crate) async fn send(&mut self, body: Bytes) -> anyhow::Result<()> {
        self.send_to("/opentelemetry.proto.collector.trace.v1.TraceService/Export", body).await
    }

    /// Sends metrics.
    pub(crate) async fn send_metrics(&mut self, body: Bytes) -> anyhow::Result<()> {
        self.send_to("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", body).await
    }

    async fn send_to(&mut self, method: &'static str, body: Bytes) -> anyhow::Result<()> {
        self.0.ready().await?;
        let path = http::uri::PathAndQuery::from_static(method);
        self.0.unary(Request::new(body), path, RawCodec).await?;
        Ok(())
    }
}
