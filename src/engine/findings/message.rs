//! Titles and texts of findings.

use crate::model::finding::{Finding, FindingState};
use crate::model::units::{human, human_count, human_ms};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Maximum length of a column's text in a title, because statements can be long.
const TEXT_MAX: usize = 160;

/// Fills the `{column}` placeholders of a template.
pub(super) fn fill(
    template: &str,
    row: &Map<String, Value>,
    value: Option<f64>,
    limit: Option<f64>,
    samples: u64,
    unit: &str,
) -> String {
    let number = |number: Option<f64>| number.map_or_else(|| "unknown".to_owned(), |number| human(number, unit));
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, behind)) = behind.split_once('}') else {
            out.push('{');
            rest = behind;
            continue;
        };
        match name {
            "value" => out.push_str(&number(value)),
            "limit" => out.push_str(&number(limit)),
            // The promised limit, even if the critical limit is exceeded.
            "warning" => out.push_str(&number(row.get("warning").and_then(Value::as_f64).or(limit))),
            "samples" => out.push_str(&samples.to_string()),
            name => out.push_str(&column(name, row.get(name))),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Returns the title of a key within its limits.
pub(super) fn inside(
    title: &str,
    key: &[(String, String)],
    value: Option<f64>,
    limit: Option<f64>,
    unit: &str,
) -> String {
    let value = value.map_or_else(|| "good".to_owned(), |value| human(value, unit));
    let limit = limit.map_or_else(String::new, |limit| format!(", inside its limit of {}", human(limit, unit)));
    format!("{}: {value}{limit}", of_key(title, key))
}

/// Returns the title of a key without data.
pub(super) fn without_data(title: &str, key: &[(String, String)], samples: u64, counted: &str) -> String {
    let why = match samples {
        0 => "no data".to_owned(),
        samples => format!("too little to judge, {}", count(samples, counted)),
    };
    format!("{}: {why}", of_key(title, key))
}

/// Returns the title of a key that does not fire because another finding explains it.
pub(super) fn explained(title: &str, key: &[(String, String)], value: Option<f64>, by: &str, unit: &str) -> String {
    let value = value.map_or_else(String::new, |value| format!("{}, ", human(value, unit)));
    format!("{}: {value}explained by {by}", of_key(title, key))
}

/// Returns the title of a key that stopped firing for a reason other than its value.
pub(super) fn ended(title: &str, key: &[(String, String)], reason: &str) -> String {
    format!("{}: {reason}", of_key(title, key))
}

/// Returns the reason why a finding over traffic ended without traffic.
pub(super) fn no_traffic(within_ms: i64) -> String {
    format!("no traffic any more, for {}", span(within_ms))
}

/// Returns the reason why a finding over traffic ended after too little traffic for a long time.
pub(super) fn little_traffic(within_ms: i64) -> String {
    format!("too little traffic to judge any more, for {}", span(within_ms))
}

fn span(ms: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    human_ms(ms as f64)
}

/// Formats a count: `130 requests`, `1 request`, `12.4 k lookups`.
fn count(number: u64, counted: &str) -> String {
    let one = match counted.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => counted.strip_suffix('s').unwrap_or(counted).to_owned(),
    };
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let shown = human_count(number as f64);
    format!("{shown} {}", if number == 1 { &one } else { counted })
}

/// Returns the title of a pipeline followed by the key.
fn of_key(title: &str, key: &[(String, String)]) -> String {
    let mut text = title.to_owned();
    let mut between = ": ";
    for (_, value) in key.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(between);
        text.push_str(&cut(value));
        between = " ";
    }
    text
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(TEXT_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

fn column(name: &str, value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(Value::String(text)) => cut(text),
        Some(value) => match value.as_f64() {
            Some(number) if name.ends_with("_ms") => human_ms(number),
            Some(number) => human_count(number),
            None => value.to_string(),
        },
    }
}

/// Returns total time, requests and failures, as far as the row has them: `58.6 s over 130 requests, 12 failed`.
pub(super) fn impact(row: &Map<String, Value>, samples: u64, counted: &str) -> String {
    let number = |column: &str| row.get(column).and_then(Value::as_f64);
    let failed = number("errors").filter(|errors| *errors > 0.0).map(|errors| (human_count(errors), "failed"));
    let missed = number("misses").map(|misses| (human_count(misses), "missed"));
    let judged = count(samples, counted);
    let bad = failed.into_iter().chain(missed);
    if let Some(total_ms) = number("total_ms") {
        let all = format!("{} over {judged}", human_ms(total_ms));
        return bad.fold(all, |all, (number, what)| format!("{all}, {number} {what}"));
    }
    let bad: Vec<String> = bad.map(|(number, what)| format!("{number} of {judged} {what}")).collect();
    match bad[..] {
        // A single request needs no count.
        [] if samples <= 1 => String::new(),
        [] => format!("over {judged}"),
        _ => bad.join(", "),
    }
}

/// Orders findings for display: firing and most severe first.
pub(super) fn for_people(a: &Finding, b: &Finding) -> Ordering {
    let rank = |finding: &Finding| match finding.state {
        FindingState::Firing => 0,
        FindingState::Pending => 1,
        FindingState::Ok => 2,
        FindingState::NoData => 3,
    };
    (rank(a), std::cmp::Reverse(a.severity), &a.pipeline, &a.key).cmp(&(
        rank(b),
        std::cmp::Reverse(b.severity),
        &b.pipeline,
        &b.key,
    ))
}
