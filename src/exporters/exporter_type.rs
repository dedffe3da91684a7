//! An exporter type (names, signals, reader of the configuration) and the settings that it reads.

use crate::catalog::component::{Component, Reading};
use crate::catalog::yaml::MapReader;
use crate::delivery::config;
use crate::delivery::settings::{Feed, RateSettings};
use crate::delivery::stats::ExporterStats;
use crate::delivery::{self, DeliveryContext, DeliverySettings, Exporter, FrameSource, Rate, cursor_name};
use crate::model::signal::Signal;
use crate::state::State;
use async_trait::async_trait;
use std::any::Any;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A type of exporter.
pub(crate) struct ExporterType {
    /// Its names in the configuration.
    pub(crate) names: &'static [&'static str],
    /// The signals that it accepts.
    pub(crate) signals: &'static [Signal],
    /// Reads a declared exporter. Returns no settings if there are faults.
    pub(crate) read: fn(Declared<'_, '_>) -> Vec<ExporterSettings>,
}

/// An exporter as the configuration declares it.
pub(crate) struct Declared<'r, 'a> {
    pub(crate) reading: &'r Reading<'a>,
    pub(crate) component: &'r Component<'a>,
    /// Its settings, as a map.
    pub(crate) map: MapReader<'a>,
    /// The data that pipelines send to it.
    pub(crate) feeds: Vec<Feed>,
}

impl<'r, 'a> Declared<'r, 'a> {
    /// Reads `retry_on_failure`, `sending_queue` and `rate_limit`, then the other keys by `read`, which may change the delivery
    /// settings and reports unknown keys.
    pub(crate) fn read_with<K: ExporterKind>(
        self,
        read: impl FnOnce(Declared<'r, 'a>, &mut DeliverySettings) -> Option<K>,
    ) -> Vec<ExporterSettings> {
        let mut delivery = config::delivery(self.reading, self.component.id, &self.map);
        let rate = config::rate(&self.map);
        let feeds = self.feeds.clone();
        let kind = read(self, &mut delivery);
        let settings = kind.map(|kind| ExporterSettings { delivery, rate, feeds, kind: Arc::new(kind) });
        settings.into_iter().collect()
    }
}

/// The settings of one type of exporter.
#[async_trait]
pub trait ExporterKind: Any + fmt::Debug + Send + Sync {
    /// Opens the target.
    ///
    /// # Errors
    /// When its address, a header or a file of `tls` cannot be used.
    fn open(&self, id: &str) -> anyhow::Result<Arc<dyn Exporter>>;

    /// Returns why it does not accept a signal that its type accepts, and what to write instead.
    fn refuses(&self, _signal: Signal) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Checks what only the target knows, such as a key, before a server opens anything.
    ///
    /// # Errors
    /// When the server must not start.
    async fn check(&self, _id: &str) -> anyhow::Result<()> {
        Ok(())
    }
}

/// An exporter that reads the log.
#[derive(Debug, Clone)]
pub struct ExporterSettings {
    /// Delivery settings, including the exporter's id: `otlp_grpc/backup`.
    pub delivery: DeliverySettings,
    /// Its rate limit.
    pub rate: RateSettings,
    /// The data it receives.
    pub feeds: Vec<Feed>,
    /// Its own settings.
    pub kind: Arc<dyn ExporterKind>,
}

impl ExporterSettings {
    /// The exporter's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.delivery.id
    }

    /// Returns its own settings if it is of this type.
    #[must_use]
    pub fn of<K: ExporterKind>(&self) -> Option<&K> {
        let kind: &dyn Any = &*self.kind;
        kind.downcast_ref()
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
        state: State,
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
