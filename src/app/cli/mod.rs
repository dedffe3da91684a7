//! The command line.

mod args;
mod asking;
mod health;
mod keeping;
mod outcome;

#[cfg(test)]
mod tests;

use super::config::{self, Config, ReloadFn};
use super::demo::{DemoOptions, run_demo};
use super::server::run_server;
use super::shutdown::on_signal;
use super::{catalog::Catalog, check, docs, export, logging, query_worker, rules, show};
use crate::model::fault::Faults;
use args::{Cli, Command, ConfigArgs, DemoArgs, Export, RunArgs, config_path};
use clap::Parser as _;
use outcome::{FAILED, FAULTY, error_text};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the command of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::QueryWorker(args)) = &cli.command {
        // The worker sandboxes itself, so only what it needs may run before it.
        return query_worker::run(args.memory);
    }
    let json = cli.wants_json();
    // Every TLS client of the process uses it; an already installed provider is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", error_text(&error, json));
            ExitCode::from(if error.is::<Faults>() { FAULTY } else { FAILED })
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => serve(cli.run).await,
        Some(Command::Run(args)) => serve(args).await,
        Some(Command::Demo(args)) => demo(args).await,
        Some(Command::Check(args)) => check(args.config.as_deref(), args.json).await,
        Some(Command::Docs(args)) => documents(args.config.as_deref(), args.name.as_deref(), args.json),
        Some(Command::Export(what)) => export(what),
        Some(Command::Health(args)) => health::health(args).await,
        Some(Command::Backup(args)) => keeping::backup(args).await,
        Some(Command::Restore(args)) => keeping::restore(args).await,
        Some(Command::Findings(args)) => asking::findings(args).await,
        Some(Command::Sql(args)) => asking::sql(args).await,
        Some(Command::QueryWorker(_)) => anyhow::bail!("a query worker must run without the async runtime"),
    }
}

async fn serve(args: RunArgs) -> anyhow::Result<ExitCode> {
    let signals = on_signal()?;
    let path = config_path(args.config);
    let json = args.json;
    let file = path.clone();
    let load = move || -> Result<Config, Faults> {
        let mut config = config::load(path.as_deref(), &config::process_environment)?;
        if json {
            config.telemetry.encoding = config::LogEncoding::Json;
        }
        Ok(config)
    };
    let config = match load() {
        Ok(config) => config,
        Err(faults) => return Err(all_faults(file.as_deref(), faults).await.into()),
    };
    logging::init(&config.telemetry)?;
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    let reload: ReloadFn = Arc::new(load);
    run_server(config, reload, signals).await?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the faults that `check` reports for a file with these faults, including those of its directories.
async fn all_faults(path: Option<&Path>, faults: Faults) -> Faults {
    let all = check::check(path, &config::process_environment).await.faults;
    if all.is_empty() { faults } else { Faults(all) }
}

async fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let faults = args.faults.into_iter().flat_map(|words| words.0).collect();
    run_demo(DemoOptions { faults, duration: args.duration, json: args.json }).await?;
    Ok(ExitCode::SUCCESS)
}

async fn check(path: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let path = config_path(path.map(Path::to_owned));
    let checked = check::check(path.as_deref(), &config::process_environment).await;
    if json {
        show::print(&format!("{}\n", checked.to_json()))?;
    } else {
        // Notes are useful to a user who fixes the faults.
        for note in &checked.notes {
            show::print(&format!("note: {note}\n"))?;
        }
        for fault in &checked.faults {
            eprintln!("{fault}");
        }
        if checked.is_good() {
            show::print(&format!("{}\n", checked.summary()))?;
        } else {
            eprintln!("{}", checked.summary());
        }
    }
    Ok(if checked.is_good() { ExitCode::SUCCESS } else { ExitCode::from(FAULTY) })
}

/// Prints the docs. They help to write the file, too: if it has faults, they are reported, and what it refers to is still
/// described.
fn documents(path: Option<&Path>, name: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let path = config_path(path.map(Path::to_owned));
    let mut faults = config::load(path.as_deref(), &config::process_environment).err().unwrap_or_default();
    let (schemas, pipelines) = config::folders(path.as_deref(), &config::process_environment);
    let catalog = match Catalog::load(schemas.as_deref(), pipelines.as_deref()) {
        Ok(catalog) => catalog,
        Err(further) => {
            faults.0.extend(further.0);
            return Err(faults.into());
        }
    };
    let text = if json {
        docs::json(&catalog, name).map(|value| format!("{value}\n"))
    } else {
        docs::markdown(&catalog, name)
    };
    match text {
        Some(text) => show::print(&text)?,
        None if faults.0.is_empty() => anyhow::bail!(docs::unknown(&catalog, name.unwrap_or_default())),
        None => {}
    }
    if faults.0.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(faults.into()) }
}

fn export(what: Export) -> anyhow::Result<ExitCode> {
    let load = |args: ConfigArgs| config::load(config_path(args.config).as_deref(), &config::process_environment);
    let text = match what {
        Export::PrometheusRules(args) => rules::prometheus_rules(&load(args)?),
        Export::IndexTemplate(args) => export::index_template::text(&load(args)?.targets),
        Export::Containerfile => export::package::CONTAINERFILE.to_owned(),
        Export::SystemdUnit => export::package::SYSTEMD_UNIT.to_owned(),
    };
    show::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
