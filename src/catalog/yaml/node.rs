//! The YAML tree, with line numbers.

/// A value and its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Line in the file, from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
    /// Original spelling of a number or boolean: `007`, `1.10`, `0x1F`, `True`. Empty for other values.
    pub(super) written: String,
}

/// Value of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null: `key:` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
    /// A value with a fault that was already reported: readers skip it and report no second fault.
    Faulty,
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// The key's line, from 1.
    pub line: usize,
    /// The value.
    pub node: Node,
}

impl Node {
    /// Creates a node for a value that is not a number or boolean.
    #[must_use]
    pub fn new(line: usize, value: Value) -> Node {
        Node { line, value, written: String::new() }
    }

    /// Parses a plain YAML word as a number, boolean, null or text.
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

    /// Returns the entry of a key; `None` if the node is not a map or lacks the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Returns whether the value is neither null nor faulty.
    #[must_use]
    pub fn holds_something(&self) -> bool {
        !matches!(self.value, Value::Null | Value::Faulty)
    }

    /// Returns the text of a scalar; numbers and booleans in their original spelling.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => Some(self.written.clone()),
            Value::Text(value) => Some(value.clone()),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Faulty => None,
        }
    }

    /// Describes the value for messages: `text "abc"`, `number 5`, `a list of 3`.
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

    /// Like [`Node::describe`], without the text or number itself.
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

    /// Converts the node to JSON, for values without a fixed form.
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
