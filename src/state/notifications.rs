//! The last notification that each alert channel sent of each finding.

use super::database::State;
use super::transaction::StateError;
use sqlx::Row as _;

/// A notification as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotification {
    /// Id of the channel.
    pub channel: String,
    /// Id of the finding.
    pub finding_id: String,
    /// When the incident began, microseconds since the epoch.
    pub firing_since_us: i64,
    /// When it was sent, microseconds since the epoch.
    pub sent_at_us: i64,
    /// The severity it was sent with.
    pub severity: Option<String>,
    /// The finding as it was sent, as JSON.
    pub finding: String,
}

impl State {
    /// Stores a notification; it replaces the one of the same channel and finding.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn record_notification(&self, notification: &StoredNotification) -> Result<(), StateError> {
        let insert = "INSERT OR REPLACE INTO notifications
            (channel, finding_id, firing_since_us, sent_at_us, severity, finding) VALUES (?, ?, ?, ?, ?, ?)";
        let StoredNotification { channel, finding_id, firing_since_us, sent_at_us, severity, finding } =
            notification.clone();
        let insert = sqlx::query(insert)
            .bind(channel)
            .bind(finding_id)
            .bind(firing_since_us)
            .bind(sent_at_us)
            .bind(severity)
            .bind(finding);
        let mut txn = self.begin_delivery().await?;
        txn.run(insert).await?;
        txn.commit().await
    }

    /// Removes the notification of a resolved finding.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn remove_notification(&self, channel: &str, finding_id: &str) -> Result<(), StateError> {
        let mut txn = self.begin_delivery().await?;
        let delete = sqlx::query("DELETE FROM notifications WHERE channel = ? AND finding_id = ?");
        txn.run(delete.bind(channel.to_owned()).bind(finding_id.to_owned())).await?;
        txn.commit().await
    }

    /// Returns the notifications of a channel, by finding.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn notifications(&self, channel: &str) -> Result<Vec<StoredNotification>, StateError> {
        let query = "SELECT channel, finding_id, firing_since_us, sent_at_us, severity, finding FROM notifications
            WHERE channel = ? ORDER BY finding_id";
        let rows = sqlx::query(query).bind(channel).fetch_all(&self.pool).await;
        let rows = rows.map_err(|source| self.failed(source))?;
        let notification = |row: &sqlx::sqlite::SqliteRow| StoredNotification {
            channel: row.get(0),
            finding_id: row.get(1),
            firing_since_us: row.get(2),
            sent_at_us: row.get(3),
            severity: row.get(4),
            finding: row.get(5),
        };
        Ok(rows.iter().map(notification).collect())
    }
}
