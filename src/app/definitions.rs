//! The tables, rules and settings that the engine gets from a configuration.

use super::catalog::{Catalog, Gathered};
use super::config::{Config, PerformanceConfig};
use crate::engine::{Definitions, EngineSettings, PoolSettings, Retention, Rules};
use crate::model::fault::Faults;
use std::time::Duration;

/// Loads tables and rules: the built-in ones, overridden by the user's, with the changes of the configuration. Faults are
/// reported before anything runs.
pub(super) async fn definitions(config: &PerformanceConfig) -> Result<Definitions, Faults> {
    let (schemas, pipelines) = (config.schemas_dir.as_deref(), config.pipelines_dir.as_deref());
    let Gathered { catalog, mut faults, complete } = Catalog::gather(schemas, pipelines);
    // The built-in ones are tested; planning all of them would slow down every start.
    let changed = schemas.is_some() || pipelines.is_some() || config.overrides.values().any(|change| change.disabled);
    if complete && changed {
        faults.extend(catalog.enabled(&config.overrides).check_statements(&faults).await);
    }
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let Catalog { tables, pipelines } = catalog;
    let rules = Rules {
        pipelines,
        interval: config.interval,
        lag: config.lag,
        timeout: config.timeout,
        budgets: config.budgets.clone(),
        alerting: config.alerting.clone(),
        overrides: config.overrides.clone(),
    };
    Ok(Definitions { tables, rules })
}

pub(super) fn engine_settings(config: &Config) -> EngineSettings {
    let performance = &config.performance;
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let retention = Retention {
        fine_ms: ms(performance.retention.fine),
        minute_ms: ms(performance.retention.minute),
        hour_ms: ms(performance.retention.hour),
    };
    EngineSettings {
        series_max: performance.series_max,
        values_kept: values_kept(config),
        retention,
        rollup_bytes_max: config.memory.rollups,
        queries: PoolSettings {
            workers_max: config.sql.workers_max,
            memory_total_bytes: config.sql.memory_total_bytes,
            memory_bytes: config.sql.memory_bytes_max,
            ..PoolSettings::default()
        },
        ..EngineSettings::default()
    }
}

/// Returns the longest time for which an exporter shows values.
fn values_kept(config: &Config) -> Duration {
    let shown = config.prometheus.iter().map(|(_, settings)| settings.metric_expiration).max();
    shown.unwrap_or(EngineSettings::default().values_kept)
}
