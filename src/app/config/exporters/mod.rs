//! `exporters`: the supported kinds, and the pipelines that each may be in.

mod channels;
mod prometheus;

use super::feeds::feeds_of;
use super::processors::Processors;
use super::service::{Pipeline, Service, is_connector, stands_in};
use crate::alerts::ChannelSettings;
use crate::catalog::component::{Component, Reading};
use crate::delivery::settings::Feed;
use crate::exporters::debug::{DebugSettings, Verbosity};
use crate::exporters::exporter_type::{Declared, ExporterSettings};
use crate::exporters::kinds;
use crate::exporters::prometheus::PrometheusSettings;
use crate::model::signal::Signal;
use crate::net::Endpoint;

pub(super) use crate::delivery::config::outward_endpoint;

/// All exporters.
#[derive(Default)]
pub(super) struct Exporters {
    pub(super) targets: Vec<ExporterSettings>,
    pub(super) debug: Vec<DebugSettings>,
    pub(super) prometheus: Vec<(Endpoint, PrometheusSettings)>,
    pub(super) channels: Vec<ChannelSettings>,
}

/// Types without the shared delivery (`delivery/`).
const OTHERS_KNOWN: [&str; 4] = ["prometheus", "debug", "slack", "webhook"];

const LATER: &str = "is not supported yet; send to a Collector that has it with `otlp_grpc`";
const TAKES_OTLP: &str =
    "is not needed: its backend accepts OTLP; write `otlp_grpc` or `otlp_http` with its OTLP endpoint";

const OTHERS: &str = "send to a Collector that has it with `otlp_grpc`, or to a backend that accepts OTLP";

const INSTEAD: [(&str, &str); 21] = [
    ("logging", "was replaced in the Collector too; write `debug`"),
    ("jaeger", TAKES_OTLP),
    ("zipkin", LATER),
    ("loki", TAKES_OTLP),
    ("tempo", TAKES_OTLP),
    ("opencensus", TAKES_OTLP),
    ("newrelic", "accepts OTLP; write `otlp_http/newrelic: {preset: newrelic, license_key: …, region: us}`"),
    (
        "grafana_cloud",
        "accepts OTLP; write `otlp_http/grafana_cloud: {preset: grafana_cloud, region: …, instance_id: …, api_key: …}`",
    ),
    (
        "elastic",
        "is `elasticsearch`, or, for Elastic Cloud's OTLP, `otlp_http/elastic: {preset: elastic, endpoint: …, api_key: …}`",
    ),
    ("opensearch", "is `elasticsearch`: its requests are the same; write it with `mapping: {mode: ecs}`"),
    ("kafka", LATER),
    ("nop", "is not needed: received data is stored without an exporter; name `performance` instead"),
    ("pagerduty", "is not supported yet; write `webhook`"),
    ("email", "is not supported yet; write `webhook`"),
    ("alertmanager", "is not supported yet; write `webhook`"),
    ("honeycomb", "accepts OTLP; write `otlp_http/honeycomb: {preset: honeycomb, api_key: …, region: us}`"),
    ("splunk_hec", LATER),
    ("signalfx", LATER),
    ("googlecloud", LATER),
    ("awsxray", LATER),
    ("clickhouse", LATER),
];

pub(super) fn read(
    reading: &Reading<'_>,
    service: Option<&Service>,
    components: &[Component<'_>],
    processors: &Processors,
) -> Exporters {
    let mut exporters = Exporters::default();
    let known: Vec<&str> = kinds::ALL.iter().flat_map(|kind| kind.names).copied().chain(OTHERS_KNOWN).collect();
    for component in components {
        if !known.contains(&component.kind) {
            reading.unknown(component, &known, &INSTEAD, OTHERS);
            continue;
        }
        let feeds = service.map_or_else(Vec::new, |service| feeds_of(service, component.id, processors));
        let Some(map) = component.settings(reading) else { continue };
        match component.kind {
            "prometheus" => exporters.prometheus.push(prometheus::read(reading, map)),
            "debug" => exporters.debug.push(debug(reading, component.id, map, feeds)),
            "slack" | "webhook" => exporters.channels.extend(channels::read(reading, component, map)),
            _ => {
                let kind = kinds::ALL.iter().filter(|kind| kind.names.contains(&component.kind));
                let read = kind.map(|kind| kind.read).next();
                let declared = Declared { reading, component, map, feeds };
                exporters.targets.extend(read.map(|read| read(declared)).into_iter().flatten());
            }
        }
    }
    exporters
}

fn debug(reading: &Reading<'_>, id: &str, map: crate::catalog::yaml::MapReader<'_>, feeds: Vec<Feed>) -> DebugSettings {
    let words = [("basic", Verbosity::Basic), ("normal", Verbosity::Normal), ("detailed", Verbosity::Detailed)];
    let verbosity = map.word("verbosity", &words).unwrap_or_default();
    reading.without_effect(
        &map,
        &["sampling_initial", "sampling_thereafter", "use_internal_logger", "output_paths", "sending_queue"],
    );
    map.finish();
    DebugSettings { id: id.to_owned(), verbosity, feeds }
}

/// Checks that each exporter supports the signals of its pipelines.
pub(super) fn check_places(reading: &Reading<'_>, service: &Service, exporters: &Exporters) {
    for pipeline in &service.pipelines {
        for exporter in &pipeline.exporters {
            let message = misplaced(pipeline, &exporter.id).or_else(|| refused(pipeline, &exporter.id, exporters));
            if let Some(message) = message {
                reading.gather.fault(exporter.line, format!("{}.exporters", pipeline.path), message);
            }
        }
    }
}

/// Returns why an exporter does not accept the signal of a pipeline, although others of its type do.
fn refused(pipeline: &Pipeline, id: &str, exporters: &Exporters) -> Option<String> {
    let target = exporters.targets.iter().find(|target| target.id() == id)?;
    let (reason, instead) = target.kind.refuses(pipeline.signal)?;
    Some(format!("{id:?} {reason}, and this is a pipeline of {}; {instead}", pipeline.signal))
}

/// Adds a note if pipelines select less than a scrape shows: it shows the tables, which are independent of pipelines.
pub(super) fn note_scrape(reading: &Reading<'_>, service: &Service, components: &[Component<'_>]) {
    let of_metrics = service.pipelines.iter().filter(|pipeline| pipeline.signal == Signal::Metrics);
    let mut all: Vec<&str> =
        of_metrics.flat_map(|pipeline| pipeline.receivers.iter().map(|named| named.id.as_str())).collect();
    all.retain(|id| !is_connector(id));
    for component in components.iter().filter(|component| component.kind == "prometheus") {
        let own = feeds_of(service, component.id, &Processors::default());
        let left_out =
            all.iter().find(|id| !own.iter().any(|feed| feed.receivers.iter().any(|receiver| receiver == *id)));
        if let Some(id) = left_out {
            let message =
                format!("shows the metrics of all receivers, also those of {id:?}, whose pipelines do not name it");
            reading.note(component.line, &component.path, message);
        }
    }
}

fn misplaced(pipeline: &Pipeline, id: &str) -> Option<String> {
    let kind = id.split('/').next().unwrap_or_default();
    let signal = pipeline.signal;
    // The output of a connector: findings as logs, derived metrics as metrics.
    let derived = pipeline.receivers.iter().find(|named| is_connector(&named.id));
    let received = pipeline.receivers.iter().any(|named| !is_connector(&named.id));
    let accepted = match kinds::ALL.iter().find(|known| known.names.contains(&kind)) {
        Some(known) => known.signals,
        None if kind == "prometheus" => &[Signal::Metrics],
        None => &Signal::ALL,
    };
    if !accepted.contains(&signal) {
        let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
        let accepted = accepted.join(" and ");
        return Some(format!("{id:?} only accepts {accepted}, and this is a pipeline of {signal}"));
    }
    match kind {
        "slack" | "webhook" if signal != Signal::Logs || received || derived.is_none() => Some(format!(
            "{id:?} sends findings; expected it in a pipeline of its own, \
             `logs/alerts: {{receivers: [performance], exporters: [{id}]}}`"
        )),
        _ => None,
    }
}

/// Checks that connectors are only in pipelines of signals that they receive or emit.
pub(super) fn check_connectors(reading: &Reading<'_>, service: &Service) {
    for pipeline in &service.pipelines {
        let path = |list: &str| format!("{}.{list}", pipeline.path);
        for named in pipeline.receivers.iter().filter(|named| is_connector(&named.id)) {
            if pipeline.signal == Signal::Traces {
                let message = format!("{:?} emits metrics and findings (as logs), but no traces", named.id);
                reading.gather.fault(named.line, path("receivers"), message);
            }
            if stands_in(&pipeline.exporters, &named.id) {
                let message = format!("{:?} would be a loop", named.id);
                reading.gather.fault(named.line, path("receivers"), message);
            }
        }
    }
}
