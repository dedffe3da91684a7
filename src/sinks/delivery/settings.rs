//! What the user sets of a delivery, and the name that its cursor has.

use crate::model::signal::Signal;
use crate::sinks::settings::{BatchSettings, QueueSettings, RetrySettings};
use std::time::SystemTime;

/// How an exporter delivers.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// The exporter's id.
    pub id: String,
    /// What follows a failure.
    pub retry: RetrySettings,
    /// How much is put into one request.
    pub batch: BatchSettings,
    /// How many batches are under way, and how far the reader may fall behind.
    pub queue: QueueSettings,
    /// When they were read: a reader that begins with them sees all that is received from then on.
    pub read_at: SystemTime,
}

/// The name of the cursor of an exporter for a signal.
#[must_use]
pub fn cursor_name(id: &str, signal: Signal) -> String {
    format!("exporter:{id}/{}", signal.as_str())
}
