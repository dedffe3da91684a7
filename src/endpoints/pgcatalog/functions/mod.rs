//! `PostgreSQL` functions for statements over the catalogs, in lists searched by [`find`].

mod access;
mod arrays;
mod json;
mod numbers;
mod objects;
mod server;
mod sets;
mod signature;
mod text;

pub(super) use json::{of_type as json_of, takes as takes_json, written as json_text};
pub(in crate::endpoints) use server::VERSION;
pub(super) use signature::{Builtin, Returns, SetFunction, Types};
pub(super) use text::{like, regex};

use super::types::{self, Oid, Ty};

/// Lists of functions, by subject.
const LISTS: [&[Builtin]; 7] = [
    text::FUNCTIONS,
    arrays::FUNCTIONS,
    numbers::FUNCTIONS,
    objects::FUNCTIONS,
    access::FUNCTIONS,
    server::FUNCTIONS,
    json::FUNCTIONS,
];

fn takes(expected: &[Oid], optional: usize, variadic: bool, found: &[Ty]) -> bool {
    let enough = found.len() + optional >= expected.len();
    let fits = |(at, found): (usize, &Ty)| {
        let last = if variadic { expected.last() } else { None };
        expected.get(at).or(last).is_some_and(|expected| fits(*expected, found.oid))
    };
    enough && found.iter().enumerate().all(fits)
}

fn fits(expected: Oid, found: Oid) -> bool {
    let is_whole = |oid| types::is_integer(oid);
    match expected {
        types::ANY => true,
        _ if found == types::UNKNOWN || expected == found => true,
        // A value that is not an array is rejected at run time.
        types::ANYARRAY => !types::is_number(found) && !types::is_text(found) && found != types::BOOL,
        types::TEXT | types::NAME => types::is_text(found) || types::is_reg(found),
        types::FLOAT8 | types::NUMERIC => types::is_number(found),
        // Text is looked up as a name.
        types::REGCLASS => is_whole(found) || types::is_text(found),
        expected if is_whole(expected) => is_whole(found),
        types::TIMESTAMPTZ => matches!(found, types::TIMESTAMP | types::DATE),
        _ => false,
    }
}

/// Finds the scalar function of a call.
pub(super) fn find(name: &str, arguments: &[Ty]) -> Option<&'static Builtin> {
    let named = LISTS.iter().flat_map(|list| list.iter()).filter(|function| function.name == name);
    named.into_iter().find(|function| takes(function.arguments, function.optional, function.variadic, arguments))
}

/// Finds the set-returning function of a call.
pub(super) fn find_set(name: &str, arguments: &[Ty]) -> Option<&'static SetFunction> {
    let named = sets::FUNCTIONS.iter().filter(|function| function.name == name);
    named.into_iter().find(|function| takes(function.arguments, function.optional, function.variadic, arguments))
}

/// Returns whether a function only concerns the catalogs or the server, so that queries over tables have no use for it.
pub(super) fn is_of_catalogs(name: &str) -> bool {
    if server::OF_TIME.contains(&name) {
        return false;
    }
    [objects::FUNCTIONS, access::FUNCTIONS, server::FUNCTIONS]
        .iter()
        .flat_map(|list| list.iter())
        .any(|function| function.name == name)
        || sets::OF_CATALOGS.contains(&name)
        || matches!(name, "quote_ident" | "quote_literal" | "quote_nullable" | "parse_ident")
}
