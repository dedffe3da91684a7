//! When each reader of the log began; it gets everything received since then, across restarts.

use super::database::State;
use super::transaction::StateError;

impl State {
    /// Returns when a reader began, in Unix nanoseconds; a reader that is unknown began at `now_unix_nano`, which is stored.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn reader_start(&self, reader: &str, now_unix_nano: u64) -> Result<u64, StateError> {
        self.begin_readers(&[(reader.to_owned(), now_unix_nano)]).await?;
        let query = sqlx::query_scalar::<_, i64>("SELECT began_unix_nano FROM reader_starts WHERE reader = ?");
        let began = query.bind(reader).fetch_one(&self.pool).await.map_err(|source| self.failed(source))?;
        Ok(began.cast_unsigned())
    }

    /// Stores when readers began, in Unix nanoseconds, except those that are known. Writes nothing if all are: a start must not
    /// need free disk space.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn begin_readers(&self, readers: &[(String, u64)]) -> Result<(), StateError> {
        let known = sqlx::query_scalar::<_, String>("SELECT reader FROM reader_starts").fetch_all(&self.pool).await;
        let known = known.map_err(|source| self.failed(source))?;
        let new: Vec<_> = readers.iter().filter(|(reader, _)| !known.contains(reader)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut txn = self.begin().await?;
        for (reader, began) in new {
            let insert = sqlx::query("INSERT OR IGNORE INTO reader_starts (reader, began_unix_nano) VALUES (?, ?)");
            txn.run(insert.bind(reader.clone()).bind(began.cast_signed())).await?;
        }
        txn.commit().await
    }
}
