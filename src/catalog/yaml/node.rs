//! The tree: values with their lines.

/// A value and the line it stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Line in the file, from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
    /// How a number or a truth value is written: `007`, `1.10`, `0x1F`, `True`. Empty for anything else.
    pub(super) written: String,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: `key:` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
    /// Something whose fault is told already: readers take nothing out of it, and tell no second fault.
    Faulty,
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// The key's line, from 1.
    pub line: usize,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// A value that is no number and no truth value.
    #[must_use]
    pub fn new(line: usize, value: Value) -> Node {
        Node { line, value, written: String::new() }
    }

    /// What a plain word of YAML stands for: a number, a truth value, nothing, or the text itself.
    #[must_use]
    pub fn of_word(line: usize, word: &str) -> Node {
        Node::of_scalar(line, word, saphyr::Scalar::parse_from_cow(word.into()))
    }

    pub(super) fn of_scalar(line: usize, written: &str, scalar: saphyr::Scalar<'_>) -> Node {
        use saphyr::Scalar;
        let value = match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => Value::Bool(value),
            Scalar::Integer(value) => Value::Int(value),
            Scalar::FloatingPoint(value) => Value::Float(value.into_inner()),
            Scalar::String(value) => Value::Text(value.into_owned()),
        };
        let keeps = matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        Node { line, value, written: if keeps { written.to_owned() } else { String::new() } }
    }

    /// The entry of that key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// True unless it is null, or faulty already.
    #[must_use]
    pub fn holds_something(&self) -> bool {
        !matches!(self.value, Value::Null | Value::Faulty)
    }

    /// The text of a scalar: of text itself, of a number or a truth value as it is written.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => Some(self.written.clone()),
            Value::Text(value) => Some(value.clone()),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Faulty => None,
        }
    }

    /// The value for people: `text "abc"`, `number 5`, `a list of 3`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Int(_) | Value::Float(_) => format!("number {}", self.written),
            Value::Text(value) if value.chars().count() > 60 => {
                format!("text {:?}…", value.chars().take(60).collect::<String>())
            }
            Value::Text(value) => format!("text {value:?}"),
            _ => self.form(),
        }
    }

    /// The same without what a text or a number holds.
    #[must_use]
    pub fn form(&self) -> String {
        match &self.value {
            Value::Null | Value::Faulty => "nothing".into(),
            Value::Bool(value) => value.to_string(),
            Value::Int(_) | Value::Float(_) => "a number".into(),
            Value::Text(_) => "text".into(),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(entries) => format!("a map of {} keys", entries.len()),
        }
    }

    /// The node as JSON: for values that are free in form.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Faulty => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(value) => value.clone().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect())
            }
        }
    }
}
