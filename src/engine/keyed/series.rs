//! The last value of each series that came in over OTLP, for the Prometheus scrape. Delta counters and histograms are
//! added up.

use super::exponential::{self, Exponential};
use super::{number, text};
use crate::model::scrape::{Family, FamilyKind, Sample, SampleValue, Scrape};
use arrow::array::{Array as _, AsArray as _, MapArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Attributes = BTreeMap<String, String>;
/// Adds a delta to what was added up.
type Adding = fn(&mut SampleValue, &SampleValue);

/// What a series is and where it stands.
#[derive(Debug, Clone)]
struct Series {
    name: String,
    unit: String,
    description: String,
    kind: FamilyKind,
    attributes: Attributes,
    resource: Arc<Attributes>,
    scope_name: String,
    scope_version: String,
    value: SampleValue,
    time_unix_nano: i64,
    /// When it last came in, by our clock.
    seen_ms: i64,
}

/// The last values of all series.
#[derive(Debug, Default)]
pub(crate) struct LastValues {
    series: HashMap<i64, Series>,
    series_max: usize,
    /// Points of series beyond the bound, which the scrape does not show.
    pub(crate) overflowed: u64,
}

impl LastValues {
    pub(crate) fn new(series_max: usize) -> LastValues {
        LastValues { series_max, ..LastValues::default() }
    }

    /// Takes rows of `metrics`.
    pub(crate) fn metrics(&mut self, batch: &RecordBatch) {
        let (kind, temporality) = (text(batch, "kind"), text(batch, "temporality"));
        let value = number::<Float64Type>(batch, "value");
        let monotonic = batch.column_by_name("is_monotonic").and_then(|column| column.as_boolean_opt());
        for row in 0..batch.num_rows() {
            let Some(value) = value(row) else { continue };
            let grows = monotonic.is_some_and(|column| column.is_valid(row) && column.value(row));
            let family = match (kind(row), grows) {
                (Some("sum"), true) => FamilyKind::Counter,
                (Some("sum"), false) => FamilyKind::UpDown,
                _ => FamilyKind::Gauge,
            };
            // What only grows never is, nor grows by, less than nothing.
            if family == FamilyKind::Counter && (value < 0.0 || value.is_nan()) {
                continue;
            }
            let adds = kind(row) == Some("sum") && temporality(row) == Some("delta");
            self.put(batch, row, family, adds.then_some(add as Adding), SampleValue::Number(value));
        }
    }

    /// Takes rows of `histograms`; exponential ones in their classic form.
    pub(crate) fn histograms(&mut self, batch: &RecordBatch) {
        let (kind, temporality) = (text(batch, "kind"), text(batch, "temporality"));
        let (count, sum) = (number::<Int64Type>(batch, "count"), number::<Float64Type>(batch, "sum"));
        for row in 0..batch.num_rows() {
            let mut adding: Adding = add;
            // A point without a count says that nothing was recorded.
            let Some(count) = count(row) else { continue };
            let (count, sum) = (count.cast_unsigned(), sum(row).unwrap_or(0.0));
            let (family, value) = match kind(row) {
                Some("histogram") => {
                    let bounds = list::<Float64Type>(batch, "bounds", row);
                    let counts = list::<Int64Type>(batch, "bucket_counts", row);
                    let counts = counts.into_iter().map(i64::cast_unsigned).collect();
                    (FamilyKind::Histogram, SampleValue::Histogram { bounds: bounds.into(), counts, sum, count })
                }
                Some("summary") => {
                    let quantiles = list::<Float64Type>(batch, "quantiles", row);
                    let values = list::<Float64Type>(batch, "quantile_values", row);
                    let quantiles = quantiles.into_iter().zip(values).collect();
                    (FamilyKind::Summary, SampleValue::Summary { quantiles, sum, count })
                }
                Some("exponential_histogram") => {
                    adding = exponential::add;
                    (FamilyKind::Histogram, exponential::classic(&exponential_of(batch, row), sum, count))
                }
                _ => continue,
            };
            self.put(batch, row, family, (temporality(row) == Some("delta")).then_some(adding), value);
        }
    }

    /// `adding`: how a delta is added up.
    fn put(&mut self, batch: &RecordBatch, row: usize, kind: FamilyKind, adding: Option<Adding>, value: SampleValue) {
        let id = number::<Int64Type>(batch, "series_id")(row).unwrap_or_default();
        let time_unix_nano = number::<Int64Type>(batch, "time_unix_nano")(row).unwrap_or_default();
        if let Some(known) = self.series.get_mut(&id) {
            if let Some(adding) = adding {
                adding(&mut known.value, &value);
            } else if time_unix_nano >= known.time_unix_nano {
                known.value = value;
            }
            known.time_unix_nano = known.time_unix_nano.max(time_unix_nano);
            known.seen_ms = crate::engine::now_ms();
            return;
        }
        if self.series.len() >= self.series_max {
            self.overflowed += 1;
            return;
        }
        let word = |name: &str| text(batch, name)(row).unwrap_or_default().to_owned();
        let mut resource = map(batch, "resource_attributes", row);
        resource.insert("service.name".to_owned(), word("service_name"));
        let series = Series {
            name: word("name"),
            unit: word("unit"),
            description: word("description"),
            kind,
            attributes: map(batch, "attributes", row),
            resource: Arc::new(resource),
            scope_name: word("scope_name"),
            scope_version: word("scope_version"),
            value,
            time_unix_nano,
            seen_ms: crate::engine::now_ms(),
        };
        self.series.insert(id, series);
    }

    /// Forgets series that have been silent since `before_ms` of our clock: a sender's may be wrong.
    pub(crate) fn expire(&mut self, before_ms: i64) {
        self.series.retain(|_, series| series.seen_ms >= before_ms);
    }

    /// Adds all series to a scrape.
    pub(crate) fn scrape(&self, scrape: &mut Scrape) {
        let mut resources: BTreeMap<&Attributes, usize> = BTreeMap::new();
        let mut families: BTreeMap<(&str, &str, &str), Family> = BTreeMap::new();
        for series in self.series.values() {
            let next = scrape.resources.len();
            let resource = *resources.entry(&series.resource).or_insert_with(|| {
                scrape.resources.push(series.resource.as_ref().clone());
                next
            });
            let key = (series.name.as_str(), series.unit.as_str(), word(series.kind));
            let family = families.entry(key).or_insert_with(|| Family {
                name: series.name.clone(),
                unit: series.unit.clone(),
                description: series.description.clone(),
                kind: series.kind,
                samples: Vec::new(),
            });
            family.samples.push(Sample {
                attributes: series.attributes.clone(),
                resource: Some(resource),
                scope_name: series.scope_name.clone(),
                scope_version: series.scope_version.clone(),
                value: series.value.clone(),
                time_ms: Some(series.time_unix_nano / 1_000_000),
            });
        }
        scrape.families.extend(families.into_values());
    }
}

fn word(kind: FamilyKind) -> &'static str {
    match kind {
        FamilyKind::Gauge => "gauge",
        FamilyKind::UpDown => "up_down",
        FamilyKind::Counter => "counter",
        FamilyKind::Histogram => "histogram",
        FamilyKind::Summary => "summary",
    }
}

/// Adds a delta to what was added up so far. Bounds that changed begin anew.
fn add(total: &mut SampleValue, delta: &SampleValue) {
    match (total, delta) {
        (SampleValue::Number(total), SampleValue::Number(delta)) => *total += delta,
        (
            SampleValue::Histogram { bounds, counts, sum, count },
            SampleValue::Histogram { bounds: delta_bounds, counts: delta_counts, sum: delta_sum, count: delta_count },
        ) if bounds == delta_bounds && counts.len() == delta_counts.len() => {
            for (total, delta) in counts.iter_mut().zip(delta_counts) {
                *total = total.saturating_add(*delta);
            }
            *sum += delta_sum;
            *count = count.saturating_add(*delta_count);
        }
        (total, delta) => *total = delta.clone(),
    }
}

fn exponential_of(batch: &RecordBatch, row: usize) -> Exponential {
    let whole = |name: &str| number::<Int64Type>(batch, name)(row).unwrap_or_default();
    Exponential {
        scale: whole("scale"),
        offset: whole("positive_offset"),
        counts: list::<Int64Type>(batch, "positive_counts", row),
        not_positive: whole("zero_count").saturating_add(list::<Int64Type>(batch, "negative_counts", row).iter().sum()),
    }
}

fn list<T: arrow::datatypes::ArrowPrimitiveType>(batch: &RecordBatch, name: &str, row: usize) -> Vec<T::Native> {
    let Some(lists) = batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>()) else {
        return Vec::new();
    };
    if lists.is_null(row) {
        return Vec::new();
    }
    lists.value(row).as_primitive::<T>().values().to_vec()
}

fn map(batch: &RecordBatch, name: &str, row: usize) -> Attributes {
    let Some(maps) = batch.column_by_name(name).and_then(|column| column.as_map_opt()) else {
        return Attributes::new();
    };
    entries(maps, row)
}

fn entries(maps: &MapArray, row: usize) -> Attributes {
    if maps.is_null(row) {
        return Attributes::new();
    }
    let entries = maps.value(row);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
    keys.iter()
        .zip(values.iter())
        .filter_map(|(key, value)| Some((key?.to_owned(), value.unwrap_or_default().to_owned())))
        .collect()
}
