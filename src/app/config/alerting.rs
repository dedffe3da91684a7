//! `connectors.performance.alerting`: limits of whole services, hosts and databases.
//!
//! The keys are those that the pipelines name in their front-matter, each in the unit of its pipeline.

use super::values::Values as _;
use crate::catalog::yaml::{MapReader, Node, Value};
use crate::model::budget::AlertLimit;
use crate::model::pipeline::{Direction, PipelineDef};
use crate::model::units::{duration_ms, duration_whole_ms, size_bytes};

struct Known<'a> {
    key: &'a str,
    unit: &'a str,
    direction: Direction,
}

pub(super) fn read(map: MapReader<'_>, pipelines: &[PipelineDef]) -> Vec<AlertLimit> {
    let mut known: Vec<Known<'_>> = Vec::new();
    for finding in pipelines.iter().filter_map(|pipeline| pipeline.finding.as_ref()) {
        if let Some(key) = &finding.alerting
            && !known.iter().any(|other| other.key == key)
        {
            known.push(Known { key, unit: &finding.unit, direction: finding.direction });
        }
    }
    let mut limits = Vec::new();
    level(map, "", &known, &mut limits);
    limits
}

/// Reads one level of the dotted keys.
fn level(map: MapReader<'_>, prefix: &str, known: &[Known<'_>], limits: &mut Vec<AlertLimit>) {
    let below = known.iter().filter_map(|known| known.key.strip_prefix(prefix));
    let mut words: Vec<&str> = below.filter_map(|rest| rest.split('.').next()).collect();
    words.sort_unstable();
    words.dedup();
    for word in words {
        let Some(inner) = map.map(word) else { continue };
        let key = format!("{prefix}{word}");
        match known.iter().find(|known| known.key == key) {
            Some(known) => limits.extend(limit(inner, known)),
            None => level(inner, &format!("{key}."), known, limits),
        }
    }
    map.finish();
}

fn limit(map: MapReader<'_>, known: &Known<'_>) -> Option<AlertLimit> {
    let warning = limit_value(&map, "warning", known.unit);
    let critical = limit_value(&map, "critical", known.unit);
    let window_ms = window(&map, "window");
    check_order(&map, warning, critical, known.direction);
    if !map.given("warning") && !map.given("critical") {
        map.fault("warning", "expected warning, critical or both, found neither");
        return None;
    }
    map.finish();
    Some(AlertLimit { key: known.key.to_owned(), warning, critical, window_ms })
}

/// A critical limit is past the warning.
pub(super) fn check_order(map: &MapReader<'_>, warning: Option<f64>, critical: Option<f64>, direction: Direction) {
    let (Some(warning), Some(critical)) = (warning, critical) else { return };
    let (wrong, word) = match direction {
        Direction::Above | Direction::AtLeast => (critical < warning, "at least"),
        Direction::Below => (critical > warning, "at most"),
    };
    if wrong {
        map.fault("critical", format!("expected {word} the warning limit, which is {warning}, found {critical}"));
    }
}

/// A duration of more than nought, in whole milliseconds.
pub(super) fn window(map: &MapReader<'_>, key: &str) -> Option<i64> {
    let expected = "a duration such as 5m, at least 1s";
    map.parsed(key, expected, |text| duration_whole_ms(text).filter(|ms| *ms >= 1000))
}

/// A limit: a bare number is in the unit of its key; text may say the unit.
pub(super) fn limit_value(map: &MapReader<'_>, key: &str, unit: &str) -> Option<f64> {
    let node = map.get(key).filter(|node| node.value != Value::Null)?;
    let value = in_unit(node, unit).filter(|value| value.is_finite() && *value >= 0.0);
    if value.is_none() {
        let example = match unit {
            "ms" => "a number of milliseconds, or a duration such as 500ms".to_owned(),
            "s" => "a number of seconds, or a duration such as 5s".to_owned(),
            "%" => "a number of percent, such as 5 or 5%".to_owned(),
            "By" => "a number of bytes, or a size such as 2mb".to_owned(),
            _ => "a number, at least 0".to_owned(),
        };
        map.gather().expected(node, map.path(key), &example);
    }
    value
}

fn in_unit(node: &Node, unit: &str) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a limit that a person wrote")]
    match &node.value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Text(text) => match unit {
            "ms" => duration_ms(text),
            "s" => duration_ms(text).map(|ms| ms / 1000.0),
            "%" => text.trim().strip_suffix('%')?.trim().parse().ok(),
            "By" => size_bytes(text),
            _ => None,
        },
        _ => None,
    }
}
