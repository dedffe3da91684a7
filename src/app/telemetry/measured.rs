//! Sources and destination of own telemetry.

use crate::app::exporters::Exporters;
use crate::app::frames::FrameLog;
use crate::ingest::Admission;
use crate::store::HotStore;
use std::sync::Arc;

/// The measured parts, and the admission of own telemetry.
pub(in crate::app) struct Measured {
    pub(in crate::app) admission: Arc<Admission>,
    pub(in crate::app) log: FrameLog,
    pub(in crate::app) store: Arc<HotStore>,
    pub(in crate::app) exporters: Arc<Exporters>,
}
