//! `processors`: those that change the data of exporters, those that are built in, and the alternatives to the others.

mod edit;

use super::service::Service;
use crate::catalog::component::{Component, Reading};
use crate::delivery::processors::{Change, Processor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Processors that have an effect, by id.
pub(super) type Processors = BTreeMap<String, Arc<Processor>>;

const KNOWN: [&str; 4] = ["attributes", "batch", "memory_limiter", "resource"];

/// Processors that change the data of an exporter.
const EDITORS: [&str; 2] = ["attributes", "resource"];

/// Processors that drop a part of the data.
const SAMPLERS: [&str; 2] = ["tail_sampling", "probabilistic_sampler"];

const BEHIND: &str = "is not supported yet; run it in a Collector behind, to which an `otlp_grpc` exporter here sends";
const BEFORE: &str = "is not supported yet; run it in a Collector in front, which sends here with `otlp_grpc`";
const NOT_NEEDED: &str = "is not needed here; remove it from `processors` and from the pipelines";

const CONVERTED: &str = "is not needed for exporters of `datadog`, `prometheus` and `prometheusremotewrite`, which \
     convert by themselves; remove it, and if an `otlp` target needs it, run it in a Collector in front";

const OTHERS: &str = "run it in a Collector in front, which sends here with `otlp_grpc`";

const INSTEAD: [(&str, &str); 21] = [
    ("tail_sampling", BEHIND),
    ("probabilistic_sampler", BEHIND),
    ("transform", BEFORE),
    ("filter", BEFORE),
    ("redaction", BEFORE),
    ("span", BEFORE),
    ("resourcedetection", BEFORE),
    ("k8sattributes", BEFORE),
    ("metricstransform", BEFORE),
    ("metricsgeneration", BEFORE),
    ("groupbyattrs", BEFORE),
    ("routing", BEFORE),
    ("schema", BEFORE),
    ("geoip", BEFORE),
    ("logdedup", BEFORE),
    ("interval", NOT_NEEDED),
    ("groupbytrace", NOT_NEEDED),
    ("cumulativetodelta", CONVERTED),
    ("deltatocumulative", CONVERTED),
    (
        "servicegraph",
        "is not supported here; write a rollup or view in SQL, in the folder that `connectors.performance.pipelines` names",
    ),
    (
        "spanmetrics",
        "is the `performance` connector here; remove it, and read its metrics from the prometheus exporter",
    ),
];

pub(super) fn read(reading: &Reading<'_>, components: &[Component<'_>]) -> Processors {
    let mut processors = Processors::new();
    for component in components {
        if EDITORS.contains(&component.kind) {
            if let Some(map) = component.settings(reading) {
                let read = if component.kind == "resource" { edit::resource } else { edit::attributes };
                let processor = Processor { id: component.id.to_owned(), change: read(reading, map) };
                processors.insert(component.id.to_owned(), Arc::new(processor));
            }
            continue;
        }
        let keys: &[&str] = match component.kind {
            "batch" => {
                &["timeout", "send_batch_size", "send_batch_max_size", "metadata_keys", "metadata_cardinality_limit"]
            }
            "memory_limiter" => &[
                "check_interval",
                "limit_mib",
                "spike_limit_mib",
                "limit_percentage",
                "spike_limit_percentage",
                "min_gc_interval_when_soft_limited",
                "min_gc_interval_when_hard_limited",
            ],
            _ => {
                reading.unknown(component, &KNOWN, &INSTEAD, OTHERS);
                continue;
            }
        };
        let built_in = match component.kind {
            "batch" => {
                "is built in: received data is batched for the disk, and an exporter's `sending_queue.batch` sets how it is sent"
            }
            _ => "is built in: every queue is limited, and senders get backpressure",
        };
        reading.note(component.line, &component.path, built_in);
        if let Some(map) = component.settings(reading) {
            for key in keys {
                map.get(key);
            }
            map.finish();
        }
    }
    processors
}

/// Checks that the conditions of a filter apply to the pipeline's signal.
pub(super) fn check_filters(reading: &Reading<'_>, service: &Service, processors: &Processors) {
    for pipeline in &service.pipelines {
        for named in &pipeline.processors {
            let Some(Change::Attributes(_, filter)) = processors.get(&named.id).map(|processor| &processor.change)
            else {
                continue;
            };
            let unfit = filter.unfit_for(pipeline.signal);
            if !unfit.is_empty() {
                let message = format!(
                    "{:?} matches by {}, which {} do not have; expected a processor without it in this pipeline",
                    named.id,
                    unfit.join(" and "),
                    pipeline.signal
                );
                reading.gather.fault(named.line, format!("{}.processors", pipeline.path), message);
            }
        }
    }
}

/// Adds notes that processors only affect exporters: analyses and queries use the data as received.
pub(super) fn note_editors(reading: &Reading<'_>, service: &Service) {
    for pipeline in &service.pipelines {
        let of_tables =
            pipeline.exporters.iter().find(|named| ["performance", "prometheus"].contains(&kind(&named.id)));
        let Some(reader) = of_tables else { continue };
        for named in pipeline.processors.iter().filter(|named| EDITORS.contains(&kind(&named.id))) {
            let message = format!(
                "{:?} changes what exporters send; {:?} and the tables have the data as received",
                named.id, reader.id
            );
            reading.note(named.line, format!("{}.processors", pipeline.path), message);
        }
    }
}

/// Rejects samplers in pipelines that lead to `performance`: its statistics need every span.
pub(super) fn check_samplers(reading: &Reading<'_>, service: &Service) {
    for pipeline in &service.pipelines {
        let measured = pipeline.exporters.iter().any(|named| kind(&named.id) == "performance");
        for named in pipeline.processors.iter().filter(|named| measured && SAMPLERS.contains(&kind(&named.id))) {
            let message = format!(
                "{:?} is before `performance`, whose results would lack what it drops; move it to a pipeline \
                 without `performance`",
                named.id
            );
            reading.gather.fault(named.line, format!("{}.processors", pipeline.path), message);
        }
    }
}

fn kind(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}
