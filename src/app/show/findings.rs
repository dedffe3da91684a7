//! Findings as text.

use super::block::Block;
use super::screen::Frame;
use super::terminal::{Tone, plain};
use crate::model::finding::{Finding, FindingState, Severity};
use crate::model::shown::shown;
use crate::model::units::human_ms;

/// Returns the findings one below the other, and a summary line. Times are relative to `now_ms`.
#[must_use]
pub fn findings(findings: &[Finding], colour: bool, now_ms: i64) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&one(finding, colour, now_ms).whole());
    }
    text.push_str(&summary(findings));
    text.push('\n');
    text
}

/// Returns the output of `findings`: the firing and pending findings, or with `all` every key, and a summary line of all of
/// them.
#[must_use]
pub fn page(all_findings: &[Finding], all: bool, colour: bool, now_ms: i64) -> Frame {
    let shown = chosen(all_findings, all);
    let more = if shown.len() < all_findings.len() { " (--all shows every key)" } else { "" };
    let foot = format!("{}{more}\n", summary(all_findings));
    Frame { findings: blocks(&shown, colour, now_ms), foot, ..Frame::default() }
}

/// Returns one block per finding.
#[must_use]
pub fn blocks(findings: &[Finding], colour: bool, now_ms: i64) -> Vec<Block> {
    findings.iter().map(|finding| one(finding, colour, now_ms)).collect()
}

/// Returns the firing and pending findings, limited per pipeline; with `all`, every one.
#[must_use]
pub fn chosen(findings: &[Finding], all: bool) -> Vec<Finding> {
    if all {
        return findings.to_vec();
    }
    let telling = |finding: &&Finding| matches!(finding.state, FindingState::Firing | FindingState::Pending);
    shown(findings).into_iter().filter(telling).cloned().collect()
}

/// Returns the number of keys in each state: `2 firing (1 critical), 1 pending, 40 ok, 3 without data`.
#[must_use]
pub fn summary(findings: &[Finding]) -> String {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let firing = count(FindingState::Firing);
    let critical =
        |finding: &&Finding| finding.state == FindingState::Firing && finding.severity == Some(Severity::Critical);
    let critical = findings.iter().filter(critical).count();
    let mut parts = vec![match (firing, critical) {
        (0, _) => "nothing firing".to_owned(),
        (1, 0) => "1 firing".to_owned(),
        (1, _) => "1 firing (critical)".to_owned(),
        (firing, 0) => format!("{firing} firing"),
        (firing, critical) => format!("{firing} firing ({critical} critical)"),
    }];
    let others = [(FindingState::Pending, "pending"), (FindingState::Ok, "ok"), (FindingState::NoData, "without data")];
    parts.extend(
        others
            .into_iter()
            .filter(|(state, _)| count(*state) > 0)
            .map(|(state, word)| format!("{} {word}", count(state))),
    );
    parts.join("; ")
}

fn one(finding: &Finding, colour: bool, now_ms: i64) -> Block {
    let (mark, word, tone) = mark(finding);
    let recovering = finding.recovering.map(|recovering| {
        plain(&recovering.said(&format!("for {}", since(recovering.since_ms, now_ms)), &finding.unit))
    });
    let mut facts: Vec<String> = finding.compared().into_iter().collect();
    if !finding.impact.is_empty() {
        facts.push(plain(&finding.impact));
    }
    facts.push(format!("for {}", since(entered_ms(finding), now_ms)));
    facts.push(finding.pipeline.clone());
    facts.extend(finding.trace_ids.first().map(|trace| format!("trace {}", plain(trace))));
    let is_telling = matches!(finding.state, FindingState::Firing | FindingState::Pending);
    let advice = Some(plain(&finding.advice)).filter(|advice| is_telling && !advice.is_empty());
    let evidence = if is_telling { finding.evidence_lines() } else { Vec::new() };
    let evidence = evidence.iter().map(|line| plain(line)).collect();
    Block { mark, word, tone, title: plain(&finding.title), recovering, facts, evidence, advice, colour }
}

fn mark(finding: &Finding) -> (&'static str, &'static str, Tone) {
    match (finding.state, finding.severity) {
        (FindingState::Firing, Some(Severity::Critical)) => ("●", "critical", Tone::Bad),
        (FindingState::Firing, _) => ("▲", "warning", Tone::Worrying),
        (FindingState::Pending, _) => ("○", "pending", Tone::Worrying),
        (FindingState::Ok, _) => ("✓", "ok", Tone::Good),
        (FindingState::NoData, _) => ("–", "no data", Tone::Faint),
    }
}

/// Returns the time at which a finding entered its state.
fn entered_ms(finding: &Finding) -> i64 {
    match finding.state {
        FindingState::Firing => finding.firing_since_ms.unwrap_or(finding.state_since_ms),
        _ => finding.state_since_ms,
    }
}

fn since(from_ms: i64, now_ms: i64) -> String {
    // Whole seconds, because fractions would change at every update.
    let seconds = now_ms.saturating_sub(from_ms).max(0) / 1000;
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    if seconds == 0 { "0 s".to_owned() } else { human_ms(seconds as f64 * 1000.0) }
}
