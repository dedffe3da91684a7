//! `spanwise demo`: a server and the demo shop in one process, with their output.

use super::config::{self, Config};
use super::logging;
use super::server::{self, Ready};
use super::show::{self, Changes, Frame, Screen};
use super::shutdown::{Signals, on_signal};
use crate::demo::{self, Fault};
use crate::engine::Engine;
use crate::model::finding::{Finding, FindingState};
use crate::model::unix_time::now_ms;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The demo's configuration; its ports and its directory are variables.
const CONFIG: &str = include_str!("demo.yaml");
/// Port variables of [`CONFIG`], with their default ports.
const PORTS: [(&str, u16); 6] = [
    ("OTLP_GRPC_PORT", 4317),
    ("OTLP_HTTP_PORT", 4318),
    ("HTTP_PORT", 4380),
    ("POSTGRES_PORT", 15432),
    ("SCRAPE_PORT", 8889),
    ("HEALTH_PORT", 13133),
];
/// Maximum number of starts if a port is taken meanwhile.
const TRIES: usize = 5;
const SHOP_THREADS: usize = 2;

/// Options of the command line.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Names of the [`Fault`]s to inject.
    pub faults: Vec<String>,
    /// Duration of the demo; `None` runs until it is interrupted.
    pub duration: Option<Duration>,
    /// Print only the findings, as JSON, at the end.
    pub json: bool,
}

/// Runs the demo until its duration is over or it is interrupted.
///
/// # Errors
/// Returns an error if a fault is unknown or a part cannot start.
pub async fn run_demo(options: DemoOptions) -> anyhow::Result<()> {
    let signals = on_signal()?;
    let cancel = signals.cancel.clone();
    let faults = faults(&options.faults)?;
    let folder = Folder::make()?;
    logging::init(&configuration(&folder.0)?.telemetry)?;
    let Opened { config, engine, server } = open(&folder.0, signals).await?;
    let shop = Shop::open(&config, &folder.0, faults.clone())?;
    let watched = watch(&options, &faults, &config, &engine, (&cancel, &shop.closed)).await;
    let findings = engine.findings().borrow().clone();
    let shop = shop.close().await;
    cancel.cancel();
    server.await??;
    shop?;
    watched?;
    if options.json {
        show::print(&format!("{}\n", serde_json::json!({ "findings": *findings })))?;
    }
    Ok(())
}

fn faults(words: &[String]) -> anyhow::Result<BTreeSet<Fault>> {
    words.iter().map(|word| word.parse::<Fault>().map_err(anyhow::Error::msg)).collect()
}

/// A temporary directory, deleted with the demo.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make() -> anyhow::Result<Folder> {
        // The random part avoids the leftovers of an earlier demo with this process id, or of anyone else.
        let name = format!("spanwise-demo-{}-{:016x}", std::process::id(), rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _what_is_left_is_a_temporary_folder = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the demo's configuration with the default ports, or others if those are taken.
fn configuration(folder: &Path) -> anyhow::Result<Config> {
    let mut values = vec![("FOLDER", folder.display().to_string())];
    for (name, usual) in PORTS {
        values.push((name, free(usual)?.to_string()));
    }
    let variable = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    Ok(config::parse("(the demo's configuration)", CONFIG, &variable)?)
}

fn free(usual: u16) -> anyhow::Result<u16> {
    let bind = |port| std::net::TcpListener::bind(("127.0.0.1", port));
    let listener = bind(usual).or_else(|_| bind(0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// A server that is ready.
struct Opened {
    config: Config,
    engine: Arc<Engine>,
    server: JoinHandle<anyhow::Result<()>>,
}

/// Starts the server; retries with other ports if another program, such as a second demo, took one in the meantime.
async fn open(folder: &Path, mut signals: Signals) -> anyhow::Result<Opened> {
    let mut tries = TRIES;
    loop {
        let config = configuration(folder)?;
        let (opened, ready) = oneshot::channel();
        let on_ready = move |ready: &Ready| {
            let _nobody_waits_any_more = opened.send(ready.engine.clone());
        };
        let again = signals.again()?;
        let running = server::run(config.clone(), None, on_ready, std::mem::replace(&mut signals, again));
        let server = tokio::spawn(running);
        if let Ok(engine) = ready.await {
            return Ok(Opened { config, engine, server });
        }
        // The server ended before it was ready and has reported why.
        tries -= 1;
        match server.await? {
            Err(error) if tries > 0 && is_taken(&error) => {}
            Err(error) => return Err(error),
            Ok(()) => anyhow::bail!("the demo ended before it was ready"),
        }
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    let mut errors = error.chain().filter_map(|error| error.downcast_ref::<std::io::Error>());
    errors.any(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// The running shop, and whether it has stopped.
struct Shop {
    running: oneshot::Receiver<anyhow::Result<()>>,
    cancel: CancellationToken,
    closed: CancellationToken,
}

impl Shop {
    fn open(config: &Config, folder: &Path, faults: BTreeSet<Fault>) -> anyhow::Result<Shop> {
        let (cancel, closed) = (CancellationToken::new(), CancellationToken::new());
        let shop = demo::run(shop_settings(config, folder, faults)?, |_| {}, cancel.clone());
        let close = closed.clone().drop_guard();
        // It represents external programs: on threads of its own, its requests do not wait for the server's work, which
        // would count as duration of its statements.
        let runtime = Builder::new_multi_thread().worker_threads(SHOP_THREADS).thread_name("shop").enable_all().build();
        let runtime = runtime.context("threads for the shop")?;
        let (ended, running) = oneshot::channel();
        let run = move || {
            let _close = close;
            let _nobody_waits_any_more = ended.send(runtime.block_on(shop));
        };
        std::thread::Builder::new().name("shop".to_owned()).spawn(run).context("a thread for the shop")?;
        Ok(Shop { running, cancel, closed })
    }

    async fn close(self) -> anyhow::Result<()> {
        self.cancel.cancel();
        self.running.await.context("the shop failed")?
    }
}

fn shop_settings(config: &Config, folder: &Path, faults: BTreeSet<Fault>) -> anyhow::Result<demo::Settings> {
    let grpc =
        config.receivers.iter().find_map(|receiver| receiver.grpc.as_ref()).map(|(endpoint, _)| endpoint.address);
    let address = grpc.context("the demo's configuration has no OTLP/gRPC receiver")?;
    let folder = folder.join("shop");
    std::fs::create_dir(&folder)?;
    Ok(demo::Settings { faults, otlp_endpoint: format!("http://{address}"), folder })
}

/// Shows the output of `findings --watch` until the duration is over or the shop stops.
async fn watch(
    options: &DemoOptions,
    faults: &BTreeSet<Fault>,
    config: &Config,
    engine: &Arc<Engine>,
    (cancel, closed): (&CancellationToken, &CancellationToken),
) -> anyhow::Result<()> {
    let began = Instant::now();
    let in_place = std::io::stdout().is_terminal();
    let (introduction, short) = (introduction(faults, config), introduction_short(faults, config));
    if !options.json && !in_place {
        show::print(&introduction)?;
    }
    let (mut screen, mut changes) = (Screen::default(), Changes::default());
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            () = closed.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if options.duration.is_some_and(|duration| began.elapsed() >= duration) {
            break;
        }
        let findings = engine.findings().borrow().clone();
        if options.json {
        } else if in_place {
            let page = page(&findings, began.elapsed());
            let (head, head_short) = (format!("{introduction}{}", page.head), format!("{short}{}", page.head));
            screen.draw(Frame { head, head_short, ..page })?;
        } else {
            let lines = changes.of(&findings, false, now_ms()).into_iter().map(|change| format!("{}\n", change.line));
            show::print(&lines.collect::<String>())?;
        }
    }
    if !options.json && !in_place {
        let page = page(&engine.findings().borrow(), began.elapsed());
        show::print(&format!("\n{}", page.whole()))?;
    }
    Ok(())
}

fn page(findings: &[Finding], elapsed: Duration) -> Frame {
    let seconds = elapsed.as_secs();
    if !findings.iter().any(|finding| finding.state != FindingState::NoData) {
        let head = format!("{seconds:>3} s  the shop is open; the first windows are judged after some 20 s …\n");
        return Frame { head, ..Frame::default() };
    }
    let head = format!("{seconds:>3} s  {}\n\n", show::summary(findings));
    let findings = show::blocks(&show::chosen(findings, false), show::colour_on_stdout(), now_ms());
    Frame { head, findings, ..Frame::default() }
}

fn introduction(faults: &BTreeSet<Fault>, config: &Config) -> String {
    let mut lines = vec!["Spanwise with a small shop; Ctrl-C ends it. Planted:".to_owned()];
    for (fault, word, what, pipeline) in Fault::ALL {
        if faults.contains(&fault) {
            lines.push(format!("  {word:<14} {what:<30} which {pipeline} should find"));
        }
    }
    if faults.is_empty() {
        lines.push("  nothing: no finding should fire".to_owned());
    }
    lines.push("Meanwhile, in another terminal:".to_owned());
    if let Some(postgres) = config.sql.postgres.as_ref().map(|endpoint| endpoint.address) {
        lines.push(format!(
            "  psql -h {} -p {} -c 'SELECT * FROM slow_queries LIMIT 5'",
            postgres.ip(),
            postgres.port()
        ));
    }
    if let Some(http) = &config.sql.http {
        lines.push(format!(
            "  curl -s http://{http}/v1/sql -H 'content-type: text/plain' -d 'SELECT * FROM requests_summary LIMIT 5'"
        ));
        lines.push(format!("  a page of findings: http://{http}/"));
    }
    for (address, settings) in &config.prometheus {
        lines.push(format!("  curl -s http://{address}{} | grep traces_span_metrics_calls", settings.path));
    }
    lines.push(String::new());
    lines.push(String::new());
    lines.join("\n")
}

/// Returns the introduction in three lines, for a terminal with little room.
fn introduction_short(faults: &BTreeSet<Fault>, config: &Config) -> String {
    let page = config.sql.http.as_ref().map_or(String::new(), |http| format!(" Page: http://{http}/"));
    let planted: Vec<&str> =
        Fault::ALL.into_iter().filter(|(fault, ..)| faults.contains(fault)).map(|(_, word, ..)| word).collect();
    let planted = if planted.is_empty() { "nothing".to_owned() } else { planted.join(", ") };
    let sql =
        config.sql.postgres.as_ref().map(|at| format!("SQL: psql -h {} -p {}", at.address.ip(), at.address.port()));
    let scrapes = config.prometheus.iter().map(|(at, settings)| format!("Metrics: http://{at}{}", settings.path));
    let doors: Vec<String> = sql.into_iter().chain(scrapes).collect();
    format!("Spanwise with a small shop; Ctrl-C ends it.{page}\nPlanted: {planted}\n{}\n", doors.join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn each_demo_has_a_folder_of_its_own_that_others_cannot_read() {
        let (one, other) = (Folder::make().unwrap(), Folder::make().unwrap());
        assert_ne!(one.0, other.0);
        assert_eq!(std::fs::metadata(&one.0).unwrap().permissions().mode() & 0o777, 0o700);
        let path = one.0.clone();
        drop(one);
        assert!(!path.exists() && other.0.exists());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_from_other_faults() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = std::net::TcpListener::bind(taken.local_addr().unwrap()).unwrap_err();
        assert!(is_taken(&anyhow::Error::from(error).context("receivers.otlp")));
        assert!(!is_taken(&anyhow::anyhow!("the disk is full")));
    }

    #[tokio::test]
    async fn a_shop_that_fails_ends_the_demo_with_its_error() {
        let folder = Folder::make().unwrap();
        let config = configuration(&folder.0).unwrap();
        let shop = Shop::open(&config, &folder.0, BTreeSet::new()).unwrap();
        std::fs::remove_dir_all(folder.0.join("shop")).unwrap();
        tokio::time::timeout(Duration::from_secs(20), shop.closed.cancelled()).await.unwrap();
        let error = shop.close().await.unwrap_err();
        assert!(format!("{error:#}").contains("the demo's"), "{error:#}");
    }
}
