//! Budgets: limits that the user sets, as rows of the table `budgets`.

use serde::{Deserialize, Serialize};

/// What a budget is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetKind {
    /// Duration of API operations at a percentile.
    Api,
    /// A page-load timing, p75.
    PageLoad,
    /// Bytes of a kind of asset.
    Bundle,
    /// `errorRate`, `availability` or `apdex`.
    Metrics,
}

impl BudgetKind {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            BudgetKind::Api => "api",
            BudgetKind::PageLoad => "page_load",
            BudgetKind::Bundle => "bundle",
            BudgetKind::Metrics => "metrics",
        }
    }
}

/// One budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its kind.
    pub kind: BudgetKind,
    /// Its key in the configuration: `search`, `firstContentfulPaint`, `errorRate`, or a name of the user's.
    pub name: String,
    /// Glob over the operation (`GET /products/*`); `*` where none is given.
    pub operation_match: String,
    /// Glob over the service; `*` where none is given.
    pub service_match: String,
    /// Percentile in percent, where the kind has one: 95 for `api`, 75 for `page_load`.
    pub percentile: Option<f64>,
    /// The limit, in `unit`. A share is in percent.
    pub limit: f64,
    /// `ms`, `By`, `%` or `1` (apdex).
    pub unit: String,
    /// True where a value under the limit breaks it (`availability`, `apdex`).
    pub below: bool,
}

/// Limits of one entry of `alerting`; a bare number is in the unit of its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertLimit {
    /// Dotted path under `alerting`: `responseTime`, `resources.cpu`, `database.lockWaits`.
    pub key: String,
    /// Limit for a warning.
    pub warning: Option<f64>,
    /// Limit for a critical alert.
    pub critical: Option<f64>,
    /// Window that is judged, in ms; the pipeline's own where `None`.
    pub window_ms: Option<i64>,
}
