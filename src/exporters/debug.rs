//! The debug exporter: prints received telemetry to the log.

use crate::delivery::settings::Feed;
use crate::delivery::{FrameSource, count_items};
use crate::model::frame::Frame;
use crate::model::frame::Position;
use crate::model::self_telemetry;
use crate::model::signal::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Level of detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// One line per request.
    #[default]
    Basic,
    /// One line per item.
    Normal,
    /// Everything.
    Detailed,
}

/// Settings of `exporters.debug`.
#[derive(Debug, Clone, PartialEq)]
pub struct DebugSettings {
    /// The exporter's id.
    pub id: String,
    /// Level of detail.
    pub verbosity: Verbosity,
    /// The data it receives.
    pub feeds: Vec<Feed>,
}

/// Prints frames after `after` until cancelled.
///
/// # Errors
/// When the log cannot be read.
pub async fn run(
    settings: DebugSettings,
    frames: Arc<dyn FrameSource>,
    after: Position,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let mut at = after;
    loop {
        while let Some((position, frame)) = frames.next(at).await? {
            at = position;
            // Printing produces logs; printing own logs would never end.
            for feed in
                settings.feeds.iter().filter(|feed| feed.takes(&frame) && frame.receiver != self_telemetry::RECEIVER)
            {
                print(&settings, feed, &*frames, &frame);
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            () = frames.wait_beyond(at) => {}
        }
    }
}

fn print(settings: &DebugSettings, feed: &Feed, frames: &dyn FrameSource, frame: &Frame) {
    let (exporter, receiver, signal) = (&settings.id, &frame.receiver, frame.signal.as_str());
    let body = match frames.protobuf(frame) {
        Ok(body) => feed.process(body),
        Err(error) => return tracing::error!(exporter, %error, "cannot show a request"),
    };
    tracing::info!(
        exporter,
        receiver,
        signal,
        items = count_items(frame.signal, &body),
        bytes = body.len(),
        "received"
    );
    let lines = match (settings.verbosity, frame.signal) {
        (Verbosity::Basic, _) => return,
        (Verbosity::Normal, Signal::Traces) => names(ExportTraceServiceRequest::decode(body).ok()),
        (Verbosity::Detailed, Signal::Traces) => whole(ExportTraceServiceRequest::decode(body)),
        (_, Signal::Metrics) => whole(ExportMetricsServiceRequest::decode(body)),
        (_, Signal::Logs) => whole(ExportLogsServiceRequest::decode(body)),
    };
    for line in lines.lines() {
        tracing::info!(exporter, "{line}");
    }
}

/// One line per span.
fn names(request: Option<ExportTraceServiceRequest>) -> String {
    let scopes = request.into_iter().flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
    let line = |span: opentelemetry_proto::tonic::trace::v1::Span| {
        let nanos = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
        format!("{} {:?}\n", span.name, std::time::Duration::from_nanos(nanos))
    };
    scopes.flat_map(|scope| scope.spans).map(line).collect()
}

fn whole<T: std::fmt::Debug>(request: Result<T, prost::DecodeError>) -> String {
    request.map(|request| format!("{request:#?}")).unwrap_or_default()
}
