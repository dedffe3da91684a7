//! Tests of the bridge with in-memory exporters.

use super::bridge::{Bridge, Outlet, is_said, is_work};
use crate::app::config::OutwardTelemetry;
use crate::delivery::settings::Secret;
use crate::model::self_telemetry::WORK;
use opentelemetry::logs::{AnyValue, LoggerProvider as _, Severity};
use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use parking_lot::Mutex;
use std::sync::Arc;
use tracing::Dispatch;
use tracing::dispatcher::{get_default, with_default};
use tracing::field::Empty;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

/// Everything exported, in order.
#[derive(Debug, Clone, Default)]
struct Kept {
    records: Arc<Mutex<Vec<SdkLogRecord>>>,
    spans: Arc<Mutex<Vec<SpanData>>>,
    providers: Arc<Mutex<Option<(SdkLoggerProvider, SdkTracerProvider)>>>,
    /// Subscriber for the events that the exporter itself emits, if any.
    heard_by: Arc<Mutex<Option<Dispatch>>>,
}

impl LogExporter for Kept {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.aloud();
        self.records.lock().extend(batch.iter().map(|(record, _)| record.clone()));
        Ok(())
    }
}

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.aloud();
        self.spans.lock().extend(batch);
        Ok(())
    }
}

impl Kept {
    fn open(&self, outlet: &Outlet) {
        let logs = SdkLoggerProvider::builder().with_batch_exporter(self.exporter()).build();
        let traces = SdkTracerProvider::builder().with_batch_exporter(self.exporter()).build();
        outlet.open(Some(logs.logger("spanwise")), Some(traces.tracer("spanwise")));
        *self.providers.lock() = Some((logs, traces));
    }

    /// Returns an exporter without the providers, which own it.
    fn exporter(&self) -> Kept {
        Kept { providers: Arc::default(), ..self.clone() }
    }

    /// Emits an event and a span on the exporter's thread.
    fn aloud(&self) {
        let heard_by = self.heard_by.lock().clone().unwrap_or_else(Dispatch::none);
        with_default(&heard_by, || {
            tracing::info!("kept");
            drop(tracing::info_span!(target: WORK, "keep"));
        });
    }

    fn flush(&self) {
        let providers = self.providers.lock().clone();
        let (logs, traces) = providers.expect("it is open");
        logs.force_flush().and_then(|()| traces.force_flush()).expect("flushed");
    }

    fn records(&self) -> Vec<SdkLogRecord> {
        self.flush();
        self.records.lock().clone()
    }

    fn bodies(&self) -> Vec<String> {
        let text = |record: &SdkLogRecord| match record.body() {
            Some(AnyValue::String(text)) => text.to_string(),
            other => format!("{other:?}"),
        };
        self.records().iter().map(text).collect()
    }

    fn spans(&self) -> Vec<SpanData> {
        self.flush();
        self.spans.lock().clone()
    }
}

/// Runs `work` with a bridge to `outlet`.
fn bridged(outlet: &Arc<Outlet>, work: impl FnOnce()) {
    let layer = Bridge::to(outlet.clone()).with_filter(filter_fn(|metadata| is_said(metadata) || is_work(metadata)));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
}

fn attribute(record: &SdkLogRecord, name: &str) -> Option<AnyValue> {
    record.attributes_iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value.clone())
}

#[test]
fn an_event_becomes_a_record_with_its_fields() {
    let (kept, outlet) = (Kept::default(), Arc::<Outlet>::default());
    kept.open(&outlet);
    bridged(&outlet, || {
        let error = std::io::Error::other("full");
        tracing::error!(target: "spanwise::log", %error, frames = 3_u64, ratio = 0.5, slow = true, big = u64::MAX, name = "a", "no space left");
    });
    let records = kept.records();
    let [record] = &records[..] else { panic!("one record: {records:?}") };
    assert_eq!(kept.bodies(), ["no space left"]);
    assert_eq!((record.severity_number(), record.severity_text()), (Some(Severity::Error), Some("ERROR")));
    assert_eq!(record.target().map(AsRef::as_ref), Some("spanwise::log"));
    assert!(record.timestamp().is_some() && record.trace_context().is_none());
    let expected: [(&str, AnyValue); 6] = [
        ("error", "full".into()),
        ("frames", 3.into()),
        ("ratio", 0.5.into()),
        ("slow", true.into()),
        ("big", u64::MAX.to_string().into()),
        ("name", "a".into()),
    ];
    for (name, value) in expected {
        assert_eq!(attribute(record, name), Some(value), "{name}");
    }
}

#[test]
fn what_was_said_before_the_tables_opened_goes_along_within_a_bound() {
    let (kept, outlet) = (Kept::default(), Arc::<Outlet>::default());
    bridged(&outlet, || {
        (0..300).for_each(|number| tracing::info!("early {number}"));
        kept.open(&outlet);
        tracing::info!("late");
        outlet.close();
        tracing::info!("too late");
    });
    let bodies = kept.bodies();
    assert_eq!((bodies.len(), bodies[0].as_str(), bodies[256].as_str()), (257, "early 0", "late"));
}

#[test]
fn only_what_is_our_own_and_not_the_way_of_own_telemetry_is_told() {
    let (kept, outlet) = (Kept::default(), Arc::<Outlet>::default());
    kept.open(&outlet);
    bridged(&outlet, || {
        for library in ["h2", "hyper", "tonic", "opentelemetry_sdk", "spanwiser", "spanwise::exporters::debug"] {
            match library {
                "h2" => tracing::error!(target: "h2::client", "a library"),
                "hyper" => tracing::error!(target: "hyper_util", "a library"),
                "tonic" => tracing::error!(target: "tonic::transport", "a library"),
                "opentelemetry_sdk" => tracing::error!(target: "opentelemetry_sdk", "a library"),
                "spanwiser" => tracing::error!(target: "spanwiser", "a library"),
                _ => tracing::info!(target: "spanwise::exporters::debug", "printed"),
            }
        }
        let _way = Context::enter_telemetry_suppressed_scope();
        tracing::error!("said while own telemetry is under way");
        let _work = tracing::info_span!(target: WORK, "done while own telemetry is under way").entered();
    });
    assert_eq!((kept.bodies(), kept.spans().len()), (Vec::<String>::new(), 0));
}

#[test]
fn an_export_that_says_and_does_something_causes_no_other() {
    let (kept, outlet) = (Kept::default(), Arc::<Outlet>::default());
    kept.open(&outlet);
    bridged(&outlet, || {
        *kept.heard_by.lock() = Some(get_default(Dispatch::clone));
        tracing::info!("said");
        drop(tracing::info_span!(target: WORK, "done"));
        (0..3).for_each(|_| kept.flush());
    });
    assert_eq!((kept.bodies(), kept.spans().len()), (vec!["said".to_owned()], 1));
}

#[test]
fn a_span_of_work_becomes_a_span_and_what_is_said_within_names_it() {
    let (kept, outlet) = (Kept::default(), Arc::<Outlet>::default());
    kept.open(&outlet);
    bridged(&outlet, || {
        let outer = tracing::info_span!(target: WORK, "evaluate", pipelines = 3, failed = Empty, error = Empty);
        let entered = outer.enter();
        let elsewhere = tracing::info_span!(target: "spanwise::engine", "no unit of work").entered();
        drop(tracing::info_span!(target: WORK, "flush", rows = 7_u64));
        outer.record("failed", "a, b").record("error", "failed: a, b");
        tracing::warn!("within");
        drop((elsewhere, entered));
    });
    let spans = kept.spans();
    let [inner, outer] = &spans[..] else { panic!("two spans: {spans:?}") };
    assert_eq!((inner.name.as_ref(), outer.name.as_ref()), ("flush", "evaluate"));
    assert_eq!((&inner.span_kind, &outer.span_kind), (&SpanKind::Internal, &SpanKind::Internal));
    assert_eq!(
        (inner.parent_span_id, inner.span_context.trace_id()),
        (outer.span_context.span_id(), outer.span_context.trace_id())
    );
    let value =
        |name: &str| outer.attributes.iter().find(|found| found.key.as_str() == name).map(|found| found.value.clone());
    assert_eq!((value("pipelines"), value("failed"), value("error")), (Some(Value::I64(3)), Some("a, b".into()), None));
    assert_eq!((&inner.status, &outer.status), (&Status::Unset, &Status::error("failed: a, b")));
    assert!(outer.end_time > outer.start_time);
    let records = kept.records();
    let within = records[0].trace_context().expect("a trace");
    assert_eq!((within.trace_id, within.span_id), (outer.span_context.trace_id(), outer.span_context.span_id()));
}

/// A URL with TLS must not fail at startup for lack of TLS support.
#[tokio::test]
async fn a_target_behind_tls_can_be_named() {
    let headers = vec![("api-key".to_owned(), Secret::new("abc"))];
    let to = OutwardTelemetry { endpoint: "https://otel.example:4317".to_owned(), headers, interval: None };
    super::outward::metrics(&to).expect("metrics");
    super::outward::logs(&to).expect("logs");
    super::outward::traces(&to).expect("traces");
}
