//! Dead letters: what a target rejected.

use super::database::State;
use super::transaction::{StateError, StateTransaction};
use crate::model::unix_time;
use sqlx::Row as _;
use std::time::SystemTime;

/// Maximum number of dead letters per exporter and signal; the oldest are evicted first.
pub const DEAD_LETTERS_MAX: u32 = 1000;

/// A dead letter to store.
#[derive(Debug)]
pub struct DeadLetter {
    /// Key, unique per exporter and signal; also the eviction order.
    pub key: String,
    /// Position of the frame in the log, if any.
    pub position: Option<u64>,
    /// Number of items.
    pub items: u64,
    /// The target's message.
    pub reason: String,
}

/// A dead letter as stored.
#[derive(Debug)]
pub struct StoredDeadLetter {
    /// Id of the exporter or channel.
    pub exporter: String,
    /// Signal, or `alerts`.
    pub signal: String,
    /// The dead letter.
    pub letter: DeadLetter,
    /// When it was stored, microseconds since the epoch.
    pub time_us: u64,
}

impl State {
    /// Stores dead letters of an exporter and signal, and evicts the oldest beyond the limit.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn record_dead_letters(&self, of: (&str, &str), letters: &[DeadLetter]) -> Result<(), StateError> {
        let mut txn = self.begin_delivery().await?;
        let time_us = unix_time::micros(SystemTime::now());
        // More would be evicted at once; a target may reject each of the many items of a batch.
        let mut newest: Vec<&DeadLetter> = letters.iter().collect();
        newest.sort_by(|one, other| one.key.cmp(&other.key));
        let evicted = newest.len().saturating_sub(DEAD_LETTERS_MAX as usize);
        for letter in newest.into_iter().skip(evicted) {
            txn.record_dead_letter(of, letter, time_us).await?;
        }
        txn.evict_dead_letters(of).await?;
        txn.commit().await
    }

    /// Removes a dead letter that was accepted after all.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn remove_dead_letter(&self, (exporter, signal): (&str, &str), key: &str) -> Result<(), StateError> {
        let mut txn = self.begin_delivery().await?;
        let delete = sqlx::query("DELETE FROM dead_letters WHERE exporter = ? AND signal = ? AND key = ?");
        txn.run(delete.bind(exporter.to_owned()).bind(signal.to_owned()).bind(key.to_owned())).await?;
        txn.commit().await
    }

    /// Returns all dead letters, by exporter, signal and key.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn dead_letters(&self) -> Result<Vec<StoredDeadLetter>, StateError> {
        let query = "SELECT exporter, signal, key, position, items, reason, time_us FROM dead_letters ORDER BY 1, 2, 3";
        let rows = sqlx::query(query).fetch_all(&self.pool).await.map_err(|source| self.failed(source))?;
        let letter = |row: &sqlx::sqlite::SqliteRow| StoredDeadLetter {
            exporter: row.get(0),
            signal: row.get(1),
            letter: DeadLetter {
                key: row.get(2),
                position: row.get::<Option<i64>, _>(3).map(i64::cast_unsigned),
                items: row.get::<i64, _>(4).cast_unsigned(),
                reason: row.get(5),
            },
            time_us: row.get::<i64, _>(6).cast_unsigned(),
        };
        Ok(rows.iter().map(letter).collect())
    }
}

impl StateTransaction {
    async fn record_dead_letter(
        &mut self,
        (exporter, signal): (&str, &str),
        letter: &DeadLetter,
        time_us: i64,
    ) -> Result<(), StateError> {
        let insert = "INSERT OR REPLACE INTO dead_letters (exporter, signal, key, position, items, reason, time_us)
            VALUES (?, ?, ?, ?, ?, ?, ?)";
        let insert = sqlx::query(insert)
            .bind(exporter.to_owned())
            .bind(signal.to_owned())
            .bind(letter.key.clone())
            .bind(letter.position.map(u64::cast_signed))
            .bind(letter.items.cast_signed())
            .bind(letter.reason.clone())
            .bind(time_us);
        self.run(insert).await
    }

    async fn evict_dead_letters(&mut self, (exporter, signal): (&str, &str)) -> Result<(), StateError> {
        let delete = "DELETE FROM dead_letters WHERE exporter = ?1 AND signal = ?2 AND key IN
            (SELECT key FROM dead_letters WHERE exporter = ?1 AND signal = ?2 ORDER BY key DESC LIMIT -1 OFFSET ?3)";
        let delete = sqlx::query(delete).bind(exporter.to_owned()).bind(signal.to_owned()).bind(DEAD_LETTERS_MAX);
        self.run(delete).await
    }
}
