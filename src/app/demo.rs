//! `spanwise demo`: a server and the shop in one process, and what a person sees of them.

use super::config::{self, Config};
use super::logging;
use super::server::{self, Ready};
use super::show::{self, Changes, Screen};
use super::signals::on_signal;
use crate::demo::{self, Fault};
use crate::engine::Engine;
use crate::model::finding::{Finding, FindingState};
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The demo's configuration; its ports and its folder are variables.
const CONFIG: &str = include_str!("demo.yaml");
/// Variables of [`CONFIG`] that are ports, with the usual ones.
const PORTS: [(&str, u16); 6] = [
    ("OTLP_GRPC_PORT", 4317),
    ("OTLP_HTTP_PORT", 4318),
    ("HTTP_PORT", 4380),
    ("POSTGRES_PORT", 15432),
    ("SCRAPE_PORT", 8889),
    ("HEALTH_PORT", 13133),
];

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Words of [`Fault`] to plant.
    pub faults: Vec<String>,
    /// How long it runs; until it is interrupted where `None`.
    pub duration: Option<Duration>,
    /// Print the findings as JSON at the end, and nothing else.
    pub json: bool,
}

/// Runs the demo until its time is over or somebody ends it.
///
/// # Errors
/// When a fault is unknown, or a part cannot start.
pub async fn run_demo(options: DemoOptions) -> anyhow::Result<()> {
    let signals = on_signal()?;
    let cancel = signals.cancel.clone();
    let faults = faults(&options.faults)?;
    let folder = Folder::make()?;
    let config = configuration(&folder.0)?;
    logging::init(&config.telemetry)?;
    let (opened, ready) = oneshot::channel();
    let server = {
        let config = config.clone();
        let on_ready = move |ready: &Ready| {
            let _nobody_waits_any_more = opened.send(ready.engine.clone());
        };
        tokio::spawn(async move { server::run(config, None, on_ready, signals).await })
    };
    let Ok(engine) = ready.await else {
        // The server ended before it was ready: it says why.
        return server.await?;
    };
    let shop_cancel = CancellationToken::new();
    let shop = open_shop(&config, &folder.0, faults.clone(), shop_cancel.clone())?;
    watch(&options, &faults, &config, &engine, &cancel).await?;
    let findings = engine.findings().borrow().clone();
    shop_cancel.cancel();
    let shop = shop.await?;
    cancel.cancel();
    server.await??;
    shop?;
    if options.json {
        show::print(&format!("{}\n", serde_json::json!({ "findings": *findings })))?;
    }
    Ok(())
}

fn faults(words: &[String]) -> anyhow::Result<BTreeSet<Fault>> {
    words.iter().map(|word| word.parse::<Fault>().map_err(anyhow::Error::msg)).collect()
}

/// A folder of its own, gone with the demo.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make() -> anyhow::Result<Folder> {
        let path = std::env::temp_dir().join(format!("spanwise-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _what_is_left_is_a_temporary_folder = std::fs::remove_dir_all(&self.0);
    }
}

/// The demo's configuration on the usual ports, or on others where those are taken.
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

fn open_shop(
    config: &Config,
    folder: &Path,
    faults: BTreeSet<Fault>,
    cancel: CancellationToken,
) -> anyhow::Result<tokio::task::JoinHandle<anyhow::Result<()>>> {
    let grpc = config.receivers.iter().find_map(|receiver| receiver.grpc.as_ref()).map(|(address, _)| *address);
    let address = grpc.context("the demo's configuration has no OTLP/gRPC receiver")?;
    let folder = folder.join("shop");
    std::fs::create_dir_all(&folder)?;
    let settings = demo::Settings { faults, otlp_endpoint: format!("http://{address}"), folder };
    Ok(tokio::spawn(demo::run(settings, |_| {}, cancel)))
}

/// Shows what `findings --watch` shows, until the time is over.
async fn watch(
    options: &DemoOptions,
    faults: &BTreeSet<Fault>,
    config: &Config,
    engine: &Arc<Engine>,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let in_place = std::io::stdout().is_terminal();
    let introduction = introduction(faults, config);
    if !options.json && !in_place {
        show::print(&introduction)?;
    }
    let (mut screen, mut changes) = (Screen::default(), Changes::default());
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if options.duration.is_some_and(|duration| began.elapsed() >= duration) {
            break;
        }
        let findings = engine.findings().borrow().clone();
        if options.json {
        } else if in_place {
            screen.draw(&format!("{introduction}{}", page(&findings, began.elapsed())))?;
        } else {
            let lines = changes.of(&findings, false, now_ms()).into_iter().map(|change| format!("{}\n", change.line));
            show::print(&lines.collect::<String>())?;
        }
    }
    if !options.json && !in_place {
        show::print(&format!("\n{}", page(&engine.findings().borrow(), began.elapsed())))?;
    }
    Ok(())
}

fn page(findings: &[Finding], elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if !findings.iter().any(|finding| finding.state != FindingState::NoData) {
        return format!("{seconds:>3} s  the shop is open; the first windows are judged after some 15 s …\n");
    }
    let telling = |finding: &&Finding| matches!(finding.state, FindingState::Firing | FindingState::Pending);
    let shown: Vec<Finding> = findings.iter().filter(telling).cloned().collect();
    let shown = show::findings(&shown, show::colour_on_stdout(), now_ms());
    // The line below the shown ones counts those alone; all are of interest.
    let body = shown.trim_end().rfind('\n').map_or("", |at| &shown[..=at]);
    format!("{seconds:>3} s  {}\n\n{body}", show::summary(findings))
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
    if let Some(postgres) = config.sql.postgres {
        lines.push(format!(
            "  psql -h {} -p {} -c 'SELECT * FROM slow_queries LIMIT 5'",
            postgres.ip(),
            postgres.port()
        ));
    }
    if let Some(http) = config.sql.http {
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

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
