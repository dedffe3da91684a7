//! `connectors.performance.alerting`: limits for whole services, hosts and databases.
//!
//! The keys are those in the front matter of the pipelines, each in the unit of its pipeline.

use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::{MapReader, Node, Value};
use crate::engine::findings::PipelineOverride;
use crate::model::budget::AlertLimit;
use crate::model::pipeline::{Direction, Param, PipelineDef};
use crate::model::units::{duration_ms, duration_whole_ms, human_ms, size_bytes};
use std::collections::BTreeMap;
use std::time::Duration;

/// Context for validating limits and windows.
#[derive(Clone, Copy)]
pub(super) struct Judging<'a> {
    pub(super) reading: &'a Reading<'a>,
    /// Retention of rows: a longer window would evaluate less than it says.
    pub(super) kept: Duration,
}

struct Known<'a> {
    key: &'a str,
    unit: &'a str,
    direction: Direction,
}

/// Settings of `alerting.slowRequest`: the duration of a slow request, and the allowed share of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SlowRequest {
    threshold_ms: Option<f64>,
    share_percent: Option<f64>,
    window_ms: Option<i64>,
}

/// Key of these settings under `alerting`.
const SLOW_REQUEST: &str = "slowRequest";

impl SlowRequest {
    fn read(judging: Judging<'_>, alerting: &MapReader<'_>) -> SlowRequest {
        let Some(map) = alerting.map(SLOW_REQUEST) else { return SlowRequest::default() };
        let slow = SlowRequest {
            threshold_ms: judging.limit(&map, "threshold", "ms"),
            share_percent: judging.limit(&map, "share", "%"),
            window_ms: judging.window(&map, "window"),
        };
        if !["threshold", "share", "window"].iter().any(|key| map.given(key)) && !map.has_unknown() {
            map.fault("share", "expected threshold, share or both, found neither");
        }
        map.finish();
        slow
    }

    /// Applies the settings to the rollup that counts slow requests and to the finding that evaluates them. Settings under
    /// `findings` take precedence.
    pub(super) fn settle(self, overrides: &mut BTreeMap<String, PipelineOverride>) {
        if let Some(threshold_ms) = self.threshold_ms {
            let counting = overrides.entry("requests".to_owned()).or_default();
            counting.params.entry("slow_ms".to_owned()).or_insert(Param::Float(threshold_ms));
        }
        // The title of the finding contains the threshold of the rollup.
        let threshold = overrides.get("requests").and_then(|counting| counting.params.get("slow_ms").cloned());
        if threshold.is_none() && self.share_percent.is_none() && self.window_ms.is_none() {
            return;
        }
        let judging = overrides.entry("slow_request".to_owned()).or_default();
        judging.window_ms = judging.window_ms.or(self.window_ms);
        let mut set = |name: &str, value: Option<Param>| {
            if let Some(value) = value {
                judging.params.entry(name.to_owned()).or_insert(value);
            }
        };
        set("threshold_ms", threshold);
        set("share_percent", self.share_percent.map(Param::Float));
        // With a share of zero, a single slow request is enough.
        set("slow_min", self.share_percent.filter(|share| *share == 0.0).map(|_| Param::Int(1)));
    }
}

pub(super) fn read(
    judging: Judging<'_>,
    map: MapReader<'_>,
    pipelines: &[PipelineDef],
) -> (Vec<AlertLimit>, SlowRequest) {
    let mut known: Vec<Known<'_>> = Vec::new();
    for finding in pipelines.iter().filter_map(|pipeline| pipeline.finding.as_ref()) {
        if let Some(key) = &finding.alerting
            && !known.iter().any(|other| other.key == key)
        {
            known.push(Known { key, unit: &finding.unit, direction: finding.direction });
        }
    }
    let mut limits = Vec::new();
    let slow = SlowRequest::read(judging, &map);
    level(judging, map, "", &known, &mut limits);
    (limits, slow)
}

/// Reads one level of the dotted keys.
fn level(judging: Judging<'_>, map: MapReader<'_>, prefix: &str, known: &[Known<'_>], limits: &mut Vec<AlertLimit>) {
    let below = known.iter().filter_map(|known| known.key.strip_prefix(prefix));
    let mut words: Vec<&str> = below.filter_map(|rest| rest.split('.').next()).collect();
    words.sort_unstable();
    words.dedup();
    for word in words {
        let Some(inner) = map.map(word) else { continue };
        let key = format!("{prefix}{word}");
        match known.iter().find(|known| known.key == key) {
            Some(known) => limits.extend(limit(judging, inner, known)),
            None => level(judging, inner, &format!("{key}."), known, limits),
        }
    }
    map.finish();
}

fn limit(judging: Judging<'_>, map: MapReader<'_>, known: &Known<'_>) -> Option<AlertLimit> {
    let warning = judging.limit(&map, "warning", known.unit);
    let critical = judging.limit(&map, "critical", known.unit);
    let window_ms = judging.window(&map, "window");
    check_order(&map, warning, critical, known.direction);
    let neither = !map.given("warning") && !map.given("critical");
    // An unknown key is probably a misspelling of one of them and is reported already.
    if neither && !map.has_unknown() {
        map.fault("warning", "expected warning, critical or both, found neither");
    }
    map.finish();
    (!neither).then(|| AlertLimit { key: known.key.to_owned(), warning, critical, window_ms })
}

/// Checks that the critical limit is not less severe than the warning limit.
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

impl Judging<'_> {
    /// Reads a window in whole milliseconds: at least a second, and at most the retention of rows.
    pub(super) fn window(self, map: &MapReader<'_>, key: &str) -> Option<i64> {
        let kept_ms = i64::try_from(self.kept.as_millis()).unwrap_or(i64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let kept = human_ms(kept_ms as f64);
        let expected =
            format!("a duration such as 5m, at least 1s and at most {kept}, for which `retention.hour` keeps rows");
        map.parsed(key, &expected, |text| duration_whole_ms(text).filter(|ms| (1000..=kept_ms).contains(ms)))
    }

    /// Reads a limit: a bare number is in the unit of its key; text may have a unit.
    pub(super) fn limit(self, map: &MapReader<'_>, key: &str, unit: &str) -> Option<f64> {
        let node = map.get(key).filter(|node| node.holds_something())?;
        let most = if unit == "%" { 100.0 } else { f64::MAX };
        let value = in_unit(node, unit).filter(|value| (0.0..=most).contains(value));
        if value.is_none() {
            let expected = match unit {
                "ms" => "a number of milliseconds, or a duration such as 500ms",
                "s" => "a number of seconds, or a duration such as 5s",
                "%" => "a number of percent from 0 to 100, such as 5 or 5%",
                "By" => "a number of bytes, or a size such as 2mb",
                _ => "a number, at least 0",
            };
            map.gather().expected(node, map.path(key), expected);
        }
        if unit == "%" && !matches!(node.value, Value::Text(_)) {
            self.note_share(map, key, node, value);
        }
        value
    }

    /// Adds a note if a bare percentage below one may have been meant as a share.
    fn note_share(self, map: &MapReader<'_>, key: &str, node: &Node, percent: Option<f64>) {
        let Some(percent) = percent.filter(|percent| *percent > 0.0 && *percent < 1.0) else { return };
        let written = node.scalar().unwrap_or_default();
        // Rounds off floating-point noise of the product.
        let meant = (percent * 1e8).round() / 1e6;
        let message = format!("{written} is {written} %; write {meant}, or {written}% if that is meant");
        self.reading.note(node.line, map.path(key), message);
    }
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
