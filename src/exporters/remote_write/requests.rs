//! Packs series into requests, with deduplicated texts and a byte limit, and converts 2.0 requests to 1.0.

use super::groups::{Exemplar, Series};
use super::labels::Labels;
use super::mapping::Written;
use super::proto::{
    self, Label, Metadata, MetricType, OldExemplar, OldMetadata, OldTimeSeries, Request, TimeSeries, WriteRequest,
};
use prost::Message as _;
use std::collections::{BTreeMap, HashMap};

/// Maximum bytes of a sample, and of a symbol reference.
const SAMPLE_BYTES: usize = 29;
const REFERENCE_BYTES: usize = 4;

/// A request with the number of received points it represents.
pub(super) struct Packed {
    pub(super) request: Request,
    pub(super) items: u64,
}

/// Packs all series into requests of at most `bytes_max`, unless a single group is larger. A series is never divided.
pub(super) fn pack(written: Vec<Written>, bytes_max: usize) -> Vec<Packed> {
    let mut packed = Vec::new();
    let mut builder = Builder::default();
    for written in written {
        let cost = builder.cost(&written);
        if builder.bytes + cost > bytes_max && !builder.request.timeseries.is_empty() {
            packed.push(std::mem::take(&mut builder).finish());
        }
        builder.add(&written);
    }
    if !builder.request.timeseries.is_empty() || builder.items > 0 {
        packed.push(builder.finish());
    }
    packed
}

#[derive(Default)]
struct Builder {
    places: HashMap<String, u32>,
    request: Request,
    bytes: usize,
    items: u64,
}

impl Builder {
    /// Upper estimate of the bytes that a group would add to the request.
    fn cost(&self, written: &Written) -> usize {
        let mut fresh: BTreeMap<&str, usize> = BTreeMap::new();
        let mut bytes = 0;
        let mut text = |text| {
            if !self.places.contains_key(text) {
                fresh.insert(text, text.len() + REFERENCE_BYTES);
            }
            bytes += REFERENCE_BYTES;
        };
        text(written.meta.help.as_str());
        text(written.meta.unit.as_str());
        for series in &written.series {
            let of_exemplars = series.exemplars.iter().map(|exemplar| &exemplar.labels);
            for labels in std::iter::once(&series.labels).chain(of_exemplars) {
                labels.iter().for_each(|(name, value)| {
                    text(name);
                    text(value);
                });
            }
        }
        for series in &written.series {
            let histograms: usize = series.histograms.iter().map(|histogram| histogram.encoded_len() + 4).sum();
            bytes += 24 + histograms + SAMPLE_BYTES * (series.samples.len() + series.exemplars.len());
        }
        bytes + fresh.values().sum::<usize>()
    }

    fn add(&mut self, written: &Written) {
        self.bytes += self.cost(written);
        self.items += written.items;
        let metadata = Metadata {
            r#type: written.meta.kind as i32,
            help_ref: self.place(&written.meta.help),
            unit_ref: self.place(&written.meta.unit),
        };
        for series in &written.series {
            let one = self.series(series, metadata);
            self.request.timeseries.push(one);
        }
    }

    fn series(&mut self, series: &Series, metadata: Metadata) -> TimeSeries {
        let exemplar = |exemplar: &Exemplar, builder: &mut Builder| proto::Exemplar {
            labels_refs: builder.labels(&exemplar.labels),
            value: exemplar.value,
            timestamp: exemplar.time_ms,
        };
        TimeSeries {
            labels_refs: self.labels(&series.labels),
            samples: series.samples.clone(),
            histograms: series.histograms.clone(),
            exemplars: series.exemplars.iter().map(|one| exemplar(one, self)).collect(),
            metadata: Some(metadata),
        }
    }

    fn labels(&mut self, labels: &Labels) -> Vec<u32> {
        labels.iter().flat_map(|(name, value)| [self.place(name), self.place(value)]).collect()
    }

    /// Returns the index of a text. The first symbol is the empty text.
    fn place(&mut self, text: &str) -> u32 {
        if self.request.symbols.is_empty() {
            self.request.symbols.push(String::new());
            self.places.insert(String::new(), 0);
        }
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = u32::try_from(self.request.symbols.len()).unwrap_or(u32::MAX);
        self.request.symbols.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    /// Copies series of another request, with their texts mapped to the symbols of this one.
    fn moved(&mut self, request: &Request, timeseries: &[TimeSeries]) -> Vec<TimeSeries> {
        let one = |series: &TimeSeries| {
            let mut series = series.clone();
            let mut place = |reference: &mut u32| *reference = self.place(symbol(request, *reference));
            series.labels_refs.iter_mut().for_each(&mut place);
            series.exemplars.iter_mut().flat_map(|exemplar| &mut exemplar.labels_refs).for_each(&mut place);
            if let Some(metadata) = &mut series.metadata {
                place(&mut metadata.help_ref);
                place(&mut metadata.unit_ref);
            }
            series
        };
        timeseries.iter().map(one).collect()
    }

    fn finish(self) -> Packed {
        Packed { request: self.request, items: self.items }
    }
}

/// Splits a request into `number_of` parts of about the same size, or as many as it has series.
pub(super) fn parts(request: &Request, number_of: usize) -> Vec<Request> {
    let each = request.timeseries.len().div_ceil(number_of.max(1)).max(1);
    request.timeseries.chunks(each).map(|series| part(request, series)).collect()
}

/// Joins requests into one.
pub(super) fn joined(requests: &[Request]) -> Request {
    let mut builder = Builder::default();
    for request in requests {
        let timeseries = builder.moved(request, &request.timeseries);
        builder.request.timeseries.extend(timeseries);
    }
    builder.request
}

/// Builds a request from some series of another one, with only the symbols they need.
fn part(request: &Request, timeseries: &[TimeSeries]) -> Request {
    let mut builder = Builder::default();
    let timeseries = builder.moved(request, timeseries);
    Request { timeseries, ..builder.request }
}

/// Number of float samples and native histograms in a request, as the target counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Samples {
    pub(super) numbers: u64,
    pub(super) histograms: u64,
}

impl Samples {
    pub(super) fn of(request: &Request) -> Samples {
        request.timeseries.iter().fold(Samples::default(), |sum, series| Samples {
            numbers: sum.numbers + series.samples.len() as u64,
            histograms: sum.histograms + series.histograms.len() as u64,
        })
    }

    pub(super) fn total(self) -> u64 {
        self.numbers + self.histograms
    }
}

pub(super) fn symbol(request: &Request, place: u32) -> &str {
    usize::try_from(place).ok().and_then(|place| request.symbols.get(place)).map_or("", String::as_str)
}

/// Returns the name of a series.
pub(super) fn name_of<'a>(request: &'a Request, series: &TimeSeries) -> &'a str {
    let pairs = series.labels_refs.chunks_exact(2);
    let name = pairs.filter(|pair| symbol(request, pair[0]) == "__name__").map(|pair| symbol(request, pair[1])).next();
    name.unwrap_or_default()
}

/// Converts a request to 1.0.
pub(super) fn as_old(request: &Request, with_metadata: bool) -> WriteRequest {
    let labels = |references: &[u32]| {
        let pairs = references.chunks_exact(2).map(|pair| Label {
            name: symbol(request, pair[0]).to_owned(),
            value: symbol(request, pair[1]).to_owned(),
        });
        pairs.collect::<Vec<_>>()
    };
    let timeseries = request.timeseries.iter().map(|series| {
        let mut series = series.clone();
        series.samples.iter_mut().for_each(|sample| sample.start_timestamp = 0);
        series.histograms.iter_mut().for_each(|histogram| histogram.start_timestamp = 0);
        let exemplar = |exemplar: &proto::Exemplar| OldExemplar {
            labels: labels(&exemplar.labels_refs),
            value: exemplar.value,
            timestamp: exemplar.timestamp,
        };
        OldTimeSeries {
            labels: labels(&series.labels_refs),
            samples: series.samples,
            exemplars: series.exemplars.iter().map(exemplar).collect(),
            histograms: series.histograms,
        }
    });
    let timeseries = timeseries.collect();
    WriteRequest { timeseries, metadata: if with_metadata { metadata(request) } else { Vec::new() } }
}

/// Returns the metadata of each family, once.
fn metadata(request: &Request) -> Vec<OldMetadata> {
    let mut families: BTreeMap<String, OldMetadata> = BTreeMap::new();
    for series in &request.timeseries {
        let Some(metadata) = series.metadata else { continue };
        let is_parted = [MetricType::Histogram as i32, MetricType::Summary as i32].contains(&metadata.r#type);
        let name = name_of(request, series);
        let suffix = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
        let family = suffix.filter(|_| is_parted && series.histograms.is_empty()).unwrap_or(name);
        families.entry(family.to_owned()).or_insert_with(|| OldMetadata {
            r#type: metadata.r#type,
            metric_family_name: family.to_owned(),
            help: symbol(request, metadata.help_ref).to_owned(),
            unit: symbol(request, metadata.unit_ref).to_owned(),
        });
    }
    families.into_values().collect()
}
