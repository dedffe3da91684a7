//! What own telemetry is about.

use crate::app::exporters::Exporters;
use crate::app::frames::FrameLog;
use crate::ingest::Admission;
use crate::store::HotStore;
use std::sync::Arc;

/// What is measured, and where own telemetry comes in.
pub(in crate::app) struct Measured {
    pub(in crate::app) admission: Arc<Admission>,
    pub(in crate::app) log: FrameLog,
    pub(in crate::app) store: Arc<HotStore>,
    pub(in crate::app) exporters: Arc<Exporters>,
}
