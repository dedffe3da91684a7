//! Fingerprints of JSON, as document stores and search engines accept it: keys remain, values are removed.

use super::characters;
use serde_json::{Deserializer, Value};

/// First keys of commands that have the name of the collection as their value.
const COMMANDS: [&str; 17] = [
    "find",
    "aggregate",
    "insert",
    "update",
    "delete",
    "count",
    "distinct",
    "findAndModify",
    "findandmodify",
    "mapReduce",
    "create",
    "drop",
    "createIndexes",
    "dropIndexes",
    "listIndexes",
    "getMore",
    "collection",
];
/// Keys that name a collection anywhere below one of [`STAGES`].
const NAMING: [&str; 3] = ["from", "coll", "into"];
/// Stages that read or write another collection.
const STAGES: [&str; 5] = ["$lookup", "$graphLookup", "$unionWith", "$merge", "$out"];
/// Maximum length of a collection's name.
const NAME_MAX: usize = 120;

/// Returns the fingerprint of one document, or of several in a row.
pub(super) fn folded(query: &str) -> String {
    let documents: Result<Vec<Value>, _> = Deserializer::from_str(query).into_iter::<Value>().collect();
    match documents {
        Ok(mut documents) if documents.iter().all(|document| document.is_object() || document.is_array()) => {
            documents.iter_mut().for_each(command);
            once(&mut documents);
            documents.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
        // Truncated by its sender, or in the syntax of the shell.
        _ => characters::folded(query),
    }
}

/// Folds a top-level document. Its first key may be a command; `getMore` has its collection in another key.
fn command(document: &mut Value) {
    if let Value::Object(map) = document {
        let first = map.keys().next().cloned().unwrap_or_default();
        if COMMANDS.contains(&first.as_str()) {
            for (key, value) in map.iter_mut() {
                let names = *key == first || (first == "getMore" && key == "collection");
                if !(names && is_name(value)) {
                    fold(value);
                }
            }
            return;
        }
        if let Some(name) = map.get("TableName").filter(|name| is_name(name)).cloned() {
            map.values_mut().for_each(fold);
            map.insert("TableName".to_owned(), name);
            return;
        }
    }
    fold(document);
}

fn fold(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if STAGES.contains(&key.as_str()) {
                    stage(value);
                } else {
                    fold(value);
                }
            }
        }
        Value::Array(list) => {
            list.iter_mut().for_each(fold);
            let is_stage = |item: &Value| {
                item.as_object().is_some_and(|map| map.len() == 1 && map.keys().all(|key| key.starts_with('$')))
            };
            // Stages run one after the other, so their order matters; in other lists only the kinds of items do.
            if list.iter().all(is_stage) { list.dedup() } else { once(list) }
        }
        scalar => *scalar = Value::from("?"),
    }
}

fn stage(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if !(NAMING.contains(&key.as_str()) && is_name(value)) {
                    fold(value);
                }
            }
        }
        name if is_name(name) => {}
        other => fold(other),
    }
}

/// Keeps each kind of item once, in an order independent of the original one.
fn once(list: &mut Vec<Value>) {
    list.sort_by_cached_key(ToString::to_string);
    list.dedup();
}

/// Returns whether a value looks like the name of a collection.
fn is_name(value: &Value) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'$');
    value.as_str().is_some_and(|name| {
        name.len() <= NAME_MAX
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(is_part)
    })
}
