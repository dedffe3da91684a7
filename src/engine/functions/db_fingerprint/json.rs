//! Fingerprints of JSON, as document stores and search engines take it: keys stay, values go.

use super::characters;
use serde_json::{Deserializer, Value};

/// Keys of a command's first place, whose value is the collection that it is about.
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
/// Keys that name a collection wherever they stand under one of [`STAGES`].
const NAMING: [&str; 3] = ["from", "coll", "into"];
/// Stages that read or write another collection.
const STAGES: [&str; 5] = ["$lookup", "$graphLookup", "$unionWith", "$merge", "$out"];
/// A collection's name is no longer.
const NAME_MAX: usize = 120;

/// One document, or several, one behind the other.
pub(super) fn folded(query: &str) -> String {
    let documents: Result<Vec<Value>, _> = Deserializer::from_str(query).into_iter::<Value>().collect();
    match documents {
        Ok(mut documents) if documents.iter().all(|document| document.is_object() || document.is_array()) => {
            documents.iter_mut().for_each(command);
            once(&mut documents);
            documents.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
        // Cut off by its sender, or the shell's own way to write it.
        _ => characters::folded(query),
    }
}

/// A document at the top, whose first key may be a command; `getMore` names its collection beside it.
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
            // Stages do one thing after the other; of other lists only says something what kinds of items they have.
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

/// Each kind of item once, in an order that does not tell which came first.
fn once(list: &mut Vec<Value>) {
    list.sort_by_cached_key(ToString::to_string);
    list.dedup();
}

/// Whether it can be a collection's name, as people give them.
fn is_name(value: &Value) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'$');
    value.as_str().is_some_and(|name| {
        name.len() <= NAME_MAX
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(is_part)
    })
}
