//! State machine of a key.

use super::history::History;
use super::message;
use super::threshold::{Judged, Verdict};
use crate::model::evidence::Evidence;
use crate::model::finding::{Ended, Finding, FindingState, Proof, Recovering, Severity};
use crate::model::pipeline::{FindingDef, NoData, PipelineDef};
use serde::{Deserialize, Serialize};

/// Time without data after which a key is forgotten.
const FORGET_AFTER_MS: i64 = 3_600_000;

/// Finding of a key and the times of its state, ms since the epoch.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) finding: Finding,
    /// Since when the value is beyond its limit.
    past_since_ms: Option<i64>,
    /// Start of the first window beyond the limit.
    #[serde(default)]
    past_from_ms: Option<i64>,
    /// When it fired.
    #[serde(default)]
    pub(super) fired: History,
}

/// The part of a key's state that is stored.
pub(super) struct Durable {
    state: (FindingState, Option<Severity>),
    /// When it fired, exceeded its limit, and began to recover.
    since_ms: [Option<i64>; 3],
    evidence: Evidence,
}

impl PartialEq for Durable {
    fn eq(&self, other: &Durable) -> bool {
        // The operations of a firing key decide which other keys it explains.
        let operations = |durable: &Durable| durable.evidence.get("operations");
        let same_evidence = self.evidence.is_copy_of(&other.evidence) || operations(self) == operations(other);
        self.state == other.state && self.since_ms == other.since_ms && same_evidence
    }
}

impl Kept {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Returns the state to store. The value may be outdated; the next evaluation replaces it.
    pub(super) fn durable(&self) -> Durable {
        let finding = &self.finding;
        Durable {
            state: (finding.state, finding.severity),
            since_ms: [finding.firing_since_ms, self.past_since_ms, self.recovering_since_ms()],
            evidence: finding.evidence.clone(),
        }
    }

    fn recovering_since_ms(&self) -> Option<i64> {
        self.finding.recovering.map(|recovering| recovering.since_ms)
    }

    fn not_past(&mut self) {
        (self.past_since_ms, self.past_from_ms) = (None, None);
    }

    /// Enters a state. `reason` explains the end of a firing if its value does not.
    fn enter(&mut self, state: FindingState, severity: Option<Severity>, now_ms: i64, reason: Option<String>) {
        let finding = &mut self.finding;
        let fired = finding.state == FindingState::Firing;
        finding.severity = severity;
        if finding.state != state {
            finding.state = state;
            finding.state_since_ms = now_ms;
        }
        if state == FindingState::Firing {
            let since_ms = *finding.firing_since_ms.get_or_insert(now_ms);
            finding.ended = None;
            self.fired.begin(self.past_from_ms.unwrap_or(since_ms), since_ms);
            return;
        }
        finding.firing_since_ms = None;
        finding.recovering = None;
        if fired {
            finding.ended = Some(Ended { at_ms: now_ms, reason });
            self.fired.end(now_ms);
        }
    }
}

/// Returns the key after an evaluation with a row.
pub(super) fn advance(pipeline: &PipelineDef, before: Option<Kept>, judged: &Judged, now_ms: i64) -> Kept {
    let Some(definition) = &pipeline.finding else { return first(pipeline, judged, now_ms) };
    let verdict = match judged.verdict {
        Verdict::NoData => return without_data(pipeline, definition, before, judged, now_ms),
        verdict => verdict,
    };
    let mut kept = before.unwrap_or_else(|| first(pipeline, judged, now_ms));
    let fired = kept.finding.state == FindingState::Firing;
    let past = matches!(verdict, Verdict::Past(_)).then_some(judged.value);
    let (state, severity) = if let Verdict::Past(severity) = verdict {
        let since = *kept.past_since_ms.get_or_insert(now_ms);
        kept.past_from_ms.get_or_insert(judged.from_ms);
        kept.finding.recovering = None;
        let long_enough = fired || now_ms - since >= definition.for_ms;
        (if long_enough { FindingState::Firing } else { FindingState::Pending }, Some(severity))
    } else {
        kept.not_past();
        let since_ms = kept.recovering_since_ms().unwrap_or(now_ms);
        let is_taken_over = judged.explained_by.is_some() && judged.explained_at_once;
        if fired && !is_taken_over && now_ms - since_ms < definition.keep_firing_for_ms {
            // Keep the text of the last value beyond the limit: "5 ms, over 100 ms" would be wrong.
            kept.finding.recovering = Some(Recovering { since_ms, value: judged.value });
            kept.finding.last_seen_ms = now_ms;
            return kept;
        }
        (FindingState::Ok, None)
    };
    let explained = judged.explained_by.as_ref().map(|by| format!("explained by {by}"));
    renew(&mut kept.finding, judged, now_ms);
    kept.enter(state, severity, now_ms, explained);
    if let Some(value) = past {
        kept.fired.past(value, definition.direction);
    }
    kept
}

/// Returns the key after an evaluation without a row; `None` if it is forgotten.
pub(super) fn miss(pipeline: &PipelineDef, mut kept: Kept, now_ms: i64) -> Option<Kept> {
    let definition = pipeline.finding.as_ref()?;
    let silent = kept.finding.state != FindingState::Firing || definition.no_data == NoData::Ok;
    let never = kept.finding.samples == 0;
    if silent && (never || now_ms - kept.finding.last_seen_ms > FORGET_AFTER_MS) {
        return None;
    }
    if ends_with_traffic(definition, &kept) {
        let reason = message::no_traffic(pipeline.window_ms);
        return Some(without_traffic(pipeline, definition, kept, reason, now_ms));
    }
    let (state, severity) = state_without_data(definition, &kept.finding);
    if state != FindingState::Firing {
        kept.not_past();
        kept.finding.title = message::without_data(&pipeline.title, &kept.finding.key, 0, &definition.counted);
    }
    kept.enter(state, severity, now_ms, None);
    Some(kept)
}

/// Returns whether a key fires and ends without traffic.
fn ends_with_traffic(definition: &FindingDef, kept: &Kept) -> bool {
    kept.finding.state == FindingState::Firing && definition.no_data == NoData::Resolve
}

/// Ends a firing key without traffic like one within its limit, and sets the reason.
fn without_traffic(
    pipeline: &PipelineDef,
    definition: &FindingDef,
    mut kept: Kept,
    reason: String,
    now_ms: i64,
) -> Kept {
    let since_ms = kept.recovering_since_ms().unwrap_or(now_ms);
    kept.not_past();
    if now_ms - since_ms < definition.keep_firing_for_ms {
        kept.finding.recovering = Some(Recovering { since_ms, value: None });
        return kept;
    }
    kept.finding.title = message::ended(&pipeline.title, &kept.finding.key, &reason);
    kept.enter(FindingState::Ok, None, now_ms, Some(reason));
    kept
}

/// Updates a key with too few samples.
fn without_data(
    pipeline: &PipelineDef,
    definition: &FindingDef,
    before: Option<Kept>,
    judged: &Judged,
    now_ms: i64,
) -> Kept {
    let is_first = before.is_none();
    let mut kept = before.unwrap_or_else(|| first(pipeline, judged, now_ms));
    let gone = match judged.too_few_in_ms {
        Some(within_ms) => Some(message::little_traffic(within_ms)),
        None => (judged.samples == 0).then(|| message::no_traffic(pipeline.window_ms)),
    };
    if let Some(reason) = gone.filter(|_| ends_with_traffic(definition, &kept)) {
        return without_traffic(pipeline, definition, kept, reason, now_ms);
    }
    let (state, severity) = state_without_data(definition, &kept.finding);
    // A firing key keeps the text of its last judgement.
    if state != FindingState::Firing || is_first {
        renew(&mut kept.finding, judged, now_ms);
        kept.not_past();
    }
    kept.enter(state, severity, now_ms, None);
    kept
}

fn state_without_data(definition: &FindingDef, before: &Finding) -> (FindingState, Option<Severity>) {
    match definition.no_data {
        NoData::Ok => (FindingState::Ok, None),
        NoData::Warning => (FindingState::Firing, Some(before.severity.unwrap_or(Severity::Warning))),
        NoData::Keep | NoData::Resolve if before.state == FindingState::Firing => {
            (FindingState::Firing, before.severity)
        }
        NoData::Keep | NoData::Resolve => (FindingState::NoData, None),
    }
}

fn renew(finding: &mut Finding, judged: &Judged, now_ms: i64) {
    finding.last_seen_ms = now_ms;
    // The row was judged and copied before.
    if finding.evidence.is_copy_of(&judged.evidence) && finding.title == judged.title {
        return;
    }
    finding.title.clone_from(&judged.title);
    finding.value = judged.value;
    finding.limit = judged.limit;
    finding.headroom = judged.headroom;
    finding.samples = judged.samples;
    finding.impact.clone_from(&judged.impact);
    finding.evidence = judged.evidence.clone();
    finding.evidence_sql = judged.evidence_sql.clone();
    if !judged.trace_ids.is_empty() {
        finding.trace_ids = judged.trace_ids.clone();
    }
}

fn first(pipeline: &PipelineDef, judged: &Judged, now_ms: i64) -> Kept {
    let finding = Finding {
        id: judged.id.clone(),
        pipeline: pipeline.id.clone(),
        severity: None,
        state: FindingState::NoData,
        title: judged.title.clone(),
        key: judged.key.clone(),
        value: judged.value,
        limit: judged.limit,
        headroom: judged.headroom,
        unit: pipeline.finding.as_ref().map(|finding| finding.unit.clone()).unwrap_or_default(),
        samples: judged.samples,
        impact: judged.impact.clone(),
        evidence: judged.evidence.clone(),
        trace_ids: judged.trace_ids.clone(),
        evidence_sql: judged.evidence_sql.clone(),
        advice: "".into(),
        proof: Proof::Measured,
        first_seen_ms: now_ms,
        last_seen_ms: now_ms,
        state_since_ms: now_ms,
        firing_since_ms: None,
        recovering: None,
        ended: None,
    };
    Kept { finding, past_since_ms: None, past_from_ms: None, fired: History::default() }
}
