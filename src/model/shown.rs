//! Limits the number of findings shown, by the column `shown_max` of a pipeline.

use super::finding::{Finding, FindingState};
use std::collections::HashMap;

/// Returns the findings to show, in their order. If the rows of a pipeline have a column `shown_max`, at most that many keys of
/// each state are shown: those with the greatest `total_ms`. All keys are still evaluated, and all of them notify.
#[must_use]
pub fn shown(findings: &[Finding]) -> Vec<&Finding> {
    let mut groups: HashMap<(&str, FindingState), Vec<usize>> = HashMap::new();
    for (index, finding) in findings.iter().enumerate() {
        groups.entry((&finding.pipeline, finding.state)).or_default().push(index);
    }
    let mut shown = vec![true; findings.len()];
    for group in groups.into_values() {
        // The maximum, because rows from before a change of the limit can be among them.
        let Some(max) = group.iter().filter_map(|index| shown_max(&findings[*index])).max() else { continue };
        // Read once for each, because the evidence is text.
        let mut group: Vec<(f64, usize)> = group.into_iter().map(|index| (total_ms(&findings[index]), index)).collect();
        group.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        for (_, index) in group.into_iter().skip(max) {
            shown[index] = false;
        }
    }
    findings.iter().zip(shown).filter(|(_, shown)| *shown).map(|(finding, _)| finding).collect()
}

fn shown_max(finding: &Finding) -> Option<usize> {
    usize::try_from(finding.evidence.get("shown_max")?.as_i64()?.max(0)).ok()
}

fn total_ms(finding: &Finding) -> f64 {
    finding.evidence.get("total_ms").and_then(|total| total.as_f64()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn finding(id: &str, pipeline: &str, state: &str, evidence: &serde_json::Value) -> Finding {
        serde_json::from_value(json!({
            "id": id, "pipeline": pipeline, "severity": null, "state": state, "title": "", "key": {}, "value": null,
            "limit": null, "unit": "ms", "samples": 1, "impact": "", "evidence": evidence, "trace_ids": [],
            "evidence_sql": "", "advice": "", "proof": "measured", "headroom": null, "first_seen_ms": 0,
            "last_seen_ms": 0, "state_since_ms": 0, "firing_since_ms": null,
        }))
        .unwrap()
    }

    #[test]
    fn those_with_most_time_are_shown_of_each_state_and_all_where_nothing_is_said() {
        let of = |total_ms: u32| json!({"shown_max": 2, "total_ms": total_ms});
        let findings = [
            finding("a", "slow", "firing", &of(10)),
            finding("b", "slow", "firing", &of(30)),
            finding("c", "slow", "firing", &of(20)),
            finding("d", "slow", "ok", &of(1)),
            finding("e", "other", "firing", &json!({"total_ms": 1})),
            finding("f", "other", "firing", &json!({})),
            finding("g", "other", "firing", &json!({})),
        ];
        let ids: String = shown(&findings).iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(ids, "bcdefg");
    }
}
