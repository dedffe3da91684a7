//! Parses text to [`Node`]s with saphyr, resolves merge keys, and reports each repeated key.

use super::{Entry, Node, Value};
use crate::model::fault::{Fault, Faults};
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, ScanError, YamlData};
use std::collections::HashMap;

/// Prefix that marks a repeated key in the text, so that parsing continues and finds further faults. A private-use character:
/// no real key begins with it.
const REPEATED: char = '\u{F8F0}';
/// Maximum number of repeated keys reported in one load.
const REPEATED_MAX: usize = 50;
/// Maximum nesting depth of lists and maps.
const DEPTH_MAX: usize = 100;

/// Parses one YAML document.
///
/// # Errors
/// When the text is not YAML, contains more than one document, or repeats a key in one map.
pub fn parse(file: &str, text: &str) -> Result<Node, Faults> {
    parse_at(file, text, 1)
}

/// Parses one YAML document that begins on line `first_line` of its file, such as front-matter.
///
/// # Errors
/// As [`parse`].
pub fn parse_at(file: &str, text: &str, first_line: usize) -> Result<Node, Faults> {
    let before = first_line.saturating_sub(1);
    let mut text = text.to_owned();
    for _ in 0..REPEATED_MAX {
        match MarkedYaml::load_from_str(&text) {
            Ok(documents) => return convert_all(file, &text, &documents, before),
            Err(error) => match mark_repeated(&text, &error) {
                Some(marked) => text = marked,
                None => return Err(not_yaml(file, &error, before)),
            },
        }
    }
    Err(Faults(vec![Fault::new(file, 0, "", format!("more than {REPEATED_MAX} keys are given twice"))]))
}

fn not_yaml(file: &str, error: &ScanError, before: usize) -> Faults {
    let line = error.marker().line() + before;
    Faults(vec![Fault::new(file, line, "", format!("this is not YAML: {}", error.info()))])
}

/// Marks the key that the error reports as repeated. Returns `None` if it is a different error, or if the key cannot be marked
/// (an alias as a key).
fn mark_repeated(text: &str, error: &ScanError) -> Option<String> {
    if !error.info().contains("duplicated key") {
        return None;
    }
    let mut at = text.char_indices().nth(error.marker().index())?.0;
    match text[at..].chars().next()? {
        '*' | '&' | '!' | '{' | '[' | '?' => return None,
        '"' | '\'' => at += 1,
        _ => {}
    }
    let mut marked = text.to_owned();
    marked.insert(at, REPEATED);
    Some(marked)
}

fn convert_all(file: &str, text: &str, documents: &[MarkedYaml<'_>], before: usize) -> Result<Node, Faults> {
    let written = Written { text: text.chars().collect(), anchors: HashMap::new() };
    let mut convert = Convert { file, before, written, faults: Vec::new() };
    let root = match documents {
        [] => Node::new(1 + before, Value::Null),
        [one] => convert.node(one, "", 0),
        [_, second, ..] => {
            convert.fault(second, "", "expected one YAML document, found a second");
            convert.node(&documents[0], "", 0)
        }
    };
    if convert.faults.is_empty() { Ok(root) } else { Err(Faults(convert.faults)) }
}

struct Convert<'a> {
    file: &'a str,
    before: usize,
    written: Written,
    faults: Vec<Fault>,
}

/// Original spelling of scalars: saphyr parses numbers without their zeros, but gives their position in the text.
struct Written {
    text: Vec<char>,
    /// Spelling of anchored scalars by anchor name, for aliases.
    anchors: HashMap<String, String>,
}

impl Written {
    fn scalar(&mut self, yaml: &MarkedYaml<'_>, scalar: &Scalar<'_>) -> Node {
        let line = yaml.span.start.line();
        let canonical = match scalar {
            Scalar::Boolean(value) => value.to_string(),
            Scalar::Integer(value) => value.to_string(),
            Scalar::FloatingPoint(value) => value.to_string(),
            Scalar::Null | Scalar::String(_) => return Node::of_scalar(line, "", scalar.clone()),
        };
        // The span includes an anchor and a tag before the scalar.
        let (start, end) = (yaml.span.start.index(), yaml.span.end.index());
        let source: String = self.text.get(start..end).unwrap_or_default().iter().collect();
        let last = source.split_whitespace().next_back().unwrap_or_default();
        let written = match last.strip_prefix('*') {
            Some(name) => self.anchors.get(name).cloned().unwrap_or_default(),
            None => last.to_owned(),
        };
        let same = Scalar::parse_from_cow(written.as_str().into()) == *scalar;
        let written = if same { written } else { canonical };
        if let Some(name) = source.split_whitespace().find_map(|word| word.strip_prefix('&')) {
            self.anchors.insert(name.to_owned(), written.clone());
        }
        Node::of_scalar(line, &written, scalar.clone())
    }
}

impl Convert<'_> {
    fn line(&self, yaml: &MarkedYaml<'_>) -> usize {
        yaml.span.start.line() + self.before
    }

    fn fault(&mut self, at: &MarkedYaml<'_>, path: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(self.file, self.line(at), path, message));
    }

    fn node(&mut self, yaml: &MarkedYaml<'_>, path: &str, depth: usize) -> Node {
        let line = self.line(yaml);
        if depth > DEPTH_MAX {
            self.fault(yaml, path, format!("expected at most {DEPTH_MAX} levels of lists and maps, found more"));
            return Node::new(line, Value::Null);
        }
        let value = match &yaml.data {
            YamlData::Value(scalar) => return Node { line, ..self.written.scalar(yaml, scalar) },
            YamlData::Sequence(items) => Value::List(
                items.iter().enumerate().map(|(i, item)| self.node(item, &format!("{path}[{i}]"), depth + 1)).collect(),
            ),
            YamlData::Mapping(map) => Value::Map(self.map(map.iter(), path, depth)),
            YamlData::Tagged(_, inner) => return self.node(inner, path, depth + 1),
            YamlData::BadValue | YamlData::Alias(_) | YamlData::Representation(..) => {
                // saphyr returns a bad value for an empty document, which is valid.
                if depth > 0 {
                    self.fault(yaml, path, "the value does not fit its tag, or names an anchor that is not there");
                }
                Value::Null
            }
        };
        Node::new(line, value)
    }

    fn map<'y, 'i: 'y>(
        &mut self,
        pairs: impl Iterator<Item = (&'y MarkedYaml<'i>, &'y MarkedYaml<'i>)>,
        path: &str,
        depth: usize,
    ) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        for (key, value) in pairs {
            let Some(text) = self.key_text(key) else {
                self.fault(key, path, "expected a plain word as a key, found a list or a map");
                continue;
            };
            let line = self.line(key);
            if let Some(repeated) = text.strip_prefix(REPEATED) {
                self.fault(key, &join(path, repeated), "the key is given twice in this map");
                continue;
            }
            let node = self.node(value, &join(path, &text), depth + 1);
            if text == "<<" {
                self.merge(value, node, path, &mut merged);
            } else {
                entries.push(Entry { key: text, line, node });
            }
        }
        // Own keys take precedence over merged ones, and earlier merged maps over later ones.
        for entry in merged {
            if !entries.iter().any(|known| known.key == entry.key) {
                entries.push(entry);
            }
        }
        entries
    }

    fn key_text(&mut self, key: &MarkedYaml<'_>) -> Option<String> {
        match &key.data {
            YamlData::Value(Scalar::Null) => Some("null".into()),
            YamlData::Value(scalar) => self.written.scalar(key, scalar).scalar(),
            YamlData::Tagged(_, inner) => self.key_text(inner),
            _ => None,
        }
    }

    fn merge(&mut self, at: &MarkedYaml<'_>, node: Node, path: &str, merged: &mut Vec<Entry>) {
        match node.value {
            Value::Map(entries) => merged.extend(entries),
            Value::List(items) => items.into_iter().for_each(|item| self.merge(at, item, path, merged)),
            _ => self.fault(at, &join(path, "<<"), format!("expected a map to merge, found {}", node.form())),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
