//! Spanwise's own metrics. Counters are only read at export, and cost nothing in between.

use super::inward::Inward;
use super::measured::Measured;
use super::outward;
use crate::app::config::{MetricsLevel, TelemetryConfig};
use crate::app::exporters::Progress;
use crate::model::self_telemetry::SCOPE;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Export interval of own metrics into the own tables.
const EVERY: Duration = Duration::from_secs(15);
/// Default export interval to an external target.
const OUTWARD_EVERY: Duration = Duration::from_mins(1);

/// Starts the metrics; returns `None` if they are disabled.
pub(super) fn start(
    config: &TelemetryConfig,
    resource: Resource,
    measured: &Arc<Measured>,
) -> anyhow::Result<Option<SdkMeterProvider>> {
    if config.metrics == MetricsLevel::None {
        return Ok(None);
    }
    let own = Inward::new(measured.admission.clone());
    let mut provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(PeriodicReader::builder(own).with_interval(EVERY).build());
    if let Some(to) = &config.metrics_to {
        let interval = to.interval.unwrap_or(OUTWARD_EVERY);
        provider = provider.with_reader(PeriodicReader::builder(outward::metrics(to)?).with_interval(interval).build());
    }
    let provider = provider.build();
    instruments(&provider.meter(SCOPE), measured);
    Ok(Some(provider))
}

fn instruments(meter: &Meter, measured: &Arc<Measured>) {
    type Counter = fn(&crate::ingest::admission::Counters) -> &AtomicU64;
    of_exporters(meter, measured);
    let counters: [(&'static str, &'static str, &'static str, Counter); 5] = [
        ("spanwise.receiver.requests", "{request}", "Requests acknowledged, resends included.", |all| &all.requests),
        ("spanwise.receiver.items", "{item}", "Spans, points and log records acknowledged.", |all| &all.items),
        ("spanwise.receiver.items.rejected", "{item}", "Items refused out of good requests.", |all| {
            &all.items_rejected
        }),
        ("spanwise.receiver.resends", "{request}", "Requests known as resends.", |all| &all.resends),
        ("spanwise.receiver.requests.refused", "{request}", "Requests refused whole.", |all| &all.refused),
    ];
    for (name, unit, description, counter) in counters {
        let measured = measured.clone();
        let observe = move |observer: &dyn AsyncInstrument<u64>| {
            observer.observe(counter(measured.admission.counters()).load(Ordering::Relaxed), &[]);
        };
        meter.u64_observable_counter(name).with_unit(unit).with_description(description).with_callback(observe).build();
    }
    let log = measured.clone();
    meter
        .u64_observable_gauge("spanwise.log.size")
        .with_unit("By")
        .with_description("Bytes of the durable log on disk.")
        .with_callback(move |observer| observer.observe(log.log.disk_bytes(), &[]))
        .build();
    let store = measured.clone();
    meter
        .u64_observable_gauge("spanwise.table.size")
        .with_unit("By")
        .with_description("Memory that the rows of a table take.")
        .with_callback(move |observer| {
            for coverage in store.store.coverage() {
                observer.observe(coverage.bytes, &[KeyValue::new("table", coverage.table)]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_description("Physical memory of this process.")
        .with_callback(|observer| {
            if let Some(bytes) = resident_bytes() {
                observer.observe(bytes, &[]);
            }
        })
        .build();
}

/// Registers the values of the table `exporters` as metrics, by `exporter` and `signal`.
fn of_exporters(meter: &Meter, measured: &Arc<Measured>) {
    type Read = fn(&Progress) -> Option<u64>;
    let observe = |read: Read| {
        let measured = measured.clone();
        move |observer: &dyn AsyncInstrument<u64>| {
            for progress in measured.exporters.progress() {
                let Some(value) = read(&progress) else { continue };
                let of = [KeyValue::new("exporter", progress.id), KeyValue::new("signal", progress.signal)];
                observer.observe(value, &of);
            }
        }
    };
    let counters: [(&'static str, &'static str, Read); 3] = [
        ("spanwise.exporter.items.sent", "Items that targets took.", |of| Some(count(&of.stats.sent_items))),
        ("spanwise.exporter.items.refused", "Items that targets refused for good.", |of| {
            Some(count(&of.stats.refused_items))
        }),
        ("spanwise.exporter.items.dropped", "Items left out since their exporter was past its bound.", |of| {
            Some(count(&of.stats.dropped_items))
        }),
    ];
    for (name, description, read) in counters {
        let counter = meter.u64_observable_counter(name).with_unit("{item}").with_description(description);
        counter.with_callback(observe(read)).build();
    }
    let gauges: [(&'static str, &'static str, &'static str, Read); 4] = [
        ("spanwise.exporter.lag.frames", "{frame}", "Requests of the log that exporters have yet to look at.", |of| {
            of.lag.map(|(frames, _)| frames)
        }),
        ("spanwise.exporter.lag.size", "By", "Bytes of the log that exporters have yet to look at.", |of| {
            of.lag.map(|(_, bytes)| bytes)
        }),
        ("spanwise.exporter.dead_letters", "{letter}", "Rows of the table dead_letters.", |of| Some(of.dead_letters)),
        ("spanwise.exporter.failing", "s", "How long no attempt has gone well; 0 while all do.", |of| {
            let since = of.standing.failing_since.map(|since| since.elapsed().unwrap_or_default());
            Some(since.unwrap_or_default().as_secs())
        }),
    ];
    for (name, unit, description, read) in gauges {
        let gauge = meter.u64_observable_gauge(name).with_unit(unit).with_description(description);
        gauge.with_callback(observe(read)).build();
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Returns the resident memory of the process on Linux; `None` elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
