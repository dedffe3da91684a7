//! What a channel was told, and what is due.

use super::messages::Notice;
use crate::model::finding::{Finding, FindingState, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

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

    /// The finding as it was told.
    pub(super) fn finding(&self) -> &Finding {
        &self.finding
    }

    /// Whether that incident was told, and as bad as it is now.
    fn covers(&self, finding: &Finding) -> bool {
        self.firing_since == since_ms(finding) * 1000 && self.severity >= finding.severity
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

pub(super) fn read(channel: &str, entries: &[(String, Vec<u8>)]) -> BTreeMap<String, Told> {
    let mut told = BTreeMap::new();
    for (id, bytes) in entries {
        match serde_json::from_slice::<Told>(bytes) {
            Ok(entry) => {
                told.insert(id.clone(), entry);
            }
            Err(error) => tracing::warn!(
                sink = channel,
                finding = id,
                %error,
                "what the channel was told of a finding cannot be read; it is told again if it still fires"
            ),
        }
    }
    told
}

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

/// When the incident began.
pub(super) fn since_ms(finding: &Finding) -> i64 {
    finding.firing_since_ms.unwrap_or(finding.state_since_ms)
}
