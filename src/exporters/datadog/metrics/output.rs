//! Output of a request: series and sketches by intake, and rejected points.

use super::wire::{Dogsketch, Kind, Metadata, Point, Resource, Series, Sketches};
use super::writer::Writer;
use super::{name, tags};
use crate::delivery::{Mapped, Rejected};
use crate::exporters::datadog::sketch::Sketch;
use opentelemetry_proto::tonic::common::v1::KeyValue;

/// Path of the series intake.
pub(in crate::exporters::datadog) const SERIES: &str = "/api/v2/series";
/// Path of the sketches intake.
pub(in crate::exporters::datadog) const SKETCHES: &str = "/api/beta/sketches";
/// OTLP's flag for a point without a value.
pub(super) const NO_VALUE: u32 = 1;

/// Uncompressed. The intake's limits are 500 KB compressed and 5 MB uncompressed; such texts compress to less than a fifth.
const SERIES_BYTES_MAX: usize = 2 << 20;
/// The Agent's own limit.
const POINTS_MAX: usize = 10_000;
/// Uncompressed; the intake's limits are 2.5 MB compressed and 4 MB uncompressed.
const SKETCHES_BYTES_MAX: usize = 3 << 20;
/// Maximum reasons reported per request; further ones are combined.
const REASONS_MAX: usize = 20;
/// Maximum tags of a point in a message.
const TAGS_TOLD: usize = 3;
/// Maximum characters of each.
const TAG_TOLD: usize = 60;

/// What all points of a metric share.
pub(super) struct Context<'a> {
    pub(super) name: &'a str,
    pub(super) host: &'a str,
    pub(super) shared: &'a [String],
    pub(super) resource: &'a [KeyValue],
    pub(super) unit: String,
    pub(super) origin: Metadata,
}

impl Context<'_> {
    /// Returns the tags of a point.
    pub(super) fn tags(&self, attributes: &[KeyValue]) -> Vec<String> {
        tags::point(attributes, self.resource, self.shared)
    }

    /// Describes a point in a message: ` of host "web-1" (route:/buy, …)`.
    fn place(&self, attributes: &[KeyValue]) -> String {
        let tags = self.tags(attributes);
        let mut told: Vec<String> =
            tags.iter().take(TAGS_TOLD).map(|tag| tag.chars().take(TAG_TOLD).collect()).collect();
        if tags.len() > TAGS_TOLD {
            told.push("…".to_owned());
        }
        let host = if self.host.is_empty() { String::new() } else { format!(" of host {:?}", self.host) };
        if told.is_empty() { host } else { format!("{host} ({})", told.join(", ")) }
    }
}

/// One value of a series.
pub(super) struct Sample<'a> {
    /// Appended to the metric's name: `.count`; empty if the series is the metric itself.
    pub(super) suffix: &'static str,
    pub(super) tags: &'a [String],
    pub(super) kind: Kind,
    pub(super) time_unix_nano: u64,
    pub(super) interval: i64,
    pub(super) value: f64,
}

/// Payloads being filled.
pub(super) struct Output {
    series: Writer,
    sketches: Writer,
    rejected: Vec<Misfit>,
    /// Points beyond those.
    others: u64,
    /// Whether the current point has become a series, and a sketch.
    is_series: bool,
    is_sketch: bool,
    /// Valid points that became nothing.
    silent: u64,
}

/// Points of a metric rejected for the same reason.
struct Misfit {
    metric: String,
    reason: String,
    /// The first of them.
    place: String,
    items: u64,
}

impl Misfit {
    fn told(self) -> Rejected {
        let Misfit { metric, reason, place, items } = self;
        Rejected { items, reason: format!("metric {metric:?}{place}: {reason}") }
    }
}

/// Converts to seconds, the time unit of both intakes.
fn seconds(unix_nano: u64) -> i64 {
    (unix_nano / 1_000_000_000).cast_signed()
}

impl Output {
    pub(super) fn new() -> Output {
        Output {
            series: Writer::new(SERIES, SERIES_BYTES_MAX, POINTS_MAX),
            sketches: Writer::new(SKETCHES, SKETCHES_BYTES_MAX, POINTS_MAX),
            rejected: Vec::new(),
            others: 0,
            is_series: false,
            is_sketch: false,
            silent: 0,
        }
    }

    /// Adds a value.
    pub(super) fn sample(&mut self, context: &Context<'_>, sample: &Sample<'_>) {
        // Counts do not have the unit of the measured values.
        let is_number_of_values = [".count", ".bucket"].contains(&sample.suffix);
        let mut series = Series {
            resources: Vec::new(),
            metric: name::shortened(context.name, sample.suffix),
            tags: Vec::with_capacity(sample.tags.len()),
            points: vec![Point { value: sample.value, timestamp: seconds(sample.time_unix_nano) }],
            kind: sample.kind.into(),
            unit: if is_number_of_values { String::new() } else { context.unit.clone() },
            interval: sample.interval,
            metadata: Some(context.origin),
        };
        let resource = |kind: &str, name: &str| Resource { kind: kind.to_owned(), name: name.to_owned() };
        if !context.host.is_empty() {
            series.resources.push(resource("host", context.host));
        }
        // The intake has separate fields for some tags (resources).
        let (mut device, mut others) = (None, Vec::new());
        for tag in sample.tags {
            if let Some(name) = tag.strip_prefix("device:") {
                device = Some(name);
            } else if let Some(told) = tag.strip_prefix("dd.internal.resource:") {
                let told = told.split_once(':').filter(|(kind, name)| !kind.is_empty() && !name.is_empty());
                others.extend(told.map(|(kind, name)| resource(kind, name)));
            } else {
                series.tags.push(tag.clone());
            }
        }
        series.resources.extend(device.filter(|name| !name.is_empty()).map(|name| resource("device", name)));
        series.resources.extend(others);
        self.series.push(&series);
        self.is_series = true;
    }

    /// Adds a sketch.
    pub(super) fn sketch(&mut self, context: &Context<'_>, tags: &[String], time_unix_nano: u64, sketch: &Sketch) {
        let basic = sketch.basic;
        let dogsketch = Dogsketch {
            timestamp: seconds(time_unix_nano),
            count: basic.count,
            min: basic.min,
            max: basic.max,
            average: basic.average,
            sum: basic.sum,
            keys: sketch.keys(),
            counts: sketch.counts(),
        };
        self.sketches.push(&Sketches {
            metric: name::shortened(context.name, ""),
            host: context.host.to_owned(),
            tags: tags.to_vec(),
            dogsketches: vec![dogsketch],
            metadata: Some(context.origin),
        });
        self.is_sketch = true;
    }

    /// Ends a point, which is counted once, whatever it became.
    pub(super) fn end_point(&mut self) {
        match (std::mem::take(&mut self.is_sketch), std::mem::take(&mut self.is_series)) {
            (true, _) => self.sketches.count(),
            (false, true) => self.series.count(),
            (false, false) => self.silent += 1,
        }
    }

    /// Ends a point that could not be mapped completely. Its output so far is still sent; the point is counted as rejected.
    pub(super) fn end_unfit_point(&mut self, context: &Context<'_>, attributes: &[KeyValue], reason: &str) {
        (self.is_series, self.is_sketch) = (false, false);
        self.rejected(context, attributes, 1, reason);
    }

    /// Rejects points of a metric; the attributes are those of the first.
    pub(super) fn rejected(&mut self, context: &Context<'_>, attributes: &[KeyValue], items: u64, reason: &str) {
        if items == 0 {
            return;
        }
        let same = |rejected: &&mut Misfit| rejected.metric == context.name && rejected.reason == reason;
        if let Some(rejected) = self.rejected.iter_mut().find(same) {
            rejected.items += items;
        } else if self.rejected.len() < REASONS_MAX {
            let (metric, reason) = (context.name.to_owned(), reason.to_owned());
            self.rejected.push(Misfit { metric, reason, place: context.place(attributes), items });
        } else {
            self.others += items;
        }
    }

    /// Returns the complete output.
    pub(super) fn finish(self) -> Mapped {
        let mut payloads = self.series.finish();
        payloads.extend(self.sketches.finish());
        if let Some(first) = payloads.first_mut() {
            first.items += self.silent;
        }
        let mut rejected: Vec<Rejected> = self.rejected.into_iter().map(Misfit::told).collect();
        if self.others > 0 {
            rejected.push(Rejected { items: self.others, reason: "and others".to_owned() });
        }
        Mapped { payloads, rejected }
    }
}
