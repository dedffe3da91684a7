//! Messages for a Slack incoming webhook: <https://docs.slack.dev/messaging/formatting-message-text>.

use super::messages::{Notice, TRACES_MAX};
use crate::delivery::Outcome;
use crate::delivery::web::Answer;
use crate::model::finding::Severity;
use crate::model::units::human_ms;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Maximum findings shown in one message; the rest are counted. Slack accepts 50 blocks, and a finding takes two.
const FINDINGS_MAX: usize = 10;
/// Slack accepts 3000 characters in a section; the parts below stay under that in total.
const TITLE_MAX: usize = 400;
const IMPACT_MAX: usize = 300;
const ADVICE_MAX: usize = 1500;
const EVIDENCE_MAX: usize = 200;
const SQL_MAX: usize = 2200;
/// Maximum characters of an unexpected response that are reported.
const SAID_MAX: usize = 200;

/// Builds one message for all notifications, the first ten in full.
pub(super) fn slack(notices: &[Notice]) -> Value {
    let shown = &notices[..notices.len().min(FINDINGS_MAX)];
    let mut attachments: Vec<Value> = shown.iter().map(attachment).collect();
    let is_over = notices.first().is_some_and(Notice::is_resolved);
    if notices.len() > shown.len() {
        let where_to_look = if is_over { "" } else { ": `SELECT * FROM findings WHERE state = 'firing'`" };
        let more = format!("and {} more{where_to_look}", notices.len() - shown.len());
        attachments.push(json!({"color": "#888888", "blocks": [section(&more)]}));
    }
    let text = match notices {
        [notice] => headline(notice),
        _ => format!("{} findings {}", notices.len(), if is_over { "are over" } else { "fire" }),
    };
    json!({ "text": text, "attachments": attachments })
}

/// Checks a successful response: without Slack's "ok", another server such as a login page has answered. Slack-compatible
/// servers have their own words, and some send none.
pub(super) fn refusal(answer: &Answer) -> Option<Outcome> {
    let text = String::from_utf8_lossy(&answer.body);
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("ok") || says_success(text) {
        return None;
    }
    let said: String = text.chars().take(SAID_MAX).collect();
    Some(Outcome::PermanentError(format!("{}: {said:?}, where Slack answers \"ok\" (is `url` right?)", answer.status)))
}

/// `{"ok": true}` of Slack's API, `{"success": true}` of Rocket.Chat, `{"result": "success"}` of Zulip.
fn says_success(text: &str) -> bool {
    let Ok(said) = serde_json::from_str::<Value>(text) else { return false };
    let is_true = |name: &str| said[name] == true;
    let is_word = |name: &str| matches!(said[name].as_str(), Some("ok" | "success"));
    ["ok", "success"].into_iter().any(is_true) || ["result", "status"].into_iter().any(is_word)
}

fn headline(notice: &Notice) -> String {
    let mark = match (notice.is_resolved(), notice.severity) {
        (true, _) => ":white_check_mark: over:",
        (false, Some(Severity::Critical)) => ":red_circle: critical:",
        (false, _) => ":warning: warning:",
    };
    format!("{mark} {}", escaped(&one_line(&notice.title), TITLE_MAX))
}

fn attachment(notice: &Notice) -> Value {
    let colour = match (notice.is_resolved(), notice.severity) {
        (true, _) => "#2f8f4e",
        (false, Some(Severity::Critical)) => "#d03b3b",
        (false, _) => "#e0a000",
    };
    let mut blocks = vec![section(&summary(notice))];
    let evidence = if notice.is_resolved() { String::new() } else { evidence(notice) };
    if !evidence.is_empty() {
        blocks.push(section(&evidence));
    }
    json!({"color": colour, "blocks": blocks})
}

/// Title, value against limit, impact, and recommended action.
fn summary(notice: &Notice) -> String {
    let finding = &notice.finding;
    let mut text = format!("*{}*", headline(notice));
    let value = finding.compared().map(|compared| escaped(&compared, 200));
    let facts = if let Some(ended_ms) = notice.ended_ms {
        #[expect(clippy::cast_precision_loss, reason = "a duration, for people")]
        let lasted = human_ms(ended_ms.saturating_sub(notice.since_ms).max(0) as f64);
        // Without new data, the last value is not the current one.
        let now = match notice.reason() {
            Some(reason) => Some(escaped(&one_line(reason), IMPACT_MAX)),
            None => value.map(|value| format!("now {value}")),
        };
        [now, Some(format!("it lasted {lasted}"))]
    } else {
        [value, Some(escaped(&one_line(&finding.impact), IMPACT_MAX)).filter(|impact| !impact.is_empty())]
    };
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let advice = if notice.is_resolved() { String::new() } else { escaped(&finding.advice, ADVICE_MAX) };
    for line in [facts, advice].iter().filter(|line| !line.is_empty()) {
        let _ = write!(text, "\n{line}");
    }
    text
}

/// Exceptions and example traces, and the query that finds them.
fn evidence(notice: &Notice) -> String {
    let finding = &notice.finding;
    let lines: Vec<String> =
        finding.evidence_lines().iter().map(|line| escaped(&one_line(line), EVIDENCE_MAX)).collect();
    let mut text = lines.join("\n");
    let traces: Vec<String> =
        finding.trace_ids.iter().take(TRACES_MAX).map(|id| format!("`{}`", escaped(&one_line(id), 40))).collect();
    if !traces.is_empty() {
        let line = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{line}traces: {}", traces.join(", "));
    }
    let sql = finding.evidence_sql.trim().replace("```", "'''");
    if !sql.is_empty() {
        let line = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{line}```{}```", escaped(&sql, SQL_MAX));
    }
    text
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Escapes text for Slack, to at most `chars_max` characters and never cut within an escape.
fn escaped(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in text.chars() {
        let length_before = out.len();
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
        length += out[length_before..].chars().count();
        if length >= chars_max {
            out.truncate(length_before);
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_parts_an_escape() {
        assert_eq!(escaped("a<b>&c", 100), "a&lt;b&gt;&amp;c");
        assert_eq!(escaped("ab<<", 7), "ab&lt;…");
        assert_eq!(escaped("äöü", 3), "äö…");
        assert!(escaped(&"&".repeat(9000), 400).chars().count() <= 400);
    }
}
