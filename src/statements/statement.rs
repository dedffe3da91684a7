//! The statement under which a call is counted, from whatever its sender provides.

use super::fingerprint::cached_fingerprint;
use std::sync::Arc;

/// What a span says about a database call; empty texts count as missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call<'a> {
    /// `db.system.name`.
    pub system: Option<&'a str>,
    /// `db.query.text`.
    pub query: Option<&'a str>,
    /// `db.query.summary`.
    pub summary: Option<&'a str>,
    /// `db.operation.name`.
    pub operation: Option<&'a str>,
    /// `db.collection.name`.
    pub collection: Option<&'a str>,
}

/// Returns the fingerprint of the text, else the summary, else operation and collection; `None` if all are missing. A
/// text with only a comment counts as missing.
#[must_use]
pub fn of(call: &Call<'_>) -> Option<Arc<str>> {
    let Call { system, query, summary, operation, collection } = *call;
    let (system, query, summary) = (said(system), said(query), said(summary));
    let (operation, collection) = (said(operation), said(collection));
    let print =
        query.filter(|query| !is_comment(query)).map(|query| cached_fingerprint(system.unwrap_or_default(), query));
    let Some(print) = print.filter(|print| !print.trim_matches([';', ' ']).is_empty()) else {
        let said = [operation, collection].into_iter().flatten().collect::<Vec<_>>().join(" ");
        return summary.or(Some(said.as_str()).filter(|said| !said.is_empty())).map(Arc::from);
    };
    if is_sql(&print, system.unwrap_or_default()) {
        return Some(print);
    }
    // The text of a document store is often only the filter.
    let operation = operation.filter(|name| !says(&print, name, &format!("{{\"{name}\":")));
    let collection = collection.filter(|name| !says(&print, name, &format!(":\"{name}\"")));
    Some([operation, collection, Some(&*print)].into_iter().flatten().collect::<Vec<_>>().join(" ").into())
}

fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

/// Returns whether a text has only comments, in any language. `/*! … */` is a statement in MySQL.
fn is_comment(query: &str) -> bool {
    let mut rest = query;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if rest.is_empty() {
            return true;
        }
        let end = if ["--", "#", "//"].iter().any(|sign| rest.starts_with(sign)) {
            rest.find('\n')
        } else if rest.starts_with("/*") && !rest.starts_with("/*!") {
            rest.get(2..).and_then(|inner| inner.find("*/")).map(|at| at + 4)
        } else {
            return false;
        };
        rest = end.and_then(|end| rest.get(end..)).unwrap_or_default();
    }
}

/// Returns whether a fingerprint contains `json` if it is JSON, or else `name` as a word.
fn says(print: &str, name: &str, json: &str) -> bool {
    if print.starts_with(['{', '[']) {
        return print.to_ascii_lowercase().contains(&json.to_ascii_lowercase());
    }
    print.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word.eq_ignore_ascii_case(name))
}

fn is_sql(print: &str, system: &str) -> bool {
    const DOCUMENTS: [&str; 4] = ["mongodb", "elasticsearch", "opensearch", "hbase"];
    !print.starts_with(['{', '[']) && !DOCUMENTS.iter().any(|known| system.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::{Call, of};

    #[track_caller]
    fn check(parts: [&str; 5], expected: Option<&str>) {
        let [system, query, summary, operation, collection] =
            parts.map(|part| Some(part).filter(|part| !part.is_empty()));
        assert_eq!(of(&Call { system, query, summary, operation, collection }).as_deref(), expected);
    }

    #[test]
    fn the_text_goes_before_the_summary_and_that_before_the_operation() {
        check(["postgresql", "SELECT 1", "SELECT", "select", "t"], Some("SELECT ?"));
        check(["postgresql", "", "SELECT t", "SELECT", "t"], Some("SELECT t"));
        check(["postgresql", "", "", "SELECT", "t"], Some("SELECT t"));
        check(["", "", "", "", "t"], Some("t"));
        check(["", "SELECT 1", "", "", ""], Some("SELECT ?"));
        check(["redis", "", "", "", ""], None);
    }

    #[test]
    fn a_comment_says_nothing() {
        for comment in
            ["-- ping", "/* ping */", "/* a */ -- b\n;", "# ping", "// ping", "/* cut off", " ; ", "--\n\n/*+ x */"]
        {
            for system in ["postgresql", "mysql", "neo4j", "other_sql", ""] {
                check([system, comment, "SELECT t", "SELECT", "t"], Some("SELECT t"));
                check([system, comment, "", "SELECT", "t"], Some("SELECT t"));
                check([system, comment, "", "", ""], None);
            }
        }
        check(["postgresql", "/* a /* b */ c */", "", "SELECT", "t"], Some("SELECT t"));
        check(["postgresql", "/* a */ SELECT 1 -- b", "x", "", ""], Some("SELECT ?"));
        check(["mysql", "/* a */ SELECT '/* b */'", "x", "", ""], Some("SELECT ?"));
        check(["redis", "PING", "x", "", ""], Some("PING"));
    }

    #[test]
    fn documents_are_told_apart_by_what_stands_beside_them() {
        check(["mongodb", r#"{"_id":"?"}"#, "", "find", "users"], Some(r#"find users {"_id":"?"}"#));
        check(["mongodb", r#"{"_id":"?"}"#, "", "delete", "orders"], Some(r#"delete orders {"_id":"?"}"#));
        check(["mongodb", r#"{"user":1}"#, "", "find", "user"], Some(r#"find user {"user":"?"}"#));
        check(["mongodb", r#"{"find":"users"}"#, "", "find", "users"], Some(r#"{"find":"users"}"#));
        check(["mongodb", "users.find({a: 1})", "", "find", "users"], Some("users.find({a: ?})"));
    }
}
