//! Settings of `exporters.prometheusremotewrite`.

use crate::delivery::settings::ClientSettings;
use crate::exporters::prometheus::{Selection, Translation};
use std::collections::BTreeMap;

/// Which of the two messages is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageChoice {
    /// 2.0, and 1.0 where the target does not know it.
    #[default]
    NewestKnown,
    /// 1.0 alone.
    Old,
}

/// A target that takes Prometheus remote write.
#[derive(Debug, Clone)]
pub struct RemoteWriteSettings {
    /// URL of the endpoint: `http://prometheus:9090/api/v1/write`.
    pub endpoint: String,
    /// How requests are made.
    pub client: ClientSettings,
    /// What every metric's name begins with; empty for nothing.
    pub namespace: String,
    /// How names are made.
    pub translation: Translation,
    /// Labels of all series that do not have them.
    pub external_labels: BTreeMap<String, String>,
    /// Attributes of resources that become labels of all of their series.
    pub resource_labels: Selection,
    /// Whether `target_info` is sent.
    pub with_target_info: bool,
    /// Whether labels tell of the instrumentation scope.
    pub with_scope: bool,
    /// Whether type, help and unit are sent in 1.0, too. In 2.0 they always are.
    pub send_metadata: bool,
    /// Which message is sent.
    pub message: MessageChoice,
    /// A request holds no more bytes than this before compression, unless one series alone has more.
    pub bytes_max: usize,
    /// Requests of one batch that may be under way at once, each of other series and none of them small.
    pub at_once: usize,
}
