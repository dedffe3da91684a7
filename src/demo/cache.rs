//! An in-memory cache with hits and misses counted under Micrometer's names, as in many Java shops.

use super::telemetry::Telemetry;
use super::web::Failure;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use std::future::Future;
use std::time::Duration;

/// Products by id.
#[derive(Clone)]
pub(super) struct Cache {
    entries: moka::future::Cache<i64, serde_json::Value>,
    gets: Counter<u64>,
    name: &'static str,
}

impl Cache {
    pub(super) fn new(name: &'static str, time_to_live: Duration, telemetry: &Telemetry) -> Cache {
        let entries = moka::future::Cache::builder().max_capacity(10_000).time_to_live(time_to_live).build();
        let gets = telemetry.meter.u64_counter("cache.gets").build();
        for result in ["hit", "miss"] {
            gets.add(0, &[KeyValue::new("cache", name), KeyValue::new("result", result)]);
        }
        Cache { entries, gets, name }
    }

    /// Preloads an entry.
    pub(super) async fn fill(&self, key: i64, value: serde_json::Value) {
        self.entries.insert(key, value).await;
    }

    /// Returns the entry, or loads and stores it.
    pub(super) async fn get_or<F>(&self, key: i64, load: F) -> Result<serde_json::Value, Failure>
    where
        F: Future<Output = Result<serde_json::Value, Failure>>,
    {
        if let Some(found) = self.entries.get(&key).await {
            self.count("hit");
            return Ok(found);
        }
        self.count("miss");
        let value = load.await?;
        self.entries.insert(key, value.clone()).await;
        Ok(value)
    }

    fn count(&self, result: &'static str) {
        self.gets.add(1, &[KeyValue::new("cache", self.name), KeyValue::new("result", result)]);
    }
}
