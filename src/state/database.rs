//! The state database: cursors, rollup parts, and values by kind and key.

use super::ipc::from_ipc;
use super::migrations;
use super::transaction::{StateError, StateTransaction};
use crate::model::frame::Position;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Partial rows of a rollup, written by one flush or merged by compaction.
#[derive(Debug, Clone)]
pub struct RollupPart {
    /// Id of its row in the database.
    pub id: i64,
    /// Name of the rollup table.
    pub table: String,
    /// Resolution in seconds; 0 covers all time.
    pub resolution_s: i64,
    /// The rows.
    pub batch: RecordBatch,
}

/// The state database; cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) pool: SqlitePool,
    path: PathBuf,
    /// Incremented by each change of dead letters or notifications.
    deliveries: Arc<watch::Sender<u64>>,
}

impl State {
    /// Opens the database file, or creates it.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened, is not a database, or comes from a newer version.
    pub async fn open(path: &Path) -> Result<State, StateError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        // One connection: there is one writer, and readers are few and short.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.map_err(StateError::failed(path))?;
        let mut connection = pool.acquire().await.map_err(StateError::failed(path))?;
        migrations::apply(&mut connection, path).await?;
        drop(connection);
        Ok(State { pool, path: path.to_owned(), deliveries: Arc::default() })
    }

    /// Copies a snapshot of the database to a new file; another process may be writing the database.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, comes from a newer version, or the file cannot be written.
    pub async fn snapshot(path: &Path, into: &Path) -> Result<(), StateError> {
        let mut connection = existing(path).await?;
        let copy = sqlx::query("VACUUM INTO ?").bind(into.to_string_lossy().into_owned());
        copy.execute(&mut connection).await.map_err(StateError::failed(path))?;
        connection.close().await.map_err(StateError::failed(path))
    }

    /// Checks that a file that is not open elsewhere is a database of a supported version.
    ///
    /// # Errors
    /// Returns an error if it is not.
    pub async fn check(path: &Path) -> Result<(), StateError> {
        let mut connection = existing(path).await?;
        let failed = StateError::failed(path);
        let found = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
        let found: String = found.map_err(&failed)?;
        connection.close().await.map_err(&failed)?;
        if found == "ok" { Ok(()) } else { Err(failed(sqlx::Error::Protocol(found))) }
    }

    /// Begins a transaction. It is rolled back if it is dropped without a commit.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn begin(&self) -> Result<StateTransaction, StateError> {
        let connection = self.pool.acquire().await.map_err(|source| self.failed(source))?;
        StateTransaction::begin(connection, &self.path).await
    }

    /// Begins a transaction that changes dead letters or notifications.
    pub(super) async fn begin_delivery(&self) -> Result<StateTransaction, StateError> {
        Ok(self.begin().await?.announced_by(self.deliveries.clone()))
    }

    /// Notifies of changes of dead letters and notifications.
    #[must_use]
    pub fn deliveries(&self) -> watch::Receiver<u64> {
        self.deliveries.subscribe()
    }

    /// Returns the cursor of a reader; the beginning of the log if it has none.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn cursor(&self, name: &str) -> Result<Position, StateError> {
        let query = sqlx::query_scalar::<_, i64>("SELECT position FROM cursors WHERE name = ?").bind(name);
        let found = query.fetch_optional(&self.pool).await.map_err(|source| self.failed(source))?;
        Ok(Position(found.unwrap_or_default().cast_unsigned()))
    }

    /// Sets the cursor of a reader.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn set_cursor(&self, name: &str, position: Position) -> Result<(), StateError> {
        let mut txn = self.begin().await?;
        txn.set_cursor(name, position).await?;
        txn.commit().await
    }

    /// Returns the least cursor among `names`: all of them have read everything up to it.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn least_cursor(&self, names: &[String]) -> Result<Position, StateError> {
        let mut least = Position(u64::MAX);
        for name in names {
            least = least.min(self.cursor(name).await?);
        }
        Ok(least)
    }

    /// Returns all entries of a kind.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn entries(&self, kind: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let query = sqlx::query("SELECT key, value FROM entries WHERE kind = ? ORDER BY key").bind(kind);
        let rows = query.fetch_all(&self.pool).await.map_err(|source| self.failed(source))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Sets some entries of a kind and removes those without a value, atomically.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn change(&self, kind: &str, changes: &[(&str, Option<&[u8]>)]) -> Result<(), StateError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut txn = self.begin().await?;
        for (key, value) in changes {
            match value {
                Some(value) => txn.put(kind, key, value).await?,
                None => txn.delete(kind, key).await?,
            }
        }
        txn.commit().await
    }

    /// Returns the parts of a rollup, oldest first.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read or a part is damaged.
    pub async fn parts_of(&self, rollup: &str) -> Result<Vec<RollupPart>, StateError> {
        let sql = "SELECT id, rollup, resolution_s, batch FROM rollup_parts WHERE rollup = ? ORDER BY id";
        let mut rows = sqlx::query(sql).bind(rollup.to_owned()).fetch(&self.pool);
        let mut parts = Vec::new();
        // Rows are streamed, so that memory does not hold a second copy of all of them.
        while let Some(row) = rows.try_next().await.map_err(|source| self.failed(source))? {
            let id = row.get(0);
            let batch =
                from_ipc(row.get(3)).map_err(|source| StateError::Damaged { path: self.path.clone(), id, source })?;
            parts.push(RollupPart { id, table: row.get(1), resolution_s: row.get(2), batch });
        }
        Ok(parts)
    }

    /// Closes the file and checkpoints the write-ahead log.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn failed(&self, source: sqlx::Error) -> StateError {
        StateError::Database { path: self.path.clone(), source }
    }
}

/// Connects to an existing database of a supported version.
async fn existing(path: &Path) -> Result<SqliteConnection, StateError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10));
    let mut connection = options.connect().await.map_err(StateError::failed(path))?;
    migrations::check(&mut connection, path).await?;
    Ok(connection)
}
