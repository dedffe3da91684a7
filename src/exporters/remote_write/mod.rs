//! Prometheus remote write: 2.0, and 1.0 for targets that do not support it.
//!
//! Batches are mapped to 2.0 requests; a 1.0 request is derived from that when it is sent, because only then is the target's
//! version known.

mod answers;
mod config;
mod groups;
mod infos;
mod labels;
mod mapping;
mod native;
mod parts;
mod points;
mod proto;
mod requests;
mod settings;

#[cfg(test)]
mod tests;

pub(crate) use config::TYPE;

pub use settings::{MessageChoice, RemoteWriteSettings};

use super::temporality::to_cumulative::ToCumulative;
use crate::delivery::web;
use crate::delivery::{Exporter, Mapped, Outcome, Payload, StatefulStage};
use crate::model::signal::Signal;
use answers::{Answer, Message, Negotiation};
use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use infos::Infos;
use labels::Naming;
use mapping::Mapping;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use parts::Part;
use prost::Message as _;
use proto::Request;
use requests::Samples;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use std::sync::Arc;

/// Memory limit for the state of series and their senders: about 150,000 series with one sender each.
const SUMS_BYTES_MAX: usize = 64 << 20;
/// Minimum size of a part, before compression, when a request is split only to send parts concurrently.
const PART_BYTES_LEAST: usize = 128 << 10;
const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");

/// Opens the target of an exporter.
///
/// # Errors
/// When its address, a header or a file of `tls` cannot be used.
pub fn open(id: &str, settings: &RemoteWriteSettings) -> anyhow::Result<Arc<dyn Exporter>> {
    Ok(Arc::new(RemoteWrite::new(id, settings)?))
}

struct RemoteWrite {
    id: String,
    settings: RemoteWriteSettings,
    client: Client,
    url: Url,
    mapping: Mapping,
    negotiation: Negotiation,
    infos: Infos,
}

impl RemoteWrite {
    fn new(id: &str, settings: &RemoteWriteSettings) -> anyhow::Result<RemoteWrite> {
        let url = Url::parse(&settings.endpoint).with_context(|| {
            let found = &settings.endpoint;
            format!("exporters.{id}.endpoint: expected a URL such as http://host:9090/api/v1/write, found {found:?}")
        })?;
        let client = web::client(&format!("exporters.{id}"), &url, &settings.client)?;
        let mapping = Mapping::new(settings);
        let infos = Infos::new(mapping.info_name());
        let (settings, negotiation) = (settings.clone(), Negotiation::default());
        Ok(RemoteWrite { id: id.to_owned(), settings, client, url, mapping, negotiation, infos })
    }

    async fn post(&self, message: Message, request: &Request) -> Result<Answer, Outcome> {
        let (body, kind, version) = match message {
            Message::New => {
                (request.encode_to_vec(), "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0")
            }
            Message::Old => {
                let old = requests::as_old(request, self.settings.send_metadata);
                (old.encode_to_vec(), "application/x-protobuf", "0.1.0")
            }
        };
        let body = snap::raw::Encoder::new()
            .compress_vec(&body)
            .map_err(|error| Outcome::PermanentError(format!("it cannot be compressed: {error}")))?;
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(kind)),
            (CONTENT_ENCODING, HeaderValue::from_static("snappy")),
            (VERSION, HeaderValue::from_static(version)),
        ]);
        match self.client.post(self.url.clone()).headers(headers).body(body).send().await {
            Ok(answer) => Ok(Answer::of(answer).await),
            Err(error) => Err(Outcome::Retry { after: None, reason: web::reason(error) }),
        }
    }

    /// Sends 1.0, without native histograms if the target has them disabled: it rejects the whole request for a single one.
    async fn post_old(&self, request: &Request) -> Result<Answer, Outcome> {
        if !self.negotiation.refuses_native() {
            let answer = self.post(Message::Old, request).await?;
            if !answer.refuses_native() {
                return Ok(answer);
            }
            self.negotiation.native_refused();
        }
        let mut rest = request.clone();
        rest.timeseries.iter_mut().for_each(|series| series.histograms.clear());
        rest.timeseries.retain(|series| !series.samples.is_empty());
        let mut answer =
            if rest.timeseries.is_empty() { Answer::nothing() } else { self.post(Message::Old, &rest).await? };
        let left_out = Samples::of(request).histograms;
        if answer.is_success() && left_out > 0 {
            answer.left_out = left_out;
            answer.web.body =
                b"native histograms are disabled there, see its --enable-feature=native-histograms".to_vec();
        }
        Ok(answer)
    }

    async fn send_part(&self, part: &Part) -> Outcome {
        let (message, answer) = match self.negotiated(&part.request).await {
            Ok(answered) => answered,
            Err(outcome) => return outcome,
        };
        let outcome = answer.outcome(message, Samples::of(&part.request), part.payload.items);
        if matches!(outcome, Outcome::Delivered { .. } | Outcome::PartialSuccess { .. }) {
            self.infos.sent(&part.request);
        }
        outcome
    }

    /// Sends the version that the target is known to support. A target that turns out to support only 1.0 gets that at once.
    async fn negotiated(&self, request: &Request) -> Result<(Message, Answer), Outcome> {
        let (message, is_known) = self.negotiation.message(self.settings.message);
        if message == Message::Old {
            return Ok((message, self.post_old(request).await?));
        }
        let answer = self.post(message, request).await?;
        if !answer.knows_only_old(is_known) {
            if answer.written.is_some() && self.negotiation.knows_new() {
                tracing::info!(exporter = self.id, "the target now accepts remote write 2.0");
            }
            return Ok((message, answer));
        }
        let first = answer.web.status;
        let answer = self.post_old(request).await?;
        if answer.is_success() && self.negotiation.knows_only_old() {
            tracing::warn!(
                exporter = self.id,
                answered = %first,
                "the target does not accept remote write 2.0: sending 1.0, without start times, and without metadata \
                 unless `send_metadata` is set; 2.0 is retried every ten minutes"
            );
        }
        Ok((Message::Old, answer))
    }
}

#[async_trait]
impl Exporter for RemoteWrite {
    fn map(&self, _signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        let request = ExportMetricsServiceRequest::decode(request.clone())?;
        let (written, rejected) = mapping::write(&self.mapping.collect(&request));
        let packed = requests::pack(written, self.settings.bytes_max);
        let payload = |packed: requests::Packed| Payload {
            signal: Signal::Metrics,
            route: "",
            items: packed.items,
            body: packed.request.encode_to_vec().into(),
        };
        Ok(Mapped { payloads: packed.into_iter().map(payload).collect(), rejected })
    }

    fn stateful_stage(&self, signal: Signal) -> Option<Box<dyn StatefulStage>> {
        let keys = || Box::new(Naming::new(&self.settings));
        (signal == Signal::Metrics)
            .then(|| Box::new(ToCumulative::new(SUMS_BYTES_MAX, keys())) as Box<dyn StatefulStage>)
    }

    fn split(&self, payload: &Payload) -> Option<(Payload, Payload)> {
        let request = Request::decode(payload.body.clone()).ok()?;
        let mut halves = parts::of(payload, requests::parts(&request, 2)).into_iter();
        Some((halves.next()?.payload, halves.next()?.payload))
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        let mut request = match Request::decode(payload.body.clone()) {
            Ok(request) => request,
            Err(error) => return Outcome::PermanentError(format!("it cannot be read: {error}")),
        };
        self.infos.drop_late(&mut request);
        if request.timeseries.is_empty() {
            return Outcome::delivered();
        }
        // Parts contain disjoint series, and all of them finish before the next batch: the points of a series keep their order.
        let number_of = (payload.body.len() / PART_BYTES_LEAST).clamp(1, self.settings.at_once.max(1));
        let all = if number_of == 1 { vec![request] } else { requests::parts(&request, number_of) };
        let sending = parts::of(payload, all).into_iter().map(async |part| {
            let outcome = self.send_part(&part).await;
            (part, outcome)
        });
        parts::together(payload, futures::future::join_all(sending).await)
    }
}
