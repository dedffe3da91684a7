//! What was sent to a channel.

use crate::model::finding::{Finding, Severity};
use crate::state::StoredNotification;
use std::collections::BTreeMap;

/// A firing that was sent to a channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    /// The finding as it was sent, needed for the resolved notification.
    pub(super) finding: Finding,
    /// When it was sent, microseconds since the epoch.
    sent_at_us: i64,
}

impl Sent {
    pub(super) fn new(finding: &Finding, now_ms: i64) -> Sent {
        Sent { finding: finding.clone(), sent_at_us: now_ms * 1000 }
    }

    /// Returns true if this incident was already sent with at least its current severity.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        since_ms(&self.finding) == since_ms(finding) && self.finding.severity >= finding.severity
    }

    pub(super) fn stored(&self, channel: &str) -> StoredNotification {
        StoredNotification {
            channel: channel.to_owned(),
            finding_id: self.finding.id.clone(),
            firing_since_us: since_ms(&self.finding) * 1000,
            sent_at_us: self.sent_at_us,
            severity: self.finding.severity.map(|severity| Severity::as_str(severity).to_owned()),
            finding: serde_json::to_string(&self.finding).unwrap_or_default(),
        }
    }
}

/// Reads the stored notifications of a channel, by finding.
pub(super) fn read(stored: Vec<StoredNotification>) -> BTreeMap<String, Sent> {
    let mut sent = BTreeMap::new();
    for notification in stored {
        let StoredNotification { channel, finding_id, sent_at_us, finding, .. } = notification;
        match serde_json::from_str(&finding) {
            Ok(finding) => {
                sent.insert(finding_id, Sent { finding, sent_at_us });
            }
            Err(error) => tracing::warn!(
                exporter = channel,
                finding = finding_id,
                %error,
                "cannot read the last notification of a finding; it is sent again if the finding still fires"
            ),
        }
    }
    sent
}

/// When the incident began.
pub(super) fn since_ms(finding: &Finding) -> i64 {
    finding.firing_since_ms.unwrap_or(finding.state_since_ms)
}
