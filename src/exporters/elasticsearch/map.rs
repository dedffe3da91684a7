//! Maps received requests to documents.

use super::bulk::{Bulk, Label, Named};
use super::json::Json;
use super::otel::Around;
use super::points::{self, Groups, Read};
use super::route::{Index, Origin, route};
use super::settings::{ElasticsearchSettings, Mode};
use super::{ecs, otel};
use crate::delivery::attributes::Attributes;
use crate::delivery::{Mapped, Placed, count_items};
use crate::model::signal::Signal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;
use xxhash_rust::xxh3::Xxh3;

/// Maps requests. An unreadable one does not affect the others.
pub(super) fn map(settings: &ElasticsearchSettings, signal: Signal, requests: &[Placed]) -> Mapped {
    let mut bulk = Bulk::new(signal, settings.bytes_max);
    for placed in requests {
        let mut mapping = Mapping { settings, placed, bulk: &mut bulk, item: placed.items_before };
        let body = placed.request.clone();
        let read = match signal {
            Signal::Logs => ExportLogsServiceRequest::decode(body)
                .map(|request| request.resource_logs.iter().for_each(|logs| mapping.logs(logs))),
            Signal::Traces => ExportTraceServiceRequest::decode(body)
                .map(|request| request.resource_spans.iter().for_each(|spans| mapping.spans(spans))),
            Signal::Metrics => ExportMetricsServiceRequest::decode(body)
                .map(|request| request.resource_metrics.iter().for_each(|metrics| mapping.metrics(metrics))),
        };
        if let Err(error) = read {
            bulk.rejected(count_items(signal, &placed.request), format!("the request cannot be read: {error}"));
        }
    }
    bulk.finish()
}

/// A request being mapped.
struct Mapping<'a> {
    settings: &'a ElasticsearchSettings,
    placed: &'a Placed,
    bulk: &'a mut Bulk,
    /// Number of the next item of its frame.
    item: u64,
}

/// Parts of an action besides the destination.
#[derive(Default)]
struct Own<'a> {
    id: Option<&'a str>,
    pipeline: Option<&'a str>,
    templates: &'a [(&'a str, &'static str)],
    /// The index generates ids from the document's contents, and accepts no others.
    has_ids_made: bool,
}

impl Mapping<'_> {
    fn mode(&self, scope: Attributes<'_>) -> Mode {
        match scope.text("elastic.mapping.mode") {
            Some("ecs") => Mode::Ecs,
            Some("otel") => Mode::Otel,
            _ => self.settings.mode,
        }
    }

    fn logs(&mut self, logs: &ResourceLogs) {
        for scope_logs in &logs.scope_logs {
            let around = Around {
                resource: logs.resource.as_ref(),
                resource_schema: &logs.schema_url,
                scope: scope_logs.scope.as_ref(),
                scope_schema: &scope_logs.schema_url,
            };
            for record in &scope_logs.log_records {
                self.log(record, around);
                self.item += 1;
            }
        }
    }

    fn log(&mut self, record: &LogRecord, around: Around<'_>) {
        let origin = origin(around, &record.attributes);
        let mode = self.mode(origin.scope);
        let index = route(mode, "logs", self.settings.indexes.logs.as_deref(), origin);
        let mut document = Vec::new();
        match mode {
            Mode::Ecs => ecs::log(record, origin, &index, &mut document),
            Mode::Otel => otel::log(record, around, &index, &mut document),
        }
        let named = |key, allowed: bool| origin.item.text(key).filter(|text| allowed && !text.is_empty());
        let own = Own {
            id: named("elasticsearch.document_id", self.settings.named.logs_id),
            pipeline: named("elasticsearch.ingest_pipeline", self.settings.named.logs_pipeline),
            ..Own::default()
        };
        self.put(&index, &own, &document, self.item, 0, 1);
    }

    fn spans(&mut self, spans: &ResourceSpans) {
        for scope_spans in &spans.scope_spans {
            let around = Around {
                resource: spans.resource.as_ref(),
                resource_schema: &spans.schema_url,
                scope: scope_spans.scope.as_ref(),
                scope_schema: &scope_spans.schema_url,
            };
            for span in &scope_spans.spans {
                self.span(span, around);
                self.item += 1;
            }
        }
    }

    fn span(&mut self, span: &Span, around: Around<'_>) {
        let origin_of_span = origin(around, &span.attributes);
        let mode = self.mode(origin_of_span.scope);
        let index = route(mode, "traces", self.settings.indexes.traces.as_deref(), origin_of_span);
        let mut document = Vec::new();
        match mode {
            Mode::Ecs => ecs::span(span, origin_of_span, &index, &mut document),
            Mode::Otel => otel::span(span, around, &index, &mut document),
        }
        let allowed = self.settings.named.traces_id;
        let id = |attributes: Attributes<'_>| {
            attributes.text("elasticsearch.document_id").filter(|text| allowed && !text.is_empty()).map(str::to_owned)
        };
        let own_id = id(origin_of_span.item);
        let own = Own { id: own_id.as_deref(), ..Own::default() };
        self.put(&index, &own, &document, self.item, 0, 1);
        if mode == Mode::Ecs {
            return;
        }
        // The span is the item; its events are additional documents.
        for (event, number) in span.events.iter().zip(1..) {
            let origin = origin(around, &event.attributes);
            let index = route(mode, "logs", self.settings.indexes.logs.as_deref(), origin);
            let mut document = Vec::new();
            otel::event(event, span, around, &index, &mut document);
            let own_id = id(origin.item);
            let own = Own { id: own_id.as_deref(), ..Own::default() };
            self.put(&index, &own, &document, self.item, number, 0);
        }
    }

    fn metrics(&mut self, metrics: &ResourceMetrics) {
        let resource = metrics.resource.as_ref();
        // In ECS scopes are not visible; in OTLP's own structure they are part of a document.
        let mut of_all_scopes = Groups::default();
        let mut silent = 0;
        for scope_metrics in &metrics.scope_metrics {
            let around = Around {
                resource,
                resource_schema: &metrics.schema_url,
                scope: scope_metrics.scope.as_ref(),
                scope_schema: &scope_metrics.schema_url,
            };
            let mode = self.mode(origin(around, &[]).scope);
            let mut of_scope = Groups::default();
            let groups = if mode == Mode::Ecs { &mut of_all_scopes } else { &mut of_scope };
            for metric in &scope_metrics.metrics {
                for point in points::of_metric(metric) {
                    let index = route(
                        mode,
                        "metrics",
                        self.settings.indexes.metrics.as_deref(),
                        origin(around, point.attributes),
                    );
                    match &point.value {
                        Read::Value(value) => groups.put(self.item, mode, metric, &point, value.clone(), index),
                        Read::Nothing => silent += 1,
                        Read::Rejected(reason) => self.bulk.rejected(1, format!("{}: {reason}", metric.name)),
                    }
                    self.item += 1;
                }
            }
            for group in of_scope.list {
                let mut document = Vec::new();
                otel::metrics(&group, around, &mut document);
                let own = Own { templates: &group.templates, has_ids_made: true, ..Own::default() };
                self.put(
                    &group.index,
                    &own,
                    &document,
                    group.first,
                    0,
                    group.values.len() as u64 + std::mem::take(&mut silent),
                );
            }
        }
        let attributes = Attributes::of(resource.map_or(&[], |resource| &resource.attributes));
        for group in of_all_scopes.list {
            let mut document = Vec::new();
            ecs::metrics(&group, attributes, &mut document);
            // Points without a value need no document; they are dealt with together with the next one that has a value.
            let items = group.values.len() as u64 + std::mem::take(&mut silent);
            self.put(&group.index, &Own::default(), &document, group.first, 0, items);
        }
    }

    /// Adds a document: number `part` of those made from an item.
    fn put(&mut self, index: &Index<'_>, own: &Own<'_>, document: &[u8], item: u64, part: u64, items: u64) {
        let made = || {
            let is_made = self.settings.deduplicates && !own.has_ids_made;
            is_made.then(|| self.id(document, item, part))
        };
        let id = own.id.map(str::to_owned).or_else(made);
        let mut action = Vec::with_capacity(96);
        let mut json = Json::new(&mut action);
        json.begin_map();
        json.key("create");
        json.begin_map();
        json.key("_index");
        json.text(&index.name);
        for (key, value) in [("_id", id.as_deref()), ("pipeline", own.pipeline)] {
            if let Some(value) = value {
                json.key(key);
                json.text(value);
            }
        }
        if !own.templates.is_empty() {
            json.key("dynamic_templates");
            json.begin_map();
            for (name, template) in own.templates {
                json.key(&format!("metrics.{name}"));
                json.text(template);
            }
            json.end_map();
        }
        json.end_map();
        json.end_map();
        let named = Named { pipeline: own.pipeline.is_some(), ..index.named };
        self.bulk.put(&action, document, Label { items, named });
    }

    /// Returns an id that is unique to this document at this position in the log.
    fn id(&self, document: &[u8], item: u64, part: u64) -> String {
        let mut hash = Xxh3::new();
        for number in [self.placed.position.0, item, part] {
            hash.update(&number.to_le_bytes());
        }
        hash.update(document);
        URL_SAFE_NO_PAD.encode(hash.digest128().to_be_bytes())
    }
}

fn origin<'a>(around: Around<'a>, item: &'a [KeyValue]) -> Origin<'a> {
    let of_scope = |scope: &'a InstrumentationScope| (Attributes::of(&scope.attributes), scope.name.as_str());
    let (scope, scope_name) = around.scope.map_or((Attributes::of(&[]), ""), of_scope);
    let resource =
        around.resource.map_or(Attributes::of(&[]), |resource: &'a Resource| Attributes::of(&resource.attributes));
    Origin { item: Attributes::of(item), scope, scope_name, resource }
}
