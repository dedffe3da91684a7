//! Savepoints. Only cursors are rolled back; clients also rely on continuing a failed transaction from a savepoint.

use super::errors;
use pgwire::error::PgWireResult;

/// Maximum number of savepoints in a transaction.
const SAVEPOINTS_MAX: usize = 1000;

/// Savepoints of the current transaction, the newest last.
#[derive(Default)]
pub(super) struct Savepoints {
    all: Vec<Savepoint>,
    /// Number of cursors that the connection has opened.
    opened: u64,
}

struct Savepoint {
    name: String,
    /// Number of cursors opened before it.
    opened: u64,
}

impl Savepoints {
    /// Removes all savepoints at the end of a transaction.
    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    /// Counts a new cursor and returns its number.
    pub(super) fn cursor(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// `SAVEPOINT name`. Hides an older savepoint with the same name.
    pub(super) fn set(&mut self, name: &str) -> PgWireResult<()> {
        if self.all.len() >= SAVEPOINTS_MAX {
            return Err(errors::user("53400", format!("a transaction has at most {SAVEPOINTS_MAX} savepoints")));
        }
        self.all.push(Savepoint { name: name.to_owned(), opened: self.opened });
        Ok(())
    }

    /// `RELEASE name`: removes it and all later savepoints.
    pub(super) fn release(&mut self, name: &str) -> PgWireResult<()> {
        let place = self.place(name)?;
        self.all.truncate(place);
        Ok(())
    }

    /// `ROLLBACK TO name`: keeps it and removes all later ones. Returns the number of the last cursor that remains.
    pub(super) fn back_to(&mut self, name: &str) -> PgWireResult<u64> {
        let place = self.place(name)?;
        self.all.truncate(place + 1);
        Ok(self.all.get(place).map_or(0, |savepoint| savepoint.opened))
    }

    fn place(&self, name: &str) -> PgWireResult<usize> {
        let place = self.all.iter().rposition(|savepoint| savepoint.name == name);
        place.ok_or_else(|| errors::user("3B001", format!("savepoint \"{name}\" does not exist")))
    }
}
