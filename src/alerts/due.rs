//! What is due to be sent: by what findings are now, and what the channel was told.

use super::messages::Notice;
use super::notification_log::Told;
use crate::model::finding::{Finding, FindingState, Severity};
use std::collections::{BTreeMap, HashSet};

/// The notices that are due: those that fire, and those that are over.
///
/// A key that is no longer judged is not over: only one that was judged within its limit, whose traffic has ended, or that
/// is gone, is.
pub(super) fn due(
    findings: &[Finding],
    told: &BTreeMap<String, Told>,
    severity_min: Severity,
    now_ms: i64,
) -> (Vec<Notice>, Vec<Notice>) {
    let mut firing = Vec::new();
    let mut resolved = Vec::new();
    let mut ids = HashSet::new();
    for finding in findings {
        ids.insert(finding.id.as_str());
        match (finding.state, told.get(&finding.id)) {
            (FindingState::Firing, before)
                if finding.severity >= Some(severity_min) && !before.is_some_and(|told| told.covers(finding)) =>
            {
                firing.push(Notice::firing(finding));
            }
            (FindingState::Firing, _) => {}
            // Also where a look came too late to see it `ok`: it has ended whatever it is now.
            (_, Some(told)) if finding.ended.is_some() => {
                let at_ms = finding.ended.as_ref().map_or(finding.state_since_ms, |ended| ended.at_ms);
                resolved.push(Notice::resolved(told, Some(finding), at_ms));
            }
            (FindingState::Ok, Some(told)) => {
                resolved.push(Notice::resolved(told, Some(finding), finding.state_since_ms));
            }
            _ => {}
        }
    }
    let gone = told.values().filter(|told| !ids.contains(told.finding_id.as_str()));
    resolved.extend(gone.map(|told| Notice::resolved(told, None, now_ms)));
    (firing, resolved)
}
