//! What was sent to a channel.

use crate::model::finding::{Finding, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One alert that was sent: a row of the table `alerts`.
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
    /// When it was sent, microseconds since the epoch.
    pub told_at: i64,
    /// The severity it was sent with.
    pub severity: Option<Severity>,
    /// The finding as it was sent, needed for the resolved notification.
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

    /// The finding as it was sent.
    pub(super) fn finding(&self) -> &Finding {
        &self.finding
    }

    /// Returns true if this incident was already sent with at least its current severity.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        self.firing_since == since_ms(finding) * 1000 && self.severity >= finding.severity
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Kind of a channel's entries in the state store.
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
                "cannot read the last notification of a finding; it is sent again if the finding still fires"
            ),
        }
    }
    told
}

/// When the incident began.
pub(super) fn since_ms(finding: &Finding) -> i64 {
    finding.firing_since_ms.unwrap_or(finding.state_since_ms)
}
