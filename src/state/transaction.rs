//! Changes that are committed atomically, and the errors of the state database.

use super::ipc::to_ipc;
use crate::model::frame::Position;
use arrow::record_batch::RecordBatch;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// `SQLite` returned an error.
    #[error("state database {path}: {source}")]
    Database {
        /// Path of the database file.
        path: PathBuf,
        /// The error of `SQLite`.
        source: sqlx::Error,
    },
    /// The file was written by a newer version.
    #[error(
        "state database {path} has version {found}, this program supports up to {newest}: use a newer program, or another `extensions.store.directory`"
    )]
    Version {
        /// Path of the database file.
        path: PathBuf,
        /// Version of the file.
        found: i64,
        /// Newest version that this program reads.
        newest: i64,
    },
    /// A rollup part is damaged.
    #[error("state database {path}: rollup part {id} is damaged: {source}")]
    Damaged {
        /// Path of the database file.
        path: PathBuf,
        /// Id of the row.
        id: i64,
        /// The error of Arrow.
        source: arrow::error::ArrowError,
    },
}

impl StateError {
    /// Returns the conversion of an error of `SQLite`.
    pub(super) fn failed(path: &Path) -> impl Fn(sqlx::Error) -> StateError + use<> {
        let path = path.to_owned();
        move |source| StateError::Database { path: path.clone(), source }
    }
}

/// Changes that are committed atomically. `SQLite` ends a transaction by itself if the disk is full or fails, so a
/// connection with an uncommitted transaction is closed and never reused: its state is unknown.
pub struct StateTransaction {
    connection: PoolConnection<Sqlite>,
    committed: bool,
    path: PathBuf,
    /// Incremented by the commit.
    announced_by: Option<Arc<watch::Sender<u64>>>,
}

impl StateTransaction {
    pub(super) async fn begin(connection: PoolConnection<Sqlite>, path: &Path) -> Result<StateTransaction, StateError> {
        let mut txn = StateTransaction { connection, committed: false, path: path.to_owned(), announced_by: None };
        txn.run(sqlx::query("BEGIN IMMEDIATE")).await?;
        Ok(txn)
    }

    /// Increments `revision` when it is committed.
    pub(super) fn announced_by(mut self, revision: Arc<watch::Sender<u64>>) -> StateTransaction {
        self.announced_by = Some(revision);
        self
    }

    /// Sets the cursor of a reader.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written. The same applies to all methods below.
    pub async fn set_cursor(&mut self, name: &str, position: Position) -> Result<(), StateError> {
        let query = sqlx::query("INSERT OR REPLACE INTO cursors (name, position) VALUES (?, ?)");
        self.run(query.bind(name.to_owned()).bind(position.0.cast_signed())).await
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn put(&mut self, kind: &str, key: &str, value: &[u8]) -> Result<(), StateError> {
        let query = sqlx::query("INSERT OR REPLACE INTO entries (kind, key, value) VALUES (?, ?, ?)");
        self.run(query.bind(kind.to_owned()).bind(key.to_owned()).bind(value.to_vec())).await
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn delete(&mut self, kind: &str, key: &str) -> Result<(), StateError> {
        let query = sqlx::query("DELETE FROM entries WHERE kind = ? AND key = ?");
        self.run(query.bind(kind.to_owned()).bind(key.to_owned())).await
    }

    /// Adds rows to a rollup and returns the id of the new part.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn add_part(&mut self, table: &str, resolution_s: i64, batch: &RecordBatch) -> Result<i64, StateError> {
        let bytes = to_ipc(batch).map_err(|source| StateError::Damaged { path: self.path.clone(), id: 0, source })?;
        let query = sqlx::query("INSERT INTO rollup_parts (rollup, resolution_s, batch) VALUES (?, ?, ?)")
            .bind(table.to_owned())
            .bind(resolution_s)
            .bind(bytes);
        let done = query.execute(&mut *self.connection).await;
        let done = done.map_err(|source| StateError::Database { path: self.path.clone(), source })?;
        Ok(done.last_insert_rowid())
    }

    /// Removes parts that were compacted into others or have expired.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn remove_parts(&mut self, ids: &[i64]) -> Result<(), StateError> {
        for id in ids {
            self.run(sqlx::query("DELETE FROM rollup_parts WHERE id = ?").bind(*id)).await?;
        }
        Ok(())
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// Returns an error if the commit fails; nothing has changed then.
    pub async fn commit(mut self) -> Result<(), StateError> {
        self.run(sqlx::query("COMMIT")).await?;
        self.committed = true;
        if let Some(revision) = &self.announced_by {
            revision.send_modify(|revision| *revision += 1);
        }
        Ok(())
    }

    pub(super) async fn run(
        &mut self,
        query: sqlx::query::Query<'_, Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<(), StateError> {
        let done = query.execute(&mut *self.connection).await;
        done.map(drop).map_err(|source| StateError::Database { path: self.path.clone(), source })
    }
}

impl Drop for StateTransaction {
    fn drop(&mut self) {
        if !self.committed {
            self.connection.close_on_drop();
        }
    }
}
