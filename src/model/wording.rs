//! Phrases that describe findings, shared by the terminal, the page, alerts and logs.

use super::evidence::Evidence;
use super::finding::{Ended, Finding, FindingState};
use super::units::{human, short};
use serde_json::{Value, json};
use std::sync::Arc;

/// From this multiple of the limit on, factors are shown as integers.
const WHOLE_FROM: f64 = 10.0;

impl Finding {
    /// Compares the value with its limit: `2.7 s, 27x the limit of 100 ms`. Returns only the value if there is no limit.
    #[must_use]
    pub fn compared(&self) -> Option<String> {
        let value = human(self.value?, &self.unit);
        let Some((limit, against)) = self.limit.zip(self.against_limit()) else { return Some(value) };
        Some(format!("{value}, {against} of {}", human(limit, &self.unit)))
    }

    /// Describes the value relative to its limit: `27x the limit`, `40 % over the limit`, `60 % of the limit`, or, if lower is
    /// worse, `12 points below the limit`.
    #[must_use]
    pub fn against_limit(&self) -> Option<String> {
        let (value, limit) = (self.value?, self.limit?);
        let is_past = self.headroom.map_or(value > limit, |headroom| headroom < 0.0);
        let apart = || {
            let apart = (value - limit).abs();
            if self.unit == "%" { format!("{} points", short(apart)) } else { human(apart, &self.unit) }
        };
        #[expect(clippy::float_cmp, reason = "a count that is the limit")]
        let is_at = value == limit;
        Some(match (is_past, value < limit) {
            _ if is_at => "at the limit".to_owned(),
            (true, true) => format!("{} below the limit", apart()),
            (true, false) if limit > 0.0 => over(value / limit),
            (true, false) => "over the limit".to_owned(),
            (false, true) if limit > 0.0 => format!("{} % of the limit", short(100.0 * value / limit)),
            (false, true) => "under the limit".to_owned(),
            (false, false) => format!("{} above the limit", apart()),
        })
    }

    /// Returns further evidence besides traces and statements, one item per line: exceptions that were thrown.
    #[must_use]
    pub fn evidence_lines(&self) -> Vec<String> {
        let text = |column: &str| self.evidence.text(column).filter(|text| !text.is_empty());
        let exception = match (text("exception_type"), text("exception_message")) {
            (Some(kind), Some(message)) => Some(format!("{kind}: {message}")),
            (one, other) => one.or(other),
        };
        let counted = text("exceptions");
        let logged = text("logged_exceptions").map(|logged| format!("logged: {logged}"));
        exception.into_iter().chain(counted).chain(logged).collect()
    }

    /// Returns the resolved state of a firing finding whose budget or pipeline was removed. Clears values measured while it
    /// fired, because they are no longer current.
    #[must_use]
    pub fn no_longer_judged(&self, now_ms: i64) -> Finding {
        Finding {
            state: FindingState::Ok,
            severity: None,
            title: format!("{} (no longer judged)", self.title),
            value: None,
            limit: None,
            headroom: None,
            impact: String::new(),
            advice: "".into(),
            evidence: Evidence::default(),
            evidence_sql: "".into(),
            trace_ids: Arc::default(),
            state_since_ms: now_ms,
            firing_since_ms: None,
            recovering: None,
            ended: Some(Ended { at_ms: now_ms, reason: None }),
            ..self.clone()
        }
    }

    /// Returns its numbers as phrases, for clients that cannot format them.
    #[must_use]
    pub fn said(&self) -> Value {
        let number = |number: Option<f64>| number.map(|number| human(number, &self.unit));
        json!({
            "value": number(self.value),
            "limit": number(self.limit),
            "against_limit": self.against_limit(),
            "compared": self.compared(),
            "recovering": self.recovering.and_then(|recovering| number(recovering.value)),
            "evidence": self.evidence_lines(),
        })
    }
}

/// Formats a factor above a limit; multiples are rounded down.
fn over(times: f64) -> String {
    if times >= WHOLE_FROM {
        return format!("{}x the limit", times.floor());
    }
    if times >= 2.0 {
        return format!("{}x the limit", short((times * 10.0).floor() / 10.0));
    }
    let percent = 100.0 * (times - 1.0);
    let percent = if percent >= 1.0 { format!("{percent:.0}") } else { short(percent) };
    match percent.as_str() {
        "0" => "just over the limit".to_owned(),
        percent => format!("{percent} % over the limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(value: f64, limit: f64, headroom: Option<f64>, unit: &str) -> Finding {
        serde_json::from_value(json!({
            "id": "", "pipeline": "", "severity": null, "state": "ok", "title": "", "key": {}, "value": value,
            "limit": limit, "unit": unit, "samples": 1, "impact": "", "evidence": {}, "trace_ids": [],
            "evidence_sql": "", "advice": "", "proof": "measured", "headroom": headroom, "first_seen_ms": 0,
            "last_seen_ms": 0, "state_since_ms": 0, "firing_since_ms": null,
        }))
        .unwrap()
    }

    #[test]
    fn a_value_is_held_against_its_limit_as_people_do() {
        for (value, limit, headroom, unit, expected) in [
            // The card example: headroom -2,669 %.
            (2769.0, 100.0, Some(-2669.0), "ms", "2.77 s, 27x the limit of 100 ms"),
            (250.0, 100.0, Some(-150.0), "ms", "250 ms, 2.5x the limit of 100 ms"),
            (299.0, 100.0, Some(-199.0), "ms", "299 ms, 2.9x the limit of 100 ms"),
            (140.0, 100.0, Some(-40.0), "ms", "140 ms, 40 % over the limit of 100 ms"),
            (182.8, 100.0, Some(-82.8), "ms", "183 ms, 83 % over the limit of 100 ms"),
            (100.002, 100.0, Some(-0.002), "ms", "100 ms, just over the limit of 100 ms"),
            (5.0, 5.0, Some(0.0), "{query}", "5, at the limit of 5"),
            (17.0, 5.0, Some(-240.0), "{query}", "17, 3.4x the limit of 5"),
            (3.0, 0.0, None, "1", "3, over the limit of 0"),
            (60.0, 100.0, Some(40.0), "ms", "60 ms, 60 % of the limit of 100 ms"),
            (5.0, 0.1, Some(-4900.0), "%", "5 %, 50x the limit of 0.1 %"),
            // Lower is worse.
            (42.0, 85.0, Some(-286.0), "%", "42 %, 43 points below the limit of 85 %"),
            (99.95, 99.9, Some(50.0), "%", "99.95 %, 0.05 points above the limit of 99.9 %"),
            (0.6, 0.9, Some(-300.0), "1", "0.6, 0.3 below the limit of 0.9"),
            (6000.0, 4000.0, Some(50.0), "{call}", "6000, 2000 above the limit of 4000"),
        ] {
            assert_eq!(finding(value, limit, headroom, unit).compared().unwrap(), expected);
        }
        let alone = Finding { limit: None, ..finding(5.0, 1.0, None, "ms") };
        assert_eq!((alone.compared().unwrap().as_str(), alone.against_limit()), ("5 ms", None));
    }

    #[test]
    fn an_exception_is_a_line_of_evidence() {
        let with = |evidence: Value| Finding {
            evidence: evidence.as_object().unwrap().into(),
            ..finding(1.0, 1.0, None, "%")
        };
        let both = with(json!({"exception_type": "ValueError", "exception_message": "no such card"}));
        assert_eq!(both.evidence_lines(), ["ValueError: no such card"]);
        let one = with(json!({"exception_type": "ValueError", "exception_message": null}));
        assert_eq!(one.evidence_lines(), ["ValueError"]);
        let many = with(json!({"exceptions": "12x Refused: by ?; 1x Timeout", "logged_exceptions": "Refused: by ?"}));
        assert_eq!(many.evidence_lines(), ["12x Refused: by ?; 1x Timeout", "logged: Refused: by ?"]);
        assert!(with(json!({})).evidence_lines().is_empty());
    }
}
