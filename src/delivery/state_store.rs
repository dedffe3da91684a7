//! What exporters and alert channels remember over restarts.

use crate::log::Position;
use async_trait::async_trait;

/// Durable small state: what a call returned from is on disk.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// A reader's place in the log; the beginning where it has none.
    async fn cursor(&self, name: &str) -> anyhow::Result<Position>;

    /// Moves a reader's place.
    async fn set_cursor(&self, name: &str, position: Position) -> anyhow::Result<()>;

    /// All entries of a kind, by key.
    async fn entries(&self, kind: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>>;

    /// Sets an entry.
    async fn put(&self, kind: &str, key: &str, value: &[u8]) -> anyhow::Result<()>;

    /// Removes an entry.
    async fn delete(&self, kind: &str, key: &str) -> anyhow::Result<()>;

    /// Sets some entries of a kind and removes others: all of it or nothing.
    async fn change(&self, kind: &str, set: &[(String, Vec<u8>)], removed: &[String]) -> anyhow::Result<()>;
}

/// A memory for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Position, StateStore};
    use async_trait::async_trait;
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug, Default)]
    pub(crate) struct InMemory {
        cursors: Mutex<BTreeMap<String, Position>>,
        entries: Mutex<BTreeMap<(String, String), Vec<u8>>>,
        changes: AtomicUsize,
        /// Changes that fail before others go well.
        pub(crate) failing_changes: AtomicUsize,
        /// The cursor that cannot be read.
        pub(crate) unreadable: Mutex<String>,
    }

    impl InMemory {
        /// How often several entries were changed at once.
        pub(crate) fn changes(&self) -> usize {
            self.changes.load(Ordering::Relaxed)
        }
    }

    #[async_trait]
    impl StateStore for InMemory {
        async fn cursor(&self, name: &str) -> anyhow::Result<Position> {
            anyhow::ensure!(*self.unreadable.lock().unwrap() != name, "the file is damaged");
            Ok(self.cursors.lock().unwrap().get(name).copied().unwrap_or_default())
        }

        async fn set_cursor(&self, name: &str, position: Position) -> anyhow::Result<()> {
            self.cursors.lock().unwrap().insert(name.to_owned(), position);
            Ok(())
        }

        async fn entries(&self, kind: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
            let entries = self.entries.lock().unwrap();
            let of =
                |((of, key), value): (&(String, String), &Vec<u8>)| (of == kind).then(|| (key.clone(), value.clone()));
            Ok(entries.iter().filter_map(of).collect())
        }

        async fn put(&self, kind: &str, key: &str, value: &[u8]) -> anyhow::Result<()> {
            self.entries.lock().unwrap().insert((kind.to_owned(), key.to_owned()), value.to_vec());
            Ok(())
        }

        async fn delete(&self, kind: &str, key: &str) -> anyhow::Result<()> {
            self.entries.lock().unwrap().remove(&(kind.to_owned(), key.to_owned()));
            Ok(())
        }

        async fn change(&self, kind: &str, set: &[(String, Vec<u8>)], removed: &[String]) -> anyhow::Result<()> {
            let one_less = |left: usize| left.checked_sub(1);
            let fails = self.failing_changes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
            anyhow::ensure!(fails.is_err(), "the disk is full");
            self.changes.fetch_add(1, Ordering::Relaxed);
            for (key, value) in set {
                self.put(kind, key, value).await?;
            }
            for key in removed {
                self.delete(kind, key).await?;
            }
            Ok(())
        }
    }
}
