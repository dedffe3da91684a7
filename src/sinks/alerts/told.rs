//! What a channel was told, and what is due.

use super::messages::Notice;
use crate::model::finding::{Finding, FindingState, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One alert that was told: a row of the table `alerts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The channel's id.
    pub channel: String,
    /// The finding.
    pub finding_id: String,
    /// When the incident began, microseconds since the epoch.
    pub firing_since: i64,
    /// `firing`.
    pub status: String,
    /// When it was told, microseconds since the epoch.
    pub told_at: i64,
    /// How bad it was told to be.
    pub severity: Option<Severity>,
    /// The finding as it was told, to say later what is over.
    finding: Finding,
}

impl Told {
    pub(super) fn new(channel: &str, finding: &Finding, now_ms: i64) -> Told {
        Told {
            channel: channel.to_owned(),
            finding_id: finding.id.clone(),
            firing_since: since_ms(finding) * 1000,
            status: "firing".to_owned(),
            told_at: now_ms * 1000,
            severity: finding.severity,
            finding: finding.clone(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Kind of the memory's entries of a channel.
#[must_use]
pub fn memory_kind(channel: &str) -> String {
    format!("alert:{channel}")
}

pub(super) fn read(entries: &[(String, Vec<u8>)]) -> BTreeMap<String, Told> {
    entries.iter().filter_map(|(id, bytes)| Some((id.clone(), serde_json::from_slice(bytes).ok()?))).collect()
}

/// The notices that are due: those that fire, and those that are over.
///
/// A key that is no longer judged is not over: only one that was judged within its limit, or that is gone, is.
pub(super) fn due(
    findings: &[Finding],
    told: &BTreeMap<String, Told>,
    severity_min: Severity,
    now_ms: i64,
) -> (Vec<Notice>, Vec<Notice>) {
    let mut firing = Vec::new();
    let mut resolved = Vec::new();
    for finding in findings {
        let before = told.get(&finding.id);
        match finding.state {
            FindingState::Firing if finding.severity >= Some(severity_min) => {
                let known = before.is_some_and(|told| {
                    told.firing_since == since_ms(finding) * 1000 && told.severity >= finding.severity
                });
                if !known {
                    firing.push(Notice { finding: finding.clone(), resolved: false, ended_ms: None });
                }
            }
            FindingState::Ok if before.is_some() => {
                resolved.push(Notice {
                    finding: finding.clone(),
                    resolved: true,
                    ended_ms: Some(finding.state_since_ms),
                });
            }
            _ => {}
        }
    }
    // Before the first evaluation there are no findings at all, which says nothing.
    if !findings.is_empty() {
        let gone = told.values().filter(|told| findings.iter().all(|finding| finding.id != told.finding_id));
        resolved.extend(gone.map(|told| Notice {
            finding: told.finding.clone(),
            resolved: true,
            ended_ms: Some(now_ms),
        }));
    }
    (firing, resolved)
}

/// When the incident began.
pub(super) fn since_ms(finding: &Finding) -> i64 {
    finding.firing_since_ms.unwrap_or(finding.state_since_ms)
}
