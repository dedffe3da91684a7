//! The kinds of exporters that read the log.

use super::datadog::{self, DatadogSettings};
use super::elasticsearch::{self, ElasticsearchSettings};
use super::otlp::{self, OtlpSettings};
use super::remote_write::{self, RemoteWriteSettings};
use crate::delivery::settings::{Feed, RateSettings};
use crate::delivery::state_store::StateStore;
use crate::delivery::stats::ExporterStats;
use crate::delivery::{self, DeliveryContext, DeliverySettings, Exporter, FrameSource, Rate, cursor_name};
use crate::model::signal::Signal;
use std::pin::pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An exporter that reads the log.
#[derive(Debug, Clone)]
pub struct ExporterSettings {
    /// Delivery settings, including the exporter's id: `otlp_grpc/backup`.
    pub delivery: DeliverySettings,
    /// Its rate limit.
    pub rate: RateSettings,
    /// The data it receives.
    pub feeds: Vec<Feed>,
    /// Its kind.
    pub kind: ExporterKind,
}

/// The target of an exporter.
#[derive(Debug, Clone)]
pub enum ExporterKind {
    /// A backend that accepts OTLP.
    Otlp(OtlpSettings),
    /// Elasticsearch or OpenSearch.
    Elasticsearch(ElasticsearchSettings),
    /// A backend that accepts Prometheus remote write.
    RemoteWrite(RemoteWriteSettings),
    /// Datadog.
    Datadog(Box<DatadogSettings>),
}

impl ExporterKind {
    /// Opens the target.
    ///
    /// # Errors
    /// When its address, a header or a file of `tls` cannot be used.
    pub fn open(&self, id: &str) -> anyhow::Result<Arc<dyn Exporter>> {
        match self {
            ExporterKind::Otlp(settings) => otlp::open(id, settings),
            ExporterKind::Elasticsearch(settings) => elasticsearch::open(id, settings),
            ExporterKind::RemoteWrite(settings) => remote_write::open(id, settings),
            ExporterKind::Datadog(settings) => datadog::open(id, settings),
        }
    }
}

impl ExporterSettings {
    /// The exporter's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.delivery.id
    }

    /// The signals it receives, without duplicates.
    #[must_use]
    pub fn signals(&self) -> Vec<Signal> {
        let is_fed = |signal: &Signal| self.feeds.iter().any(|feed| feed.signal == *signal);
        Signal::ALL.into_iter().filter(is_fed).collect()
    }

    /// The names of its cursors.
    #[must_use]
    pub fn cursor_names(&self) -> Vec<String> {
        self.signals().into_iter().map(|signal| cursor_name(self.id(), signal)).collect()
    }

    /// Delivers every signal until cancelled; `own` returns the log access and counters of a signal.
    ///
    /// # Errors
    /// When the target cannot be opened.
    pub async fn run(
        self,
        own: impl Fn(Signal) -> (Arc<dyn FrameSource>, Arc<ExporterStats>),
        state: Arc<dyn StateStore>,
        cancel: CancellationToken,
    ) -> anyhow::Result<()> {
        let exporter = self.kind.open(self.id())?;
        let rate = Arc::new(Rate::new(self.rate));
        let context = |signal| {
            let (frames, stats) = own(signal);
            DeliveryContext { frames, exporter: exporter.clone(), state: state.clone(), stats, rate: rate.clone() }
        };
        let mut delivered = pin!(delivery::run(self.delivery, self.feeds, context, cancel));
        tokio::select! {
            biased;
            () = &mut delivered => {}
            () = exporter.background() => delivered.await,
        }
        Ok(())
    }
}
