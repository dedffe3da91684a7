//! Layer 1: statements of database calls, without their literals, so that calls that differ only in literals are one statement.
//!
//! SQL is parsed in the dialect of its system and printed from the tree: literals become `?`, lists of literals `(?)`,
//! and comments and extra whitespace are removed. What does not parse is folded token by token. Commands, JSON and
//! unknown languages have their own rules.

mod characters;
mod commands;
mod dialects;
mod drivers;
mod fingerprint;
mod json;
mod maps;
mod nesting;
#[cfg(test)]
mod properties;
mod shape;
mod sql;
mod statement;
#[cfg(test)]
mod tests;
mod tokens;

pub use fingerprint::{cached_fingerprint, fingerprint};
pub use statement::{Call, of};
