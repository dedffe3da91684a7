//! YAML with line numbers. A text is parsed to a tree of [`Node`]s; a [`MapReader`] reads typed values from it and collects all
//! faults, each with file, line, dotted key, expected and found value.
//!
//! ```
//! use spanwise::catalog::yaml::{Gather, parse};
//!
//! let root = parse("a.yaml", "name: spans\nlimit: 5\nlevel: warn\n")?;
//! let gather = Gather::new("a.yaml");
//! if let Some(map) = gather.map(&root, "") {
//!     let name: Option<String> = map.str("name");                      // absent or null: None. Wrong type: None and a fault
//!     let limit: i64 = map.int("limit").unwrap_or(50);                 // likewise float, bool, strs, maps, map, list
//!     let level = map.word("level", &[("info", 0), ("warn", 1)]);      // one of a list of words, with did-you-mean
//!     let wait = map.parsed("wait", "a duration such as 5s", |text| text.strip_suffix('s')?.parse::<u64>().ok());
//!     map.finish();                                                    // keys that were never requested are faults
//! #   assert_eq!((name.as_deref(), limit, level, wait), (Some("spans"), 5, Some(1), None));
//! }
//! gather.done()?;                                                      // Err(Faults) if there are any
//! # Ok::<(), spanwise::model::fault::Faults>(())
//! ```
//!
//! `need_str` and the other `need` functions (`need(key)`, then the getter) add a fault if the key is missing. `fault` and
//! `expected` add faults of the caller. Maps keep their order. Anchors, aliases and the merge key `<<` work; a repeated key is
//! a fault. [`Node`] is plain data: a caller can rewrite it (environment variables) before reading. Numbers keep their
//! spelling: read as text, `007` is `007`.

use crate::model::fault::{Fault, Faults, did_you_mean, hint};
use std::cell::RefCell;

mod load;
mod node;
#[cfg(test)]
mod tests;

pub use load::{parse, parse_at};
pub use node::{Entry, Node, Value};

/// Message for a missing required key.
const MISSING: &str = "is missing";

/// Collects the faults of one file. Several readers can share it.
#[derive(Debug)]
pub struct Gather {
    file: String,
    faults: RefCell<Vec<Fault>>,
}

impl Gather {
    /// Creates a collector for a file; `file` is the name in messages.
    #[must_use]
    pub fn new(file: impl Into<String>) -> Gather {
        Gather { file: file.into(), faults: RefCell::default() }
    }

    /// Adds a fault.
    pub fn fault(&self, line: usize, key: impl Into<String>, message: impl Into<String>) {
        self.faults.borrow_mut().push(Fault::new(&self.file, line, key, message));
    }

    /// Adds the fault that `node` is not what was `expected`: `expected a duration such as 5s, found number 5`. Does nothing if
    /// a fault of the node was already reported.
    pub fn expected(&self, node: &Node, key: impl Into<String>, expected: &str) {
        if node.value != Value::Faulty {
            self.fault(node.line, key, format!("expected {expected}, found {}", node.describe()));
        }
    }

    /// Like `expected`, where a map or list is expected. The found text is not quoted, because it can be a secret.
    fn expected_form(&self, node: &Node, key: impl Into<String>, expected: &str) {
        if node.value != Value::Faulty {
            self.fault(node.line, key, format!("expected {expected}, found {}", node.form()));
        }
    }

    /// Returns a reader of `node`, which must be a map; `path` is its dotted key, empty at the top. A null is read as an empty
    /// map.
    pub fn map<'a>(&'a self, node: &'a Node, path: impl Into<String>) -> Option<MapReader<'a>> {
        let path = path.into();
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                self.expected_form(node, path, "a map");
                return None;
            }
        };
        Some(MapReader { gather: self, entries, line: node.line, path, asked: RefCell::default() })
    }

    /// Returns whether no fault was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// Removes and returns the faults, sorted by line.
    #[must_use]
    pub fn take(&self) -> Vec<Fault> {
        let mut faults = std::mem::take(&mut *self.faults.borrow_mut());
        faults.sort_by_key(|fault| fault.line);
        faults
    }

    /// Finishes a load.
    ///
    /// # Errors
    /// All faults, sorted by line, if there are any.
    pub fn done(&self) -> Result<(), Faults> {
        if self.is_clean() { Ok(()) } else { Err(Faults(self.take())) }
    }
}

/// Reads typed values from one map. [`MapReader::finish`] reports keys that were never requested.
#[derive(Debug)]
pub struct MapReader<'a> {
    gather: &'a Gather,
    entries: &'a [Entry],
    line: usize,
    path: String,
    asked: RefCell<Vec<String>>,
}

impl<'a> MapReader<'a> {
    /// Returns the line of the map.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the dotted path of a key of this map.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Returns the dotted path of this map.
    #[must_use]
    pub fn whole_path(&self) -> &str {
        &self.path
    }

    /// Returns the fault collector, for faults of the caller.
    #[must_use]
    pub fn gather(&self) -> &'a Gather {
        self.gather
    }

    /// Adds a fault for a key, on its line if the key exists, else on the line of the map.
    pub fn fault(&self, key: &str, message: impl Into<String>) {
        let line = self.entries.iter().find(|e| e.key == key).map_or(self.line, |e| e.line);
        self.gather.fault(line, self.path(key), message);
    }

    /// Returns the node of a key, including null. Marks the key as known.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key.to_owned());
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Returns whether the key exists, including null.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Returns all entries, for maps with arbitrary keys. Marks all keys as known.
    pub fn entries(&self) -> &'a [Entry] {
        self.asked.borrow_mut().extend(self.entries.iter().map(|entry| entry.key.clone()));
        self.entries
    }

    /// Adds a fault if the key is missing or null. Returns whether it exists.
    pub fn need(&self, key: &str) -> bool {
        let there = self.get(key).is_some_and(|node| node.value != Value::Null);
        if !there {
            self.fault(key, MISSING);
        }
        there
    }

    /// Reads a text. A number or boolean is a fault that suggests quotes.
    pub fn str(&self, key: &str) -> Option<String> {
        self.typed(key, "text (a number needs quotes)", |node| match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// Reads a required text. If it is missing, adds a fault and returns an empty text.
    pub fn need_str(&self, key: &str) -> String {
        if self.need(key) { self.str(key).unwrap_or_default() } else { String::new() }
    }

    /// Reads an integer.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.typed(key, "a whole number", |node| match node.value {
            Value::Int(value) => Some(value),
            _ => None,
        })
    }

    /// Reads a number.
    pub fn float(&self, key: &str) -> Option<f64> {
        self.typed(key, "a number", |node| match node.value {
            #[expect(clippy::cast_precision_loss, reason = "a limit that a person wrote")]
            Value::Int(value) => Some(value as f64),
            Value::Float(value) => Some(value),
            _ => None,
        })
    }

    /// Reads a boolean.
    pub fn bool(&self, key: &str) -> Option<bool> {
        self.typed(key, "true or false", |node| match node.value {
            Value::Bool(value) => Some(value),
            _ => None,
        })
    }

    /// Reads a scalar of any kind from its text: durations, sizes, shares. `parse` returns `None` for invalid values.
    pub fn parsed<T>(&self, key: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.typed(key, expected, |node| parse(&node.scalar()?))
    }

    /// Reads one of the words, ignoring case, and returns its value.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let node = self.get(key).filter(|node| node.holds_something())?;
        let text = node.scalar();
        let is_meant = |word: &str| text.as_deref().is_some_and(|text| word.eq_ignore_ascii_case(text));
        if let Some((_, value)) = words.iter().find(|(word, _)| is_meant(word)) {
            return Some(*value);
        }
        let all = words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
        let hint = hint(&text.unwrap_or_default(), words.iter().map(|(word, _)| *word));
        let found = node.describe();
        self.gather.fault(node.line, self.path(key), format!("expected one of {all}, found {found}{hint}"));
        None
    }

    /// Reads a list of nodes.
    pub fn list(&self, key: &str) -> Option<&'a [Node]> {
        let node = self.get(key)?;
        match &node.value {
            Value::Null => None,
            Value::List(items) => Some(items),
            _ => {
                self.gather.expected_form(node, self.path(key), "a list");
                None
            }
        }
    }

    /// Reads a list of texts; empty if the key is absent.
    pub fn strs(&self, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for (index, node) in self.list(key).unwrap_or_default().iter().enumerate() {
            match &node.value {
                Value::Text(text) => texts.push(text.clone()),
                _ => self.gather.expected(node, format!("{}[{index}]", self.path(key)), "text"),
            }
        }
        texts
    }

    /// Reads a map. Returns `None` if the key is absent or not a map; a null is read as an empty map.
    pub fn map(&self, key: &str) -> Option<MapReader<'a>> {
        self.gather.map(self.get(key)?, self.path(key))
    }

    /// Reads a list of maps; empty if the key is absent.
    pub fn maps(&self, key: &str) -> Vec<MapReader<'a>> {
        let items = self.list(key).unwrap_or_default().iter().enumerate();
        items.filter_map(|(i, node)| self.gather.map(node, format!("{}[{i}]", self.path(key)))).collect()
    }

    /// Returns whether [`MapReader::finish`] would report an unknown key.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        let asked = self.asked.borrow();
        self.entries.iter().any(|entry| !asked.contains(&entry.key))
    }

    /// Adds a fault for each key that was never requested, with the nearest known key. A required key that is only misspelled
    /// is not also reported as missing.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key)) {
            let hint = match did_you_mean(&entry.key, asked.iter().map(String::as_str)) {
                Some(word) => {
                    let meant = self.path(word);
                    let explained = |fault: &Fault| fault.key == meant && fault.message == MISSING;
                    self.gather.faults.borrow_mut().retain(|fault| !explained(fault));
                    format!("unknown key; did you mean {word:?}?")
                }
                None => format!("unknown key; known are {}", known(&asked)),
            };
            self.gather.fault(entry.line, self.path(&entry.key), hint);
        }
    }

    fn typed<T>(&self, key: &str, expected: &str, take: impl FnOnce(&Node) -> Option<T>) -> Option<T> {
        let node = self.get(key).filter(|node| node.holds_something())?;
        let value = take(node);
        if value.is_none() {
            self.gather.expected(node, self.path(key), expected);
        }
        value
    }
}

fn known(asked: &[String]) -> String {
    let mut words: Vec<&str> = asked.iter().map(String::as_str).collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}
