//! Changes between two lists of findings, for logs and pipes.

use super::terminal::plain;
use crate::model::finding::{Finding, FindingState, Severity};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// A finding that has changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The current finding.
    pub finding: Finding,
    /// Description in one line.
    pub line: String,
}

/// Remembers the last findings.
#[derive(Debug, Default)]
pub struct Changes {
    seen: HashMap<String, (FindingState, Option<Severity>)>,
}

impl Changes {
    /// Returns the changes since the last call. The first call returns the firing and pending findings; with `all`, every
    /// key.
    pub fn of(&mut self, findings: &[Finding], all: bool, now_ms: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        for finding in findings {
            let now = (finding.state, finding.severity);
            let before = self.seen.insert(finding.id.clone(), now);
            if before == Some(now) {
                continue;
            }
            let fired = before.is_some_and(|(state, _)| state == FindingState::Firing);
            let shown = matches!(finding.state, FindingState::Firing | FindingState::Pending);
            if all || shown || fired {
                changes.push(Change { finding: finding.clone(), line: line(finding, fired, now_ms) });
            }
        }
        changes
    }
}

fn line(finding: &Finding, fired: bool, now_ms: i64) -> String {
    let word = match (finding.state, finding.severity) {
        (FindingState::Firing, Some(Severity::Critical)) => "critical",
        (FindingState::Firing, _) => "warning",
        (FindingState::Pending, _) => "pending",
        (FindingState::Ok, _) if fired => "resolved",
        (FindingState::Ok, _) => "ok",
        (FindingState::NoData, _) => "no_data",
    };
    let recovering = finding.recovering.map_or(String::new(), |recovering| {
        format!(" ({})", recovering.said(&format!("since {}", time(recovering.since_ms)), &finding.unit))
    });
    format!("{} {word:<8} {}: {}", time(now_ms), finding.pipeline, plain(&format!("{}{recovering}", finding.title)))
}

fn time(ms: i64) -> humantime::Rfc3339Timestamp {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since)
}
