//! State of the running statement that functions can access.

use super::client::Client;
use super::names::Names;
use super::snapshot::Snapshot;
use regex::Regex;
use std::cell::RefCell;
use std::collections::HashMap;

/// Maximum number of compiled patterns that are cached.
const PATTERNS_MAX: usize = 64;

/// The client, the catalogs, and settings changed by the statement so far.
pub(super) struct Statement<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) client: &'a Client,
    patterns: RefCell<HashMap<(String, String), Regex>>,
    set: RefCell<Vec<(String, Option<String>)>>,
}

impl<'a> Statement<'a> {
    pub(super) fn new(names: Names<'a>) -> Statement<'a> {
        let (patterns, set) = (RefCell::default(), RefCell::default());
        Statement { snapshot: names.snapshot, client: names.client, patterns, set }
    }

    pub(super) fn names(&self) -> Names<'a> {
        Names { snapshot: self.snapshot, client: self.client }
    }

    pub(super) fn pattern(&self, pattern: &str, flags: &str) -> Option<Regex> {
        self.patterns.borrow().get(&(pattern.to_owned(), flags.to_owned())).cloned()
    }

    pub(super) fn keep_pattern(&self, pattern: &str, flags: &str, built: &Regex) {
        let mut patterns = self.patterns.borrow_mut();
        if patterns.len() < PATTERNS_MAX {
            patterns.insert((pattern.to_owned(), flags.to_owned()), built.clone());
        }
    }

    /// Returns a setting, including changes by this statement.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        if let Some((_, value)) = self.set.borrow().iter().rev().find(|(set, _)| *set == name) {
            return Some(value.clone().unwrap_or_default());
        }
        self.client.setting(&name).map(str::to_owned)
    }

    pub(super) fn set(&self, name: &str, value: Option<&str>) {
        self.set.borrow_mut().push((name.to_lowercase(), value.map(str::to_owned)));
    }

    /// Returns the existing schemas of the search path.
    pub(super) fn search_path(&self) -> Vec<String> {
        let path = self.setting("search_path").unwrap_or_default();
        let known = |name: &str| matches!(name, "public" | "pg_catalog" | "information_schema");
        path.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| known(name)).collect()
    }
}
