//! Bridges `tracing` to OpenTelemetry: events become log records, spans around units of work become spans.
//!
//! Lower layers only depend on `tracing`. Events before the server has opened its tables are buffered here, up to a limit.

use crate::model::self_telemetry::WORK;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, Severity};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::logs::SdkLogger;
use opentelemetry_sdk::trace::{SdkTracer, Span};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as Within;
use tracing_subscriber::registry::LookupSpan;

/// Maximum number of events buffered until the tables are open.
const EARLY_MAX: usize = 256;
/// Field that marks a span as failed.
const ERROR: &str = "error";
/// Log target of the debug exporter. Its output includes own logs; as own logs it would be received again, and grow.
const PRINTED: &str = "spanwise::exporters::debug";

/// Returns whether an event is from Spanwise itself. Events of libraries only go to standard error: the libraries that
/// transport own telemetry would log about it.
pub(in crate::app) fn is_said(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let ours = target.strip_prefix("spanwise").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    metadata.is_event() && ours && target != PRINTED
}

/// Returns whether a span is around a unit of work.
pub(in crate::app) fn is_work(metadata: &Metadata<'_>) -> bool {
    metadata.target() == WORK
}

/// Returns the outlet of the bridge: the process has one log, so there is one outlet.
pub(super) fn outlet() -> &'static Arc<Outlet> {
    static OUTLET: LazyLock<Arc<Outlet>> = LazyLock::new(Arc::default);
    &OUTLET
}

/// Receives records and spans from [`Outlet::open`] to [`Outlet::close`].
#[derive(Default)]
pub(super) struct Outlet {
    voice: Mutex<Voice>,
    tracer: RwLock<Option<SdkTracer>>,
}

enum Voice {
    Early(Vec<Said>),
    Open(SdkLogger),
    Closed,
}

impl Default for Voice {
    fn default() -> Self {
        Voice::Early(Vec::new())
    }
}

impl Outlet {
    /// Sends to these from now on; buffered events go to the first logger.
    pub(super) fn open(&self, logger: Option<SdkLogger>, tracer: Option<SdkTracer>) {
        let voice = logger.map_or(Voice::Closed, Voice::Open);
        let before = std::mem::replace(&mut *self.voice(), voice);
        if let Voice::Early(early) = before {
            for said in early {
                self.say(said);
            }
        }
        *self.tracer.write() = tracer;
    }

    /// Drops everything from now on.
    pub(super) fn close(&self) {
        self.open(None, None);
    }

    fn say(&self, said: Said) {
        match &mut *self.voice() {
            Voice::Early(early) if early.len() < EARLY_MAX => early.push(said),
            Voice::Open(logger) => said.to(logger),
            Voice::Early(_) | Voice::Closed => {}
        }
    }

    fn voice(&self) -> MutexGuard<'_, Voice> {
        self.voice.lock()
    }
}

/// An event, buffered until the tables are open.
struct Said {
    time: SystemTime,
    metadata: &'static Metadata<'static>,
    fields: Fields,
    within: Option<SpanContext>,
}

impl Said {
    fn to(self, logger: &SdkLogger) {
        let mut record = logger.create_log_record();
        let (severity, word) = severity(*self.metadata.level());
        record.set_timestamp(self.time);
        record.set_observed_timestamp(self.time);
        record.set_severity_number(severity);
        record.set_severity_text(word);
        record.set_target(self.metadata.target());
        if let Some(message) = self.fields.message {
            record.set_body(message.into());
        }
        record.add_attributes(self.fields.others.into_iter().map(|(name, value)| (name, any(value))));
        if let Some(within) = self.within {
            record.set_trace_context(within.trace_id(), within.span_id(), Some(within.trace_flags()));
        }
        logger.emit(record);
    }
}

fn severity(level: Level) -> (Severity, &'static str) {
    match level {
        Level::TRACE => (Severity::Trace, "TRACE"),
        Level::DEBUG => (Severity::Debug, "DEBUG"),
        Level::INFO => (Severity::Info, "INFO"),
        Level::WARN => (Severity::Warn, "WARN"),
        Level::ERROR => (Severity::Error, "ERROR"),
    }
}

fn any(value: Value) -> AnyValue {
    match value {
        Value::Bool(value) => value.into(),
        Value::I64(value) => value.into(),
        Value::F64(value) => value.into(),
        Value::String(value) => value.into(),
        // Fields of `tracing` have no other types.
        other => other.to_string().into(),
    }
}

/// A span of work, in the extensions of its tracing span.
struct Working(Span);

/// The layer of the bridge. Its filters are [`is_said`] and [`is_work`].
pub(in crate::app) struct Bridge(Arc<Outlet>);

impl Bridge {
    /// Creates a bridge to the outlet of the process.
    pub(in crate::app) fn new() -> Bridge {
        Bridge(outlet().clone())
    }

    /// Creates a bridge to another outlet.
    #[cfg(test)]
    pub(super) fn to(outlet: Arc<Outlet>) -> Bridge {
        Bridge(outlet)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Bridge {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, within: Within<'_, S>) {
        // The processing of own telemetry is not traced.
        if Context::is_current_telemetry_suppressed() {
            return;
        }
        let tracer = self.0.tracer.read();
        let (Some(tracer), Some(span)) = (&*tracer, within.span(id)) else { return };
        let parent =
            span.scope().skip(1).find_map(|outer| Some(outer.extensions().get::<Working>()?.0.span_context().clone()));
        let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let builder = SpanBuilder::from_name(attributes.metadata().name()).with_kind(SpanKind::Internal);
        let mut working = tracer.build_with_context(builder, &parent);
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        fields.onto(&mut working);
        span.extensions_mut().insert(Working(working));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, within: Within<'_, S>) {
        let Some(span) = within.span(id) else { return };
        if let Some(working) = span.extensions_mut().get_mut::<Working>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            fields.onto(&mut working.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, within: Within<'_, S>) {
        if Context::is_current_telemetry_suppressed() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut scope = within.event_scope(event).into_iter().flatten();
        let within = scope.find_map(|span| Some(span.extensions().get::<Working>()?.0.span_context().clone()));
        let within = within.filter(SpanContext::is_sampled);
        self.0.say(Said { time: SystemTime::now(), metadata: event.metadata(), fields, within });
    }

    fn on_close(&self, id: Id, within: Within<'_, S>) {
        let Some(span) = within.span(&id) else { return };
        // The lock on the extensions is released before the span is passed to its processors.
        let working = span.extensions_mut().remove::<Working>();
        if let Some(mut working) = working {
            working.0.end();
        }
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    /// Sets the fields as attributes; an error sets the span's status.
    fn onto(self, span: &mut Span) {
        for (name, value) in self.others {
            match name {
                ERROR => span.set_status(Status::error(value.to_string())),
                name => span.set_attribute(KeyValue::new(name, value)),
            }
        }
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = Some(text);
        } else {
            self.put(field, text);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = Some(value.to_owned());
        } else {
            self.put(field, value.to_owned());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    // OpenTelemetry has no integers of this width; milliseconds have it, and fit.
    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }
}
