//! The state database: cursors, rollup parts and keyed state, in `SQLite` with `synchronous=FULL`, so that related changes
//! are committed atomically.

use super::ipc::{from_ipc, to_ipc};
use crate::log::Position;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, Sqlite};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Schema version of this program.
const VERSION: i64 = 2;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (kind TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup_parts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, rollup TEXT NOT NULL, resolution_s INTEGER NOT NULL, batch BLOB NOT NULL);
";

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
        "state database {path} has version {found}, this program supports up to {VERSION}: use a newer program, or another `extensions.store.directory`"
    )]
    Version {
        /// Path of the database file.
        path: PathBuf,
        /// Version of the file.
        found: i64,
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
    pool: SqlitePool,
    path: PathBuf,
}

impl State {
    /// Opens the database file, or creates it.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened, is not a database, or comes from a newer version.
    pub async fn open(path: &Path) -> Result<State, StateError> {
        let failed = |source| StateError::Database { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        // One connection: there is one writer, and readers are few and short.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(failed)?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(failed)?;
        if found > VERSION {
            return Err(StateError::Version { path: path.to_owned(), found });
        }
        sqlx::raw_sql(TABLES).execute(&pool).await.map_err(failed)?;
        // Skipped if the version is current: a start must not need free disk space.
        if found < VERSION {
            let version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {VERSION}"));
            sqlx::raw_sql(version).execute(&pool).await.map_err(failed)?;
        }
        Ok(State { pool, path: path.to_owned() })
    }

    /// Copies a snapshot of the database to a new file; another process may be writing the database.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, comes from a newer version, or the file cannot be written.
    pub async fn snapshot(path: &Path, into: &Path) -> Result<(), StateError> {
        let mut connection = existing(path).await?;
        let copy = sqlx::query("VACUUM INTO ?").bind(into.to_string_lossy().into_owned());
        copy.execute(&mut connection).await.map_err(failed(path))?;
        connection.close().await.map_err(failed(path))
    }

    /// Checks that a file that is not open elsewhere is a database of a supported version.
    ///
    /// # Errors
    /// Returns an error if it is not.
    pub async fn check(path: &Path) -> Result<(), StateError> {
        let mut connection = existing(path).await?;
        let found: String =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await.map_err(failed(path))?;
        connection.close().await.map_err(failed(path))?;
        if found == "ok" { Ok(()) } else { Err(failed(path)(sqlx::Error::Protocol(found))) }
    }

    /// Begins a transaction. It is rolled back if it is dropped without a commit.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn begin(&self) -> Result<StateTransaction, StateError> {
        let connection = self.pool.acquire().await.map_err(|source| self.failed(source))?;
        let mut txn = StateTransaction { connection, committed: false, path: self.path.clone() };
        txn.run(sqlx::query("BEGIN IMMEDIATE")).await?;
        Ok(txn)
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

    fn failed(&self, source: sqlx::Error) -> StateError {
        StateError::Database { path: self.path.clone(), source }
    }
}

/// Connects to an existing database of a supported version.
async fn existing(path: &Path) -> Result<SqliteConnection, StateError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10));
    let mut connection = options.connect().await.map_err(failed(path))?;
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.map_err(failed(path))?;
    if found > VERSION {
        return Err(StateError::Version { path: path.to_owned(), found });
    }
    Ok(connection)
}

fn failed(path: &Path) -> impl FnOnce(sqlx::Error) -> StateError + use<> {
    let path = path.to_owned();
    move |source| StateError::Database { path, source }
}

/// Changes that are committed atomically. `SQLite` ends a transaction by itself if the disk is full or fails, so a
/// connection with an uncommitted transaction is closed and never reused: its state is unknown.
pub struct StateTransaction {
    connection: PoolConnection<Sqlite>,
    committed: bool,
    path: PathBuf,
}

impl StateTransaction {
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
        Ok(())
    }

    async fn run(
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use std::sync::Arc;

    fn batch() -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.sqlite");
        let state = State::open(&path).await.unwrap();
        let mut txn = state.begin().await.unwrap();
        txn.set_cursor("engine", Position(7)).await.unwrap();
        txn.put("findings", "a", b"1").await.unwrap();
        let id = txn.add_part("requests", 10, &batch()).await.unwrap();
        txn.commit().await.unwrap();
        let mut dropped = state.begin().await.unwrap();
        dropped.set_cursor("engine", Position(9)).await.unwrap();
        drop(dropped);
        state.close().await;

        let state = State::open(&path).await.unwrap();
        assert_eq!(state.cursor("engine").await.unwrap(), Position(7));
        assert_eq!(state.cursor("other").await.unwrap(), Position(0));
        assert_eq!(state.entries("findings").await.unwrap(), [("a".to_owned(), b"1".to_vec())]);
        let parts = state.parts_of("requests").await.unwrap();
        assert_eq!((parts[0].id, parts[0].table.as_str(), &parts[0].batch), (id, "requests", &batch()));
    }

    #[tokio::test]
    async fn a_disk_that_was_full_is_written_again_when_it_has_room() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.sqlite")).await.unwrap();
        // Acts like a full disk until the connection is closed.
        sqlx::raw_sql("PRAGMA max_page_count = 10").execute(&state.pool).await.unwrap();
        let mut txn = state.begin().await.unwrap();
        let error = txn.put("kind", "key", &vec![7; 1 << 20]).await.unwrap_err().to_string();
        assert!(error.contains("full"), "{error}");
        drop(txn);
        for round in 0..2 {
            let mut txn = state.begin().await.unwrap();
            txn.set_cursor("engine", Position(round)).await.unwrap();
            txn.commit().await.unwrap();
            assert_eq!(state.cursor("engine").await.unwrap(), Position(round));
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_or_too_new_is_told_clearly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.sqlite");
        std::fs::write(&path, "this is not a database, not at all, whatever its name says").unwrap();
        let error = State::open(&path).await.unwrap_err().to_string();
        assert!(error.contains("state.sqlite") && error.contains("not a database"), "{error}");

        let path = dir.path().join("newer.sqlite");
        let state = State::open(&path).await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&state.pool).await.unwrap();
        state.close().await;
        assert!(matches!(State::open(&path).await, Err(StateError::Version { found: 99, .. })));
    }
}
