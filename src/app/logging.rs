//! The log of the process: written to standard error, and bridged into own telemetry.

use super::config::{LogEncoding, LogLevel, TelemetryConfig};
use super::show;
use super::telemetry::{Bridge, is_said, is_work};
use anyhow::Context as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// Environment variables with a filter; the first one that is set is used.
const FILTER_VARIABLES: [&str; 2] = ["SPANWISE_LOG", "RUST_LOG"];

/// Starts logging according to the configuration. `SPANWISE_LOG` or `RUST_LOG` override the level, with a filter such as
/// `info,spanwise::engine=debug`.
///
/// # Errors
/// Returns an error if the filter in the environment is invalid, or a logger is already installed.
pub fn init(config: &TelemetryConfig) -> anyhow::Result<()> {
    let said = filter(config)?;
    // Work spans become own traces and are not part of log lines.
    let written = filter(config)?.and(filter_fn(|metadata| !is_work(metadata)).with_max_level_hint(LevelFilter::TRACE));
    let bridged = said
        .and(filter_fn(is_said).with_max_level_hint(LevelFilter::TRACE))
        .or(filter_fn(is_work).with_max_level_hint(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(Bridge::new().with_filter(bridged));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match config.encoding {
        LogEncoding::Console => {
            registry.with(lines.with_ansi(show::colour_on_stderr()).with_filter(written)).try_init()
        }
        LogEncoding::Json => {
            registry.with(lines.json().flatten_event(true).with_ansi(false).with_filter(written)).try_init()
        }
    }
    .context("the log is set up already")
}

fn filter(config: &TelemetryConfig) -> anyhow::Result<EnvFilter> {
    let variable = FILTER_VARIABLES.iter().find_map(|name| Some((*name, std::env::var(name).ok()?)));
    Ok(match variable.filter(|(_, text)| !text.trim().is_empty()) {
        Some((name, text)) => EnvFilter::try_new(&text)
            .with_context(|| format!("{name}: expected a filter such as info, found {text:?}"))?,
        None => EnvFilter::try_new(directives(config.level))?,
    })
}

/// Returns the filter for a level. Libraries are logged one level less verbosely than Spanwise itself.
fn directives(level: LogLevel) -> String {
    let others = match level {
        LogLevel::Trace => LogLevel::Debug,
        LogLevel::Debug => LogLevel::Info,
        LogLevel::Info | LogLevel::Warn => LogLevel::Warn,
        LogLevel::Error => LogLevel::Error,
    };
    format!("{},spanwise={}", others.as_str(), level.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_filter() {
        for level in [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error] {
            assert!(EnvFilter::try_new(directives(level)).is_ok());
        }
        assert_eq!(directives(LogLevel::Info), "warn,spanwise=info");
    }
}
