//! What exporters and alert channels remember over restarts.

use crate::log::Position;
use async_trait::async_trait;

/// Durable small state: what a call returned from is on disk.
#[async_trait]
pub trait Memory: Send + Sync {
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
}
