//! Rule files of Prometheus.

use super::promql::text;
use std::fmt::Write as _;

/// A group of rules that are evaluated together.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) comments: Vec<String>,
    pub(super) rules: Vec<Rule>,
}

/// A recording rule or an alerting rule.
pub(super) struct Rule {
    kind: &'static str,
    name: String,
    expression: String,
    keeps_firing_for: Option<&'static str>,
    labels: Vec<(&'static str, String)>,
    summary: Option<String>,
}

impl Rule {
    pub(super) fn record(name: String, expression: String) -> Rule {
        Rule { kind: "record", name, expression, keeps_firing_for: None, labels: Vec::new(), summary: None }
    }

    pub(super) fn alert(name: &str, expression: String, summary: &str) -> Rule {
        let summary = Some(summary.to_owned());
        Rule { kind: "alert", name: name.to_owned(), expression, keeps_firing_for: None, labels: Vec::new(), summary }
    }

    /// Keeps firing for this long after the condition ends.
    pub(super) fn keeps(self, time: &'static str) -> Rule {
        Rule { keeps_firing_for: Some(time), ..self }
    }

    pub(super) fn label(mut self, name: &'static str, value: &str) -> Rule {
        // The user's text is not a template.
        self.labels.push((name, value.replace("{{", "{ {")));
        self
    }

    fn print(&self, out: &mut String) {
        line(out, 6, &format!("- {}: {}", self.kind, self.name));
        // A literal block needs no escapes: the expression has no line break and does not start with a space.
        line(out, 8, "expr: |-");
        line(out, 10, &self.expression);
        if let Some(time) = self.keeps_firing_for {
            line(out, 8, &format!("keep_firing_for: {time}"));
        }
        if !self.labels.is_empty() {
            line(out, 8, "labels:");
        }
        for (name, value) in &self.labels {
            line(out, 10, &format!("{name}: {}", text(value)));
        }
        if let Some(summary) = &self.summary {
            line(out, 8, "annotations:");
            line(out, 10, &format!("summary: {}", text(summary)));
        }
    }
}

/// Returns a rule file with these groups and comments at the top.
pub(super) fn print(head: &[String], groups: &[Group]) -> String {
    let mut out = String::new();
    head.iter().for_each(|comment| comment_line(&mut out, 0, comment));
    if groups.is_empty() {
        line(&mut out, 0, "groups: []");
        return out;
    }
    line(&mut out, 0, "groups:");
    for group in groups {
        group.comments.iter().for_each(|comment| comment_line(&mut out, 2, comment));
        line(&mut out, 2, &format!("- name: {}", group.name));
        line(&mut out, 4, if group.rules.is_empty() { "rules: []" } else { "rules:" });
        group.rules.iter().for_each(|rule| rule.print(&mut out));
    }
    out
}

fn comment_line(out: &mut String, indent: usize, comment: &str) {
    // A line break in a user-defined name would end the comment.
    let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line(out, indent, &format!("# {comment}"));
}

fn line(out: &mut String, indent: usize, text: &str) {
    let _written = writeln!(out, "{:indent$}{text}", "");
}
