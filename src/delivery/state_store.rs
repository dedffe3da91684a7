//! State that exporters and alert channels keep across restarts.

use crate::log::Position;
use async_trait::async_trait;

/// Small durable state: once a call returns, its changes are on disk.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Returns a reader's position in the log; the beginning if it has none.
    async fn cursor(&self, name: &str) -> anyhow::Result<Position>;

    /// Sets a reader's position.
    async fn set_cursor(&self, name: &str, position: Position) -> anyhow::Result<()>;

    /// Returns all entries of a kind, by key.
    async fn entries(&self, kind: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>>;

    /// Sets an entry.
    async fn put(&self, kind: &str, key: &str, value: &[u8]) -> anyhow::Result<()>;

    /// Removes an entry.
    async fn delete(&self, kind: &str, key: &str) -> anyhow::Result<()>;

    /// Sets some entries of a kind and removes others, atomically.
    async fn change(&self, kind: &str, set: &[(String, Vec<u8>)], removed: &[String]) -> anyhow::Result<()>;
}

/// An in-memory state store for tests.
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
        /// Number of upcoming changes that fail.
        pub(crate) failing_changes: AtomicUsize,
        /// Name of the cursor that cannot be read.
        pub(crate) unreadable: Mutex<String>,
    }

    impl InMemory {
        /// Number of batched changes so far.
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
