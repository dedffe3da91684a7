//! Datadog's OTLP intake. It accepts only delta metrics; otherwise requests are sent unchanged.

use super::DatadogSettings;
use super::events::{self, EVENTS};
use super::target::{Intake, KEY_DENIED, with_key};
use crate::delivery::settings::Secret;
use crate::delivery::{Exporter, Mapped, Outcome, Payload, StatefulStage};
use crate::exporters::otlp::{self, OtlpSettings, Protocol};
use crate::exporters::temporality::ToDelta;
use crate::model::signal::Signal;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// The intake.
pub(super) struct OtlpIntake {
    settings: DatadogSettings,
    traces: Arc<dyn Exporter>,
    others: Arc<dyn Exporter>,
    /// Receives events and host metadata, which OTLP cannot express.
    intake: Intake,
}

impl OtlpIntake {
    /// # Errors
    /// When an address, a header, the proxy or a file of `tls` cannot be used.
    pub(super) fn new(id: &str, settings: &DatadogSettings) -> anyhow::Result<OtlpIntake> {
        let url = |base: &str, signal: &str| Some(format!("{}/v1/{signal}", base.trim_end_matches('/')));
        let others = OtlpSettings {
            protocol: Protocol::Http,
            endpoint: settings.endpoints.metrics.clone(),
            traces_endpoint: url(&settings.endpoints.traces, "traces"),
            metrics_endpoint: url(&settings.endpoints.metrics, "metrics"),
            logs_endpoint: url(&settings.endpoints.logs, "logs"),
            client: with_key(settings),
            denied: KEY_DENIED,
        };
        // Nothing else has computed span statistics.
        let mut traces = others.clone();
        traces.client.headers.push(("compute_stats".to_owned(), Secret::new("true")));
        Ok(OtlpIntake {
            settings: settings.clone(),
            traces: otlp::open(id, &traces)?,
            others: otlp::open(id, &others)?,
            intake: Intake::new(id, settings)?,
        })
    }

    fn of(&self, signal: Signal) -> &dyn Exporter {
        match signal {
            Signal::Traces => &*self.traces,
            Signal::Metrics | Signal::Logs => &*self.others,
        }
    }
}

#[async_trait]
impl Exporter for OtlpIntake {
    fn observe(&self, signal: Signal, request: &Bytes) {
        self.intake.observe(signal, request);
    }

    fn map(&self, signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        let mut mapped = self.of(signal).map(signal, request)?;
        if signal == Signal::Logs {
            mapped.payloads.extend(events::payloads(&self.settings.metrics.hostname, request)?);
        }
        Ok(mapped)
    }

    fn stateful_stage(&self, signal: Signal) -> Option<Box<dyn StatefulStage>> {
        (signal == Signal::Metrics)
            .then(|| Box::new(ToDelta::new(self.settings.rules(false))) as Box<dyn StatefulStage>)
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        if payload.route == EVENTS {
            return self.intake.send(payload).await;
        }
        self.of(payload.signal).send(payload).await
    }

    async fn background(&self) {
        self.intake.background().await;
    }
}
