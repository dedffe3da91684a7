//! Budgets: limits that the user sets, or that hold by default, as rows of the table `budgets`.

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
    /// The limit, in `unit`. A share is in percent. Past it a finding is a warning.
    pub limit: f64,
    /// The limit past which a finding is critical, in `unit`.
    pub critical: f64,
    /// True of a budget that holds because the user set none.
    pub is_default: bool,
    /// `ms`, `By`, `%` or `1` (apdex).
    pub unit: String,
    /// True where a value under the limit breaks it (`availability`, `apdex`).
    pub below: bool,
}

/// How many times its limit a budget must be missed by to be critical, where the user says nothing of it.
pub const CRITICAL_MULTIPLE: f64 = 2.0;

/// The limit past which a budget is critical, `multiple` times as far from perfect as its own.
///
/// Durations and sizes are perfect at 0, so that is `multiple` times the limit. So is a share that fails, but it cannot
/// pass 100 %: where the multiple is most of the way there (errors of 60 % twice over), it is where the share that goes
/// well has fallen by the multiple (to 20 %, at errors of 80 %). What must not fall below a limit is perfect at `100 %`,
/// or at an apdex of 1: the multiple is that of what is missing (availability of 99.9 % twice over is 99.8 %), or the
/// limit divided by it where that is nearer (apdex of 0.4: 0.2).
#[must_use]
pub fn critical_limit(limit: f64, multiple: f64, unit: &str, below: bool) -> f64 {
    let best = if unit == "%" { 100.0 } else { 1.0 };
    match (below, unit) {
        (true, _) => (best - (best - limit) * multiple).max(limit / multiple),
        (false, "%") => (limit * multiple).min(100.0 - (100.0 - limit) / multiple),
        (false, _) => limit * multiple,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_is_a_multiple_of_what_is_missed_and_can_be_reached() {
        for (limit, multiple, unit, below, expected) in [
            (100.0, 2.0, "ms", false, 200.0),
            (100.0, 1.0, "ms", false, 100.0),
            (500_000.0, 3.0, "By", false, 1_500_000.0),
            (0.1, 2.0, "%", false, 0.2),
            (60.0, 2.0, "%", false, 80.0),
            (0.0, 2.0, "%", false, 0.0),
            (99.9, 2.0, "%", true, 99.8),
            (40.0, 2.0, "%", true, 20.0),
            (0.9, 2.0, "1", true, 0.8),
            (0.4, 2.0, "1", true, 0.2),
            (0.9, 1.0, "1", true, 0.9),
        ] {
            let found = critical_limit(limit, multiple, unit, below);
            assert!((found - expected).abs() < 1e-9, "{limit} {unit}: {found}, expected {expected}");
        }
    }
}
