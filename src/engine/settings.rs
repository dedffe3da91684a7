//! What the engine may be told.

use super::findings::PipelineOverride;
use super::rollups::Retention;
use crate::model::budget::{AlertLimit, Budget};
use crate::model::pipeline::PipelineDef;
use crate::model::table::TableDef;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the engine works; [`Rules`] can change while it runs, this cannot.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// How often new rows are taken into the rollups.
    pub flush: Duration,
    /// How often maintenance joins parts and drops what has expired.
    pub upkeep: Duration,
    /// Series of a rollup table, and of the metrics whose last values are kept, that are kept apart; the rest is
    /// counted under one overflow series.
    pub series_max: usize,
    /// How long each resolution is kept.
    pub retention: Retention,
    /// Memory of all rollup tables; beyond it the finest rows are dropped before their time.
    pub rollup_bytes_max: usize,
    /// Memory that queries from outside may take together.
    pub query_bytes_max: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            flush: Duration::from_secs(1),
            upkeep: Duration::from_mins(1),
            series_max: 10_000,
            retention: Retention { fine_ms: 2 * HOUR_MS, minute_ms: 24 * HOUR_MS, hour_ms: 31 * 24 * HOUR_MS },
            rollup_bytes_max: 256 << 20,
            query_bytes_max: 256 << 20,
        }
    }
}

const HOUR_MS: i64 = 3_600_000;

/// What is judged, and how: what a reload changes.
#[derive(Debug, Clone)]
pub struct Rules {
    /// All pipelines.
    pub pipelines: Vec<PipelineDef>,
    /// How often findings are evaluated.
    pub interval: Duration,
    /// How far a window's end lags behind now, so that late rows are in.
    pub lag: Duration,
    /// Time that one pipeline may take.
    pub timeout: Duration,
    /// The user's budgets.
    pub budgets: Vec<Budget>,
    /// Limits out of `alerting`.
    pub alerting: Vec<AlertLimit>,
    /// The user's changes by pipeline.
    pub overrides: BTreeMap<String, PipelineOverride>,
}

impl Rules {
    /// These pipelines without budgets or changes.
    #[must_use]
    pub fn of(pipelines: Vec<PipelineDef>) -> Rules {
        Rules {
            pipelines,
            interval: Duration::from_secs(5),
            lag: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            budgets: Vec::new(),
            alerting: Vec::new(),
            overrides: BTreeMap::new(),
        }
    }
}

/// The definitions that stay while the engine runs.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// All tables.
    pub tables: Vec<TableDef>,
    /// What is judged at first.
    pub rules: Rules,
}
