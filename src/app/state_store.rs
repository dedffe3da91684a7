//! The state of exporters and alert channels in the state database.

use crate::delivery::state_store::StateStore;
use crate::log::Position;
use crate::store::State;
use async_trait::async_trait;

/// The state store on top of the state database.
pub(super) struct SqliteState(pub(super) State);

#[async_trait]
impl StateStore for SqliteState {
    async fn cursor(&self, name: &str) -> anyhow::Result<Position> {
        Ok(self.0.cursor(name).await?)
    }

    async fn set_cursor(&self, name: &str, position: Position) -> anyhow::Result<()> {
        let mut txn = self.0.begin().await?;
        txn.set_cursor(name, position).await?;
        Ok(txn.commit().await?)
    }

    async fn entries(&self, kind: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        Ok(self.0.entries(kind).await?)
    }

    async fn put(&self, kind: &str, key: &str, value: &[u8]) -> anyhow::Result<()> {
        Ok(self.0.change(kind, &[(key, Some(value))]).await?)
    }

    async fn delete(&self, kind: &str, key: &str) -> anyhow::Result<()> {
        Ok(self.0.change(kind, &[(key, None)]).await?)
    }

    async fn change(&self, kind: &str, set: &[(String, Vec<u8>)], removed: &[String]) -> anyhow::Result<()> {
        let set = set.iter().map(|(key, value)| (key.as_str(), Some(value.as_slice())));
        let changes: Vec<_> = set.chain(removed.iter().map(|key| (key.as_str(), None))).collect();
        Ok(self.0.change(kind, &changes).await?)
    }
}
