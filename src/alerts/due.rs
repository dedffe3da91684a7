//! Computes which notifications are due, from the current findings and what the channel was already sent.

use super::messages::Notice;
use super::notification_log::Sent;
use crate::model::finding::{Finding, FindingState, Severity};
use std::collections::{BTreeMap, HashSet};

/// Returns the notifications that are due: firing and resolved.
///
/// A key that is no longer judged is not resolved; it must have been judged within its limit, its traffic must have ended, or
/// it must be gone.
pub(super) fn due(
    findings: &[Finding],
    sent: &BTreeMap<String, Sent>,
    severity_min: Severity,
    now_ms: i64,
) -> (Vec<Notice>, Vec<Notice>) {
    let mut firing = Vec::new();
    let mut resolved = Vec::new();
    let mut ids = HashSet::new();
    for finding in findings {
        ids.insert(finding.id.as_str());
        match (finding.state, sent.get(&finding.id)) {
            (FindingState::Firing, before)
                if finding.severity >= Some(severity_min) && !before.is_some_and(|sent| sent.covers(finding)) =>
            {
                firing.push(Notice::firing(finding));
            }
            (FindingState::Firing, _) => {}
            // Also if this check came too late to see it `ok`: the incident has ended, whatever the state is now.
            (_, Some(sent)) if finding.ended.is_some() => {
                let at_ms = finding.ended.as_ref().map_or(finding.state_since_ms, |ended| ended.at_ms);
                resolved.push(Notice::resolved(sent, Some(finding), at_ms));
            }
            (FindingState::Ok, Some(sent)) => {
                resolved.push(Notice::resolved(sent, Some(finding), finding.state_since_ms));
            }
            _ => {}
        }
    }
    let gone = sent.values().filter(|sent| !ids.contains(sent.finding.id.as_str()));
    resolved.extend(gone.map(|sent| Notice::resolved(sent, None, now_ms)));
    (firing, resolved)
}
