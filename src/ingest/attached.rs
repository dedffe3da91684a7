//! Decoded rows on their way from the log to the hot tables, and the bound of what waits there.

use super::inflight::InflightPermit;
use crate::model::decoded::Decoded;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// What an entry takes beside its rows.
const ENTRY_BYTES: usize = 256;
/// Attached rows may take this part of the room of requests under way.
const SHARE: usize = 4;

/// What a request became, attached to its frame so that it need not be decoded again.
pub struct Attached {
    decoded: Decoded,
    /// Held until the hot tables count the rows.
    _permits: [InflightPermit; 2],
}

impl Attached {
    /// The rows.
    #[must_use]
    pub fn decoded(&self) -> &Decoded {
        &self.decoded
    }
}

/// The room of all attached rows.
pub(super) struct Attachments {
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Attachments {
    /// A part of the `inflight_bytes_max` of requests under way.
    pub(super) fn new(inflight_bytes_max: usize) -> Attachments {
        Attachments { bytes: Arc::default(), bytes_max: inflight_bytes_max / SHARE }
    }

    /// The rows with the part of their request's permit that they take; `None` where there is no room. They are then decoded
    /// again out of the log, when it is their turn.
    pub(super) fn attach(&self, decoded: Decoded, room: InflightPermit) -> Option<Attached> {
        let mut permit = InflightPermit::new(self.bytes.clone(), self.bytes_max);
        permit.take(ENTRY_BYTES + room.bytes()).ok()?;
        Some(Attached { decoded, _permits: [room, permit] })
    }
}
