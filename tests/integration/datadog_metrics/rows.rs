//! The common format in which results of both sides are compared.

use serde::Deserialize;

/// One value of a series.
#[derive(Debug, Clone, Deserialize, PartialEq)]
pub(crate) struct SeriesRow {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) device: String,
    pub(crate) tags: Vec<String>,
    #[serde(rename = "type")]
    pub(crate) kind: i32,
    pub(crate) time: i64,
    pub(crate) interval: i64,
    pub(crate) unit: String,
    pub(crate) product: u32,
    pub(crate) service: u32,
    /// Bits of the value, in hexadecimal.
    pub(crate) value: String,
}

/// One sketch.
#[derive(Debug, Clone, Deserialize, PartialEq)]
pub(crate) struct SketchRow {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) tags: Vec<String>,
    pub(crate) time: i64,
    pub(crate) product: u32,
    pub(crate) service: u32,
    pub(crate) count: i64,
    pub(crate) min: String,
    pub(crate) max: String,
    pub(crate) sum: String,
    pub(crate) average: String,
    pub(crate) keys: Option<Vec<i32>>,
    pub(crate) counts: Option<Vec<u32>>,
}

/// The result for a request.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Answer {
    pub(crate) series: Option<Vec<SeriesRow>>,
    pub(crate) sketches: Option<Vec<SketchRow>>,
    #[serde(default)]
    pub(crate) error: String,
}

/// Tolerance for statistics of a sketch. Datadog's own results differ by this much between processors, because their
/// exponential function depends on fused multiply-add.
const NEAR: f64 = 1e-12;

fn double(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

fn is_same(one: &str, other: &str) -> bool {
    one == other || double(one).is_nan() && double(other).is_nan() || double(one) == 0.0 && double(other) == 0.0
}

fn is_near(one: &str, other: &str) -> bool {
    let (a, b) = (double(one), double(other));
    is_same(one, other) || (a - b).abs() <= NEAR * a.abs().max(b.abs())
}

/// Compares tags in order, except those that Datadog's own code keeps in a map and so without order.
fn tags_are_same(one: &[String], other: &[String]) -> bool {
    let sorted = |tags: &[String]| {
        let mut tags = tags.to_vec();
        tags.sort_unstable();
        tags
    };
    one == other || sorted(one) == sorted(other)
}

/// Returns the names of the fields that differ.
pub(crate) fn series_differences(theirs: &SeriesRow, ours: &SeriesRow) -> Vec<&'static str> {
    // The intake has a separate field for the device, which the series sender removes from the tags.
    let mut theirs = theirs.clone();
    let devices: Vec<String> = theirs.tags.iter().filter(|tag| tag.starts_with("device:")).cloned().collect();
    if let Some(device) = devices.last() {
        theirs.device = device["device:".len()..].to_owned();
        theirs.tags.retain(|tag| !tag.starts_with("device:"));
    }
    theirs.tags.retain(|tag| !tag.starts_with("dd.internal.resource:"));
    let fields = [
        ("name", theirs.name == ours.name),
        ("host", theirs.host == ours.host),
        ("device", theirs.device == ours.device),
        ("tags", tags_are_same(&theirs.tags, &ours.tags)),
        ("type", theirs.kind == ours.kind),
        ("time", theirs.time == ours.time),
        ("interval", theirs.interval == ours.interval),
        ("unit", theirs.unit == ours.unit),
        ("origin", (theirs.product, theirs.service) == (ours.product, ours.service)),
        ("value", is_same(&theirs.value, &ours.value)),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

/// Returns the names of the fields that differ.
pub(crate) fn sketch_differences(theirs: &SketchRow, ours: &SketchRow) -> Vec<&'static str> {
    let fields = [
        ("name", theirs.name == ours.name),
        ("host", theirs.host == ours.host),
        ("tags", tags_are_same(&theirs.tags, &ours.tags)),
        ("time", theirs.time == ours.time),
        ("origin", (theirs.product, theirs.service) == (ours.product, ours.service)),
        ("count", theirs.count == ours.count),
        ("min", is_near(&theirs.min, &ours.min)),
        ("max", is_near(&theirs.max, &ours.max)),
        ("sum", is_near(&theirs.sum, &ours.sum)),
        ("average", is_near(&theirs.average, &ours.average)),
        ("keys", theirs.keys.as_deref().unwrap_or_default() == ours.keys.as_deref().unwrap_or_default()),
        ("counts", theirs.counts.as_deref().unwrap_or_default() == ours.counts.as_deref().unwrap_or_default()),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}
