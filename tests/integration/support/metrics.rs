//! Parser for the subset of Prometheus' text format that the tests read.

use std::collections::BTreeMap;

/// One sample line of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Line {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// Returns all lines that are not comments.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(line).collect()
}

fn line(text: &str) -> Line {
    let (head, labels, rest) = match text.split_once('{') {
        None => {
            let (name, rest) = text.split_once(' ').unwrap_or_else(|| panic!("no value in {text:?}"));
            (name, BTreeMap::new(), rest)
        }
        Some((name, rest)) => {
            let (labels, rest) = labels(rest);
            (name, labels, rest)
        }
    };
    let value = rest.split_whitespace().next().unwrap_or_default();
    let value = match value {
        "+Inf" => f64::INFINITY,
        value => value.parse().unwrap_or_else(|_| panic!("no number in {text:?}")),
    };
    Line { name: head.to_owned(), labels, value }
}

/// Parses labels up to the closing brace; also returns the remaining text.
fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return (labels, rest);
        }
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label in {rest:?}"));
        let mut text = String::new();
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next() {
                Some((_, '\\')) => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, other)) => text.push(other),
                    None => panic!("a label does not end: {value:?}"),
                },
                Some((end, '"')) => break end,
                Some((_, other)) => text.push(other),
                None => panic!("a label does not end: {value:?}"),
            }
        };
        labels.insert(name.to_owned(), text);
        rest = &value[end + 1..];
    }
}

/// Returns the sum of all lines with a name.
pub(crate) fn sum(lines: &[Line], name: &str) -> f64 {
    lines.iter().filter(|line| line.name == name).map(|line| line.value).sum()
}
