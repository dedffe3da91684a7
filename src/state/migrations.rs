//! Numbered migrations of the state database. Each is applied once, in its own transaction, and never changes afterwards: a
//! new version of the schema is a new file, and a line here.

use super::transaction::StateError;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate as _, Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// Number, name and statements of each.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "initial", include_str!("migrations/1_initial.sql")),
    (2, "delivery tables", include_str!("migrations/2_delivery_tables.sql")),
];

/// Table of the applied migrations, with the name that `sqlx` gives it.
const TABLE: &str = "_sqlx_migrations";

/// Newest version of the schema that this program reads and writes.
const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Brings a database to the newest version. Writes nothing if it is current: a start must not need free disk space.
pub(super) async fn apply(connection: &mut SqliteConnection, path: &Path) -> Result<(), StateError> {
    check(connection, path).await?;
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.into());
    migrator.run_direct(None, connection, false).await.map_err(|error| StateError::failed(path)(error.into()))
}

/// Checks that a database does not come from a newer version.
pub(super) async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), StateError> {
    let failed = StateError::failed(path);
    let exists = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?";
    let exists = sqlx::query_scalar::<_, i64>(exists).bind(TABLE).fetch_one(&mut *connection).await;
    if exists.map_err(&failed)? == 0 {
        return Ok(());
    }
    let applied = connection.list_applied_migrations(TABLE).await.map_err(|error| failed(error.into()))?;
    match applied.iter().map(|migration| migration.version).max() {
        Some(found) if found > NEWEST => Err(StateError::Version { path: path.to_owned(), found, newest: NEWEST }),
        _ => Ok(()),
    }
}
