//! A state database for tests, in a folder of its own.

use super::database::State;

/// An open state database; its folder is deleted with it.
pub(crate) struct Scratch {
    pub(crate) state: State,
    pub(crate) folder: tempfile::TempDir,
}

impl Scratch {
    /// Blocks the thread, so that tests can be set up without `await`: `SQLite` has a thread of its own.
    pub(crate) fn new() -> Scratch {
        let folder = tempfile::tempdir().unwrap();
        let state = futures::executor::block_on(State::open(&folder.path().join("state.sqlite"))).unwrap();
        Scratch { state, folder }
    }
}

impl State {
    /// Runs a statement of a test, such as one that creates a fault.
    pub(crate) async fn run_raw(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    /// Lets every change of a table fail, as on a full disk, until [`State::heal`].
    pub(crate) async fn break_table(&self, table: &str) {
        for (name, event) in [("i", "INSERT"), ("d", "DELETE")] {
            let trigger = format!(
                "CREATE TRIGGER fails_{name}_{table} BEFORE {event} ON {table}
                 BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&self.pool).await.unwrap();
        }
    }

    /// Ends the fault of [`State::break_table`].
    pub(crate) async fn heal(&self, table: &str) {
        for name in ["i", "d"] {
            let trigger = format!("DROP TRIGGER fails_{name}_{table}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&self.pool).await.unwrap();
        }
    }
}
