//! The targets that read the log, each with how it is delivered to.

use super::datadog::{self, DatadogSettings};
use super::delivery::{self, DeliverySettings, OfSignal, Parties, Rate, Target, cursor_name};
use super::elasticsearch::{self, ElasticsearchSettings};
use super::otlp::{self, OtlpSettings};
use super::remote_write::{self, RemoteWriteSettings};
use super::settings::{Feed, RateSettings};
use super::state_store::StateStore;
use crate::model::signal::Signal;
use std::pin::pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An exporter that reads the log.
#[derive(Debug, Clone)]
pub struct TargetSettings {
    /// How it is delivered to; with the exporter's id: `otlp_grpc/backup`.
    pub delivery: DeliverySettings,
    /// How fast it is sent to.
    pub rate: RateSettings,
    /// What it gets.
    pub feeds: Vec<Feed>,
    /// What it is.
    pub kind: TargetKind,
}

/// What an exporter sends to.
#[derive(Debug, Clone)]
pub enum TargetKind {
    /// A backend that takes OTLP.
    Otlp(OtlpSettings),
    /// Elasticsearch or OpenSearch.
    Elasticsearch(ElasticsearchSettings),
    /// A backend that takes Prometheus remote write.
    RemoteWrite(RemoteWriteSettings),
    /// Datadog.
    Datadog(Box<DatadogSettings>),
}

impl TargetKind {
    /// The target, ready to be sent to.
    ///
    /// # Errors
    /// When its address, a header or a file of `tls` cannot be used.
    pub fn open(&self, id: &str) -> anyhow::Result<Arc<dyn Target>> {
        match self {
            TargetKind::Otlp(settings) => otlp::open(id, settings),
            TargetKind::Elasticsearch(settings) => elasticsearch::open(id, settings),
            TargetKind::RemoteWrite(settings) => remote_write::open(id, settings),
            TargetKind::Datadog(settings) => datadog::open(id, settings),
        }
    }
}

impl TargetSettings {
    /// The exporter's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.delivery.id
    }

    /// The signals that it gets, each once.
    #[must_use]
    pub fn signals(&self) -> Vec<Signal> {
        let is_fed = |signal: &Signal| self.feeds.iter().any(|feed| feed.signal == *signal);
        Signal::ALL.into_iter().filter(is_fed).collect()
    }

    /// The cursors that it reads by.
    #[must_use]
    pub fn cursor_names(&self) -> Vec<String> {
        self.signals().into_iter().map(|signal| cursor_name(self.id(), signal)).collect()
    }

    /// Delivers every signal until it is cancelled; `own` is what each has for itself.
    ///
    /// # Errors
    /// When the target cannot be opened.
    pub async fn run(
        self,
        own: impl Fn(Signal) -> OfSignal,
        memory: Arc<dyn StateStore>,
        cancel: CancellationToken,
    ) -> anyhow::Result<()> {
        let target = self.kind.open(self.id())?;
        let parties = Parties { target: target.clone(), memory, rate: Arc::new(Rate::new(self.rate)) };
        let mut delivered = pin!(delivery::run(self.delivery, self.feeds, own, parties, cancel));
        tokio::select! {
            biased;
            () = &mut delivered => {}
            () = target.background() => delivered.await,
        }
        Ok(())
    }
}
