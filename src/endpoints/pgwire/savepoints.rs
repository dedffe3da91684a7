//! Savepoints. There is nothing to undo but cursors; what clients rely on is that a failed transaction goes on from one.

use super::errors;
use pgwire::error::PgWireResult;

/// Savepoints of one transaction.
const SAVEPOINTS_MAX: usize = 1000;

/// The savepoints of a connection's transaction, the newest last.
#[derive(Default)]
pub(super) struct Savepoints {
    all: Vec<Savepoint>,
    /// Cursors that the connection has opened.
    opened: u64,
}

struct Savepoint {
    name: String,
    /// Cursors that had been opened before it.
    opened: u64,
}

impl Savepoints {
    /// The transaction has ended.
    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    /// A cursor is opened; its number.
    pub(super) fn cursor(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// `SAVEPOINT name`. An older one of the same name stays, hidden.
    pub(super) fn set(&mut self, name: &str) -> PgWireResult<()> {
        if self.all.len() >= SAVEPOINTS_MAX {
            return Err(errors::user("53400", format!("a transaction has at most {SAVEPOINTS_MAX} savepoints")));
        }
        self.all.push(Savepoint { name: name.to_owned(), opened: self.opened });
        Ok(())
    }

    /// `RELEASE name`: those after it go, too.
    pub(super) fn release(&mut self, name: &str) -> PgWireResult<()> {
        let place = self.place(name)?;
        self.all.truncate(place);
        Ok(())
    }

    /// `ROLLBACK TO name`: it stays, and those after it go. Gives the number of the last cursor that stays.
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
