//! Settings of `exporters.prometheusremotewrite`.

use crate::sinks::prometheus::Translation;
use crate::sinks::settings::ClientSettings;
use globset::GlobSet;
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

/// Which attributes of a resource become labels of all of its series.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// All where empty.
    pub included: GlobSet,
    /// Wins over `included`.
    pub excluded: GlobSet,
}

impl Promotion {
    /// Whether an attribute becomes a label.
    #[must_use]
    pub fn promotes(&self, name: &str) -> bool {
        (self.included.is_empty() || self.included.is_match(name)) && !self.excluded.is_match(name)
    }
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
    /// Attributes of resources that become labels; none where `None`.
    pub promotion: Option<Promotion>,
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
    /// Requests of one batch that may be under way at once, each of other series.
    pub at_once: usize,
}
