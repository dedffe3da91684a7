//! The state machine of a key.

use super::judge::{Judged, Verdict};
use super::message;
use crate::model::finding::{Finding, FindingState, Proof, Recovering, Severity};
use crate::model::pipeline::{FindingDef, NoData, PipelineDef};
use serde::{Deserialize, Serialize};

/// A key without data is forgotten after this long.
const FORGET_AFTER_MS: i64 = 3_600_000;

/// A key's finding and the times that its state hangs on, ms since the epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) finding: Finding,
    /// Since when it is past its limit.
    past_since_ms: Option<i64>,
}

impl Kept {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether what must survive a restart has changed. The value may be an evaluation old: the next one renews it.
    pub(super) fn differs(&self, before: &Kept) -> bool {
        self.finding.state != before.finding.state
            || self.finding.severity != before.finding.severity
            || self.finding.firing_since_ms != before.finding.firing_since_ms
            || self.past_since_ms != before.past_since_ms
            || self.recovering_since_ms() != before.recovering_since_ms()
    }

    fn recovering_since_ms(&self) -> Option<i64> {
        self.finding.recovering.map(|recovering| recovering.since_ms)
    }
}

/// The key after it was judged.
pub(super) fn advance(pipeline: &PipelineDef, before: Option<&Kept>, judged: Judged, now_ms: i64) -> Kept {
    let Some(definition) = &pipeline.finding else { return first(pipeline, judged, now_ms) };
    let verdict = match judged.verdict {
        Verdict::NoData => return without_data(pipeline, definition, before, judged, now_ms),
        verdict => verdict,
    };
    let fired = before.is_some_and(|before| before.finding.state == FindingState::Firing);
    let mut kept = before.cloned().unwrap_or_else(|| first(pipeline, judged.clone(), now_ms));
    let (state, severity) = match verdict {
        Verdict::Past(severity) => {
            let since = *kept.past_since_ms.get_or_insert(now_ms);
            kept.finding.recovering = None;
            let long_enough = fired || now_ms - since >= definition.for_ms;
            (if long_enough { FindingState::Firing } else { FindingState::Pending }, Some(severity))
        }
        _ => {
            kept.past_since_ms = None;
            let since_ms = kept.recovering_since_ms().unwrap_or(now_ms);
            if fired && now_ms - since_ms < definition.keep_firing_for_ms {
                // What it says stays what it said when it was past its limit: "5 ms, over 100 ms" would be false.
                kept.finding.recovering = Some(Recovering { since_ms, value: judged.value });
                kept.finding.last_seen_ms = now_ms;
                return kept;
            }
            (FindingState::Ok, None)
        }
    };
    renew(&mut kept.finding, judged, now_ms);
    enter(&mut kept.finding, state, severity, now_ms);
    kept
}

/// The key after an evaluation in which it was missing; `None` where it is forgotten.
pub(super) fn miss(pipeline: &PipelineDef, before: &Kept, now_ms: i64) -> Option<Kept> {
    let definition = pipeline.finding.as_ref()?;
    let mut kept = before.clone();
    let silent = before.finding.state != FindingState::Firing || definition.no_data == NoData::Ok;
    let never = before.finding.samples == 0;
    if silent && (never || now_ms - before.finding.last_seen_ms > FORGET_AFTER_MS) {
        return None;
    }
    let (state, severity) = state_without_data(definition, &before.finding);
    if state != FindingState::Firing {
        kept.past_since_ms = None;
        kept.finding.title = message::without_data(&pipeline.title, &kept.finding.key, 0, &definition.counted);
    }
    enter(&mut kept.finding, state, severity, now_ms);
    Some(kept)
}

/// A row with too little to judge.
fn without_data(
    pipeline: &PipelineDef,
    definition: &FindingDef,
    before: Option<&Kept>,
    judged: Judged,
    now_ms: i64,
) -> Kept {
    let mut kept = before.cloned().unwrap_or_else(|| first(pipeline, judged.clone(), now_ms));
    let (state, severity) = state_without_data(definition, &kept.finding);
    // What a firing key says of itself stays what it said when it was judged.
    if state != FindingState::Firing || before.is_none() {
        renew(&mut kept.finding, judged, now_ms);
        kept.past_since_ms = None;
    }
    enter(&mut kept.finding, state, severity, now_ms);
    kept
}

fn state_without_data(definition: &FindingDef, before: &Finding) -> (FindingState, Option<Severity>) {
    match definition.no_data {
        NoData::Ok => (FindingState::Ok, None),
        NoData::Warning => (FindingState::Firing, Some(before.severity.unwrap_or(Severity::Warning))),
        NoData::Keep if before.state == FindingState::Firing => (FindingState::Firing, before.severity),
        NoData::Keep => (FindingState::NoData, None),
    }
}

fn enter(finding: &mut Finding, state: FindingState, severity: Option<Severity>, now_ms: i64) {
    finding.severity = severity;
    if finding.state != state {
        finding.state = state;
        finding.state_since_ms = now_ms;
    }
    if state == FindingState::Firing {
        finding.firing_since_ms = finding.firing_since_ms.or(Some(now_ms));
    } else {
        finding.firing_since_ms = None;
        finding.recovering = None;
    }
}

fn renew(finding: &mut Finding, judged: Judged, now_ms: i64) {
    finding.title = judged.title;
    finding.value = judged.value;
    finding.limit = judged.limit;
    finding.headroom = judged.headroom;
    finding.samples = judged.samples;
    finding.impact = judged.impact;
    finding.evidence = judged.evidence;
    finding.evidence_sql = judged.evidence_sql;
    if !judged.trace_ids.is_empty() {
        finding.trace_ids = judged.trace_ids;
    }
    finding.last_seen_ms = now_ms;
}

fn first(pipeline: &PipelineDef, judged: Judged, now_ms: i64) -> Kept {
    let finding = Finding {
        id: judged.id,
        pipeline: pipeline.id.clone(),
        severity: None,
        state: FindingState::NoData,
        title: judged.title,
        key: judged.key,
        value: judged.value,
        limit: judged.limit,
        headroom: judged.headroom,
        unit: pipeline.finding.as_ref().map(|finding| finding.unit.clone()).unwrap_or_default(),
        samples: judged.samples,
        impact: judged.impact,
        evidence: judged.evidence,
        trace_ids: judged.trace_ids,
        evidence_sql: judged.evidence_sql,
        advice: advice(&pipeline.prose),
        proof: Proof::Measured,
        first_seen_ms: now_ms,
        last_seen_ms: now_ms,
        state_since_ms: now_ms,
        firing_since_ms: None,
        recovering: None,
    };
    Kept { finding, past_since_ms: None }
}

/// The first paragraph of the prose, on one line.
fn advice(prose: &str) -> String {
    let paragraph = prose.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}
