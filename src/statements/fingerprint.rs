//! Fingerprints of queries, and the cache of those that are known.

use super::{characters, commands, dialects, json, shape, sql};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Maximum number of characters of a fingerprint.
const LENGTH_MAX: usize = 2048;
/// Maximum number of cached fingerprints. Parsing takes some ten microseconds, and applications repeat their statements.
const REMEMBERED_MAX: usize = 20_000;

/// Returns the fingerprint of a query, from a cache if its text or its shape is known.
#[must_use]
pub fn cached_fingerprint(system: &str, query: &str) -> Arc<str> {
    static PRINTS: LazyLock<Mutex<Prints>> = LazyLock::new(Mutex::default);
    let lock = || PRINTS.lock();
    let shape = shape::of(query, dialects::name_quotes(system));
    if let Some(print) = lock().find(system, query, shape.as_deref()) {
        return print;
    }
    let print: Arc<str> = fingerprint(system, query).into();
    let same = shape.as_deref().map(|shape| fingerprint(system, shape) == *print);
    lock().keep((system, query), (shape.as_deref(), same == Some(true)), &print);
    print
}

/// Cache of fingerprints: by shape if the literals make no difference, else by text. It has two generations: entries
/// move to the younger one when used, and the older one is dropped when the younger one is full.
#[derive(Default)]
struct Prints {
    young: HashMap<u128, Print>,
    old: HashMap<u128, Print>,
}

/// The fingerprint; `None` for a shape with significant literals, such as the precision of a type.
type Print = Option<Arc<str>>;

impl Prints {
    fn find(&mut self, system: &str, query: &str, shape: Option<&str>) -> Option<Arc<str>> {
        if let Some(shape) = shape {
            // An unknown shape must be added, even if the text is cached.
            if let Some(print) = self.get(key(system, shape))? {
                return Some(print);
            }
        }
        self.get(key(system, query) ^ OF_TEXT).flatten()
    }

    fn get(&mut self, key: u128) -> Option<Print> {
        if let Some(print) = self.young.get(&key) {
            return Some(print.clone());
        }
        let print = self.old.remove(&key)?;
        self.put(key, print.clone());
        Some(print)
    }

    fn put(&mut self, key: u128, print: Print) {
        if self.young.len() >= REMEMBERED_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, print);
    }

    fn keep(&mut self, (system, query): (&str, &str), (shape, is_same): (Option<&str>, bool), print: &Arc<str>) {
        if let Some(shape) = shape {
            self.put(key(system, shape), is_same.then(|| print.clone()));
        }
        if !is_same {
            self.put(key(system, query) ^ OF_TEXT, Some(print.clone()));
        }
    }
}

/// Distinguishes a text from an equal shape.
const OF_TEXT: u128 = 1;

fn key(system: &str, text: &str) -> u128 {
    xxh3_128_with_seed(text.as_bytes(), xxh3_64(system.as_bytes()))
}

/// Returns the fingerprint of a query to a database of the kind `system` (`db.system.name`).
#[must_use]
pub fn fingerprint(system: &str, query: &str) -> String {
    let system = system.to_ascii_lowercase();
    let mut print = match system.as_str() {
        _ if query.trim_start().starts_with(['{', '[']) => json::folded(query),
        "redis" | "valkey" | "memcached" | "hbase" => commands::folded(query),
        "mongodb" | "elasticsearch" | "opensearch" => characters::folded(query),
        system => sql::fingerprint(system, query),
    };
    if let Some((end, _)) = print.char_indices().nth(LENGTH_MAX) {
        print.truncate(end);
    }
    print
}
