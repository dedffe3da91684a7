//! Budgets: limits set by the user or by default, stored as rows of the table `budgets`.

use serde::{Deserialize, Serialize};

/// Metric that a budget applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetKind {
    /// Percentile of the duration of API operations.
    Api,
    /// A page-load timing (p75).
    PageLoad,
    /// Size in bytes of a kind of asset.
    Bundle,
    /// `errorRate`, `availability` or `apdex`.
    Metrics,
}

impl BudgetKind {
    /// Returns the word used in the table.
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
    /// Kind of the budget.
    pub kind: BudgetKind,
    /// Key in the configuration: `search`, `firstContentfulPaint`, `errorRate`, or a user-defined name.
    pub name: String,
    /// Glob for the operation (`GET /products/*`); `*` if unset.
    pub operation_match: String,
    /// Glob for the service; `*` if unset.
    pub service_match: String,
    /// Percentile in percent, if the kind has one: 95 for `api`, 75 for `page_load`.
    pub percentile: Option<f64>,
    /// Warning limit in `unit`. Shares are in percent.
    pub limit: f64,
    /// Critical limit in `unit`.
    pub critical: f64,
    /// True for a default budget, used when the user set none.
    pub is_default: bool,
    /// `ms`, `By`, `%` or `1` (apdex).
    pub unit: String,
    /// True if values below the limit violate the budget (`availability`, `apdex`).
    pub below: bool,
}

/// Default multiple of the limit at which a violation is critical.
pub const CRITICAL_MULTIPLE: f64 = 2.0;

/// Returns the critical limit: `multiple` times as far from the best possible value as the warning limit.
///
/// For durations and sizes the best value is 0, so it is `multiple` times the limit. The same applies to an error share, except
/// that it cannot exceed 100 %: if the multiple is close to that (60 % errors, twice), the success share is divided by the
/// multiple instead (to 20 %, so 80 % errors). For values that must stay above a limit, the best value is `100 %`, or 1 for
/// apdex: the multiple applies to the distance from it (99.9 % availability, twice, is 99.8 %), or the limit is divided by it
/// where that is nearer (apdex of 0.4: 0.2).
#[must_use]
pub fn critical_limit(limit: f64, multiple: f64, unit: &str, below: bool) -> f64 {
    let best = if unit == "%" { 100.0 } else { 1.0 };
    match (below, unit) {
        (true, _) => (best - (best - limit) * multiple).max(limit / multiple),
        (false, "%") => (limit * multiple).min(100.0 - (100.0 - limit) / multiple),
        (false, _) => limit * multiple,
    }
}

/// Limits of one entry of `alerting`; plain numbers are in the unit of the key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertLimit {
    /// Dotted path under `alerting`: `responseTime`, `resources.cpu`, `database.lockWaits`.
    pub key: String,
    /// Warning limit.
    pub warning: Option<f64>,
    /// Critical limit.
    pub critical: Option<f64>,
    /// Evaluation window in ms; `None` uses the pipeline's own.
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
