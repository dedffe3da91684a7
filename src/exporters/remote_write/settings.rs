//! Settings of `exporters.prometheusremotewrite`.

use crate::delivery::settings::ClientSettings;
use crate::exporters::prometheus::{Selection, Translation};
use std::collections::BTreeMap;

/// Which protocol version is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageChoice {
    /// 2.0, or 1.0 if the target does not support it.
    #[default]
    NewestKnown,
    /// Only 1.0.
    Old,
}

/// A target that accepts Prometheus remote write.
#[derive(Debug, Clone)]
pub struct RemoteWriteSettings {
    /// URL of the endpoint: `http://prometheus:9090/api/v1/write`.
    pub endpoint: String,
    /// Client settings.
    pub client: ClientSettings,
    /// Prefix of every metric name; may be empty.
    pub namespace: String,
    /// How names are translated.
    pub translation: Translation,
    /// Labels added to all series that do not have them.
    pub external_labels: BTreeMap<String, String>,
    /// Resource attributes that become labels of all series of the resource.
    pub resource_labels: Selection,
    /// Whether `target_info` is sent.
    pub with_target_info: bool,
    /// Whether series have labels of the instrumentation scope.
    pub with_scope: bool,
    /// Whether type, help and unit are sent in 1.0 too. In 2.0 they always are.
    pub send_metadata: bool,
    /// Which protocol version is sent.
    pub message: MessageChoice,
    /// Maximum bytes per request before compression, unless a single series is larger.
    pub bytes_max: usize,
    /// Maximum concurrent requests of one batch, each with different series and of a minimum size.
    pub at_once: usize,
}
