//! Decoded rows on their way from the log to the hot tables, with a limit on their memory.

use super::inflight::InflightPermit;
use crate::model::decoded::Decoded;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Bytes of an entry besides its rows.
const ENTRY_BYTES: usize = 256;
/// Divisor: attached rows may use this fraction of the in-flight limit.
const SHARE: usize = 4;

/// The decoded rows of a request, attached to its frame to save decoding it again.
pub struct Attached {
    decoded: Decoded,
    /// Held until the hot tables account for the rows.
    _permits: [InflightPermit; 2],
}

impl Attached {
    /// Returns the rows.
    #[must_use]
    pub fn decoded(&self) -> &Decoded {
        &self.decoded
    }
}

/// The memory limit of all attached rows.
pub(super) struct Attachments {
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Attachments {
    /// Takes a fraction of the `inflight_bytes_max` of requests in flight.
    pub(super) fn new(inflight_bytes_max: usize) -> Attachments {
        Attachments { bytes: Arc::default(), bytes_max: inflight_bytes_max / SHARE }
    }

    /// Attaches the rows with their part of the request's permit. Returns `None` if there is no room; the rows are then
    /// decoded from the log later.
    pub(super) fn attach(&self, decoded: Decoded, room: InflightPermit) -> Option<Attached> {
        let mut permit = InflightPermit::new(self.bytes.clone(), self.bytes_max);
        permit.take(ENTRY_BYTES + room.bytes()).ok()?;
        Some(Attached { decoded, _permits: [room, permit] })
    }
}
