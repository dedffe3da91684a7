//! `connectors.performance.findings`: the user's changes to individual pipelines.

use super::alerting::{Judging, check_order};
use super::known_pipelines::KnownPipelines;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::{MapReader, Value};
use crate::engine::findings::PipelineOverride;
use crate::model::fault::did_you_mean;
use crate::model::pipeline::{Param, PipelineDef};
use crate::model::units::{DURATION, duration_whole_ms};
use std::collections::BTreeMap;

pub(super) fn read(
    judging: Judging<'_>,
    map: &MapReader<'_>,
    known: &KnownPipelines,
) -> BTreeMap<String, PipelineOverride> {
    let mut overrides = BTreeMap::new();
    for entry in map.entries() {
        let Some(pipeline) = known.pipelines.iter().find(|pipeline| pipeline.id == entry.key) else {
            if known.complete {
                let hint = match did_you_mean(&entry.key, known.pipelines.iter().map(|pipeline| pipeline.id.as_str())) {
                    Some(word) => format!("did you mean {word:?}?"),
                    None => "`spanwise docs` lists them".to_owned(),
                };
                map.fault(&entry.key, format!("there is no pipeline of this name; {hint}"));
            }
            continue;
        };
        if let Some(map) = map.map(&entry.key) {
            overrides.insert(entry.key.clone(), changes(judging, map, pipeline));
        }
    }
    overrides
}

fn changes(judging: Judging<'_>, map: MapReader<'_>, pipeline: &PipelineDef) -> PipelineOverride {
    let mut changes = PipelineOverride {
        disabled: map.bool("disabled").unwrap_or(false),
        params: map.map("params").map(|map| params(&map, pipeline)).unwrap_or_default(),
        ..PipelineOverride::default()
    };
    if let Some(finding) = &pipeline.finding {
        changes.warning = judging.limit(&map, "warning", &finding.unit);
        changes.critical = judging.limit(&map, "critical", &finding.unit);
        let (warning, critical) = (changes.warning.or(finding.warning), changes.critical.or(finding.critical));
        if changes.warning.is_some() || changes.critical.is_some() {
            check_order(&map, warning, critical, finding.direction);
        }
        changes.samples_min = map.count("samples_min", 0).map(|samples| samples as u64);
        changes.window_ms = judging.window(&map, "window");
        changes.for_ms = duration_or_none(&map, "for");
        changes.keep_firing_for_ms = duration_or_none(&map, "keep_firing_for");
    } else {
        for key in ["warning", "critical", "samples_min", "window", "for", "keep_firing_for"] {
            if map.given(key) {
                map.fault(key, format!("{:?} evaluates nothing; only `disabled` and `params` can be set", pipeline.id));
            }
        }
    }
    map.finish();
    changes
}

/// Reads a duration in ms; a bare 0 is zero in any unit.
fn duration_or_none(map: &MapReader<'_>, key: &str) -> Option<i64> {
    map.parsed(key, DURATION, |text| if text == "0" { Some(0) } else { duration_whole_ms(text) })
}

fn params(map: &MapReader<'_>, pipeline: &PipelineDef) -> BTreeMap<String, Param> {
    let mut params = BTreeMap::new();
    for entry in map.entries() {
        let Some(default) = pipeline.params.get(&entry.key) else {
            let hint = match did_you_mean(&entry.key, pipeline.params.keys().map(String::as_str)) {
                Some(word) => format!("did you mean {word:?}?"),
                None if pipeline.params.is_empty() => "it has none".to_owned(),
                None => format!("it has {}", pipeline.params.keys().cloned().collect::<Vec<_>>().join(", ")),
            };
            map.fault(&entry.key, format!("{:?} has no such parameter; {hint}", pipeline.id));
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a parameter that a person wrote")]
        let value = match (default, &entry.node.value) {
            (Param::Int(_), Value::Int(number)) => Ok(Param::Int(*number)),
            (Param::Float(_), Value::Int(number)) => Ok(Param::Float(*number as f64)),
            (Param::Float(_), Value::Float(number)) => Ok(Param::Float(*number)),
            (Param::Bool(_), Value::Bool(truth)) => Ok(Param::Bool(*truth)),
            (Param::Text(_), Value::Text(text)) => Ok(Param::Text(text.clone())),
            (Param::Int(_), _) => Err("a whole number"),
            (Param::Float(_), _) => Err("a number"),
            (Param::Bool(_), _) => Err("true or false"),
            (Param::Text(_), _) => Err("text"),
        };
        match value {
            Ok(value) => {
                params.insert(entry.key.clone(), value);
            }
            Err(expected) => map.gather().expected(&entry.node, map.path(&entry.key), expected),
        }
    }
    params
}
