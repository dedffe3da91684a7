//! A Datadog Agent, usually on the same machine: it accepts traces and span statistics as tracers send them, and forwards them
//! with its own key. Statistics are computed here, so its samplers do not affect them.

use super::spans::{self, Taker};
use super::target::{address, judged};
use super::traces::{self, AgentTraces, TracerPayload};
use super::{DatadogSettings, msgpack, stats};
use crate::delivery::web;
use crate::delivery::{Exporter, Mapped, Outcome, Payload};
use crate::model::signal::Signal;
use async_trait::async_trait;
use bytes::Bytes;
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};

/// Path of traces.
pub(super) const TRACES: &str = "/v0.7/traces";
/// Path of their statistics.
pub(super) const STATS: &str = "/v0.6/stats";

const TAKER: Taker =
    Taker { traces: TRACES, stats: STATS, trace_bodies: traces::agent_bodies, stats_bodies: stats::agent_bodies };

/// Headers, by the names of the same fields in bodies. The Agent reads the container of statistics only from the header.
const REPEATED: [(&str, &str); 5] = [
    ("container_id", "datadog-container-id"),
    ("ContainerID", "datadog-container-id"),
    ("language_name", "datadog-meta-lang"),
    ("Lang", "datadog-meta-lang"),
    ("tracer_version", "datadog-meta-tracer-version"),
];

const HINTS: web::Hints<'_> = web::Hints {
    denied: "is `traces.endpoint` the address of a Datadog Agent? An Agent needs no key",
    elsewhere: "is `traces.endpoint` the address of a Datadog Agent that receives traces, and new enough for /v0.7/traces?",
};

/// The Agent.
pub(super) struct Agent {
    settings: DatadogSettings,
    client: Client,
    base: Url,
}

impl Agent {
    /// # Errors
    /// When the address, a header, the proxy or a file of `tls` cannot be used.
    pub(super) fn new(id: &str, settings: &DatadogSettings) -> anyhow::Result<Agent> {
        let base = address(id, "traces", &settings.endpoints.traces)?;
        let client = web::client(&format!("exporters.{id}"), &base, &settings.client)?;
        Ok(Agent { settings: settings.clone(), client, base })
    }
}

#[async_trait]
impl Exporter for Agent {
    fn map(&self, signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        anyhow::ensure!(signal == Signal::Traces, "an Agent does not accept {signal} this way");
        spans::map(&TAKER, &self.settings.traces, request)
    }

    fn split(&self, payload: &Payload) -> Option<(Payload, Payload)> {
        if payload.route != TRACES {
            return None;
        }
        let (first, rest) = traces::halves(vec![TracerPayload::decode(payload.body.clone()).ok()?])?;
        let body = |traces: &[TracerPayload]| traces.iter().flat_map(TracerPayload::encode_to_vec).collect();
        Some(spans::parts(payload, traces::count(&first), body(&first), traces::count(&rest), body(&rest)))
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        let request =
            self.client.post(web::below(&self.base, payload.route)).header(CONTENT_TYPE, "application/msgpack");
        let (request, body) = if payload.route == TRACES {
            match AgentTraces::of(&payload.body) {
                Ok(AgentTraces { traces, body }) => (request.headers(of_traces(traces)), body),
                Err(error) => return Outcome::PermanentError(format!("not the traces of one resource: {error}")),
            }
        } else {
            (request, payload.body.clone())
        };
        // The Agent accepts no compression.
        match request.headers(repeated(&body)).body(body).send().await {
            Ok(answer) => judged(answer, &HINTS).await,
            Err(error) => Outcome::Retry { after: None, reason: web::reason(error) },
        }
    }
}

/// Headers of traces: their number, what has already been computed, and a request for real status codes. An overloaded Agent
/// would otherwise answer 200 and lose the traces.
fn of_traces(traces: usize) -> HeaderMap {
    HeaderMap::from_iter([
        (HeaderName::from_static("x-datadog-trace-count"), HeaderValue::from(traces)),
        (HeaderName::from_static("datadog-client-computed-stats"), HeaderValue::from_static("yes")),
        (HeaderName::from_static("datadog-client-computed-top-level"), HeaderValue::from_static("yes")),
        (HeaderName::from_static("datadog-send-real-http-status"), HeaderValue::from_static("true")),
    ])
}

/// Returns the leading fields of a body as headers; what is not a valid header value stays only in the body.
fn repeated(body: &[u8]) -> HeaderMap {
    let header = |(name, text): (&str, &str)| {
        let (_, header) = REPEATED.iter().find(|(known, _)| *known == name)?;
        let value = HeaderValue::from_bytes(text.as_bytes()).ok().filter(|value| !value.is_empty())?;
        Some((HeaderName::from_static(header), value))
    };
    msgpack::head(body).into_iter().filter_map(header).collect()
}
