//! Properties of fingerprints: no literal is visible, and statements that differ only in literals have one fingerprint.

use super::dialects::name_quotes;
use super::fingerprint::{cached_fingerprint, fingerprint};
use proptest::prelude::*;

/// A word that no statement contains by itself.
const MARK: &str = "zqx";

/// Contents of a string: the mark, surrounded by what could be mistaken for its end.
fn inner() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(MARK.to_owned()),
        "[ a-z0-9%@:?=(),;/*{}\\[\\]#$+-]{0,8}",
        Just("--".to_owned()),
        Just("%s".to_owned()),
        Just("é".to_owned()),
        Just("\n".to_owned()),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| format!("{MARK}{}{MARK}", pieces.concat()))
}

/// Returns a string in single quotes, with quotes in it doubled.
fn doubled(inner: &str) -> String {
    format!("'{}'", inner.replace('x', "x''"))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof!["[1-9][0-9]{5,9}", "-[1-9][0-9]{5,9}", "[1-9][0-9]{4,6}\\.[0-9]{3,6}", "[1-9]\\.[0-9]{4,6}e[1-9]",]
}

fn date() -> impl Strategy<Value = String> {
    "'20[0-9]{2}-0[1-9]-1[0-9]T1[0-9]:[0-5][0-9]:[0-5][0-9]Z'"
}

fn uuid() -> impl Strategy<Value = String> {
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
}

/// Generates a literal in the syntax of `system`.
fn literal(system: &'static str) -> BoxedStrategy<String> {
    let common = prop_oneof![
        inner().prop_map(|inner| doubled(&inner)),
        number(),
        date(),
        uuid(),
        uuid().prop_map(|uuid| format!("'{uuid}'")),
    ];
    let escaped = |quote: char| {
        inner().prop_map(move |inner| format!("{quote}{}{quote}", inner.replace('q', &format!("\\{quote}"))))
    };
    match system {
        "postgresql" => prop_oneof![
            common,
            inner().prop_map(|inner| format!("$tag${}$tag$", inner.replace('$', "it's"))),
            escaped('\'').prop_map(|text| format!("E{text}")),
            "[0-9A-F]{8}".prop_map(|hex| format!("X'{hex}'")),
        ]
        .boxed(),
        "mysql" => prop_oneof![
            common,
            escaped('\''),
            escaped('"'),
            "0x[0-9A-F]{8}",
            "[0-9A-F]{8}".prop_map(|hex| format!("X'{hex}'"))
        ]
        .boxed(),
        "mssql" => {
            prop_oneof![common, inner().prop_map(|inner| format!("N{}", doubled(&inner))), "0x[0-9A-F]{8}"].boxed()
        }
        "sqlite" => prop_oneof![common, inner().prop_map(|inner| format!("\"{inner}\""))].boxed(),
        "gcp.bigquery" | "couchbase" => prop_oneof![escaped('\''), escaped('"'), number(), date()].boxed(),
        "other_sql" => prop_oneof![common, inner().prop_map(|inner| format!("\"{inner}\"")), escaped('\'')].boxed(),
        _ => common.boxed(),
    }
}

const SYSTEMS: [&str; 12] = [
    "postgresql",
    "mysql",
    "mssql",
    "sqlite",
    "oracle.db",
    "cassandra",
    "clickhouse",
    "trino",
    "gcp.bigquery",
    "couchbase",
    "other_sql",
    "MariaDB",
];

const TEMPLATES: [&str; 9] = [
    "SELECT a FROM t WHERE b = ¤",
    "SELECT a FROM t WHERE b=¤ AND c <> ¤ ORDER BY d",
    "SELECT a FROM t WHERE b IN (¤, ¤, ¤) AND c > ¤",
    "INSERT INTO t (a, b) VALUES (¤, ¤), (¤, ¤)",
    "UPDATE t SET a = ¤, b = ¤ WHERE c = ¤",
    "DELETE FROM t WHERE a BETWEEN ¤ AND ¤",
    "SELECT a FROM t WHERE b LIKE ¤ -- ¤",
    "FOO t = ¤ VALUES (¤, ¤) BAR",
    "UPDATE t USING TTL 17 SET a = ¤ WHERE c = ¤ IF EXISTS",
];

/// Replaces each `¤` of the template by a literal.
fn filled(template: &str, literals: &[String]) -> String {
    let mut next = literals.iter().cycle();
    let mut parts = template.split('¤');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + next.next().map_or("", String::as_str) + part)
}

/// Returns whether the mark, a number or a part of a UUID is visible.
fn shown(print: &str) -> bool {
    let mut words = print.split(|c: char| !c.is_ascii_alphanumeric());
    print.contains(MARK) || words.any(|word| word.len() >= 4 && word.contains(|c: char| c.is_ascii_digit()))
}

fn statement() -> impl Strategy<Value = (&'static str, String, String)> {
    (proptest::sample::select(&SYSTEMS), proptest::sample::select(&TEMPLATES)).prop_flat_map(|(system, template)| {
        // A comment ends with its line.
        let literals = move || {
            proptest::collection::vec(
                literal_of(system)
                    .prop_map(move |text| if template.contains("--") { text.replace('\n', " ") } else { text }),
                6,
            )
        };
        (Just(system), literals(), literals())
            .prop_map(move |(system, one, other)| (system, filled(template, &one), filled(template, &other)))
    })
}

fn literal_of(system: &'static str) -> BoxedStrategy<String> {
    literal(if system == "MariaDB" { "mysql" } else { system })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_literal_of_sql_shows_or_makes_a_difference((system, one, other) in statement()) {
        let (of_one, of_other) = (fingerprint(system, &one), fingerprint(system, &other));
        prop_assert!(!shown(&of_one), "{system}: {one} gives {of_one}");
        prop_assert_eq!(of_one, of_other, "{}: {} and {}", system, one, other);
    }

    /// Also with quoted names, and with a comment that differs each time.
    #[test]
    fn what_is_remembered_is_what_would_be_made((system, one, other) in statement()) {
        let named = |text: &str| match name_quotes(system).first() {
            Some(b'[') => text.replace(" t ", " [t 5] "),
            Some(quote) => text.replace(" t ", &format!(" {0}t 5{0} ", char::from(*quote))),
            None => text.to_owned(),
        };
        let comment = |text: &str| format!("{text} /*trace='{}'*/", text.len());
        for text in [named(&one), named(&other), comment(&named(&one)), comment(&named(&other)), one, other] {
            prop_assert_eq!(&*cached_fingerprint(system, &text), fingerprint(system, &text), "{}: {}", system, text);
        }
    }

    #[test]
    fn no_value_of_json_shows_or_makes_a_difference(one in inner(), other in inner(), number in 1000..99999_u32) {
        let text = |value: &str| serde_json::json!({"find": "users", "filter": {"a": value, "b": {"$in": [value, number]}}}).to_string();
        let print = fingerprint("mongodb", &text(&one));
        prop_assert_eq!(&print, r#"{"find":"users","filter":{"a":"?","b":{"$in":["?"]}}}"#);
        prop_assert_eq!(&print, &fingerprint("mongodb", &text(&other)));
        // In the syntax of the shell and of Python, and truncated by its sender.
        let quoted = serde_json::Value::from(one.as_str()).to_string();
        for text in [format!("users.find({{a: {quoted}, b: {number}}})"), format!("find {{'a': {quoted}}}"), format!("{{\"a\": {}", &quoted[..quoted.len() - 1])] {
            let print = fingerprint("mongodb", &text);
            prop_assert!(!shown(&print), "{text} gives {print}");
        }
    }

    #[test]
    fn no_key_or_value_of_a_command_shows(one in inner(), other in inner()) {
        for system in ["redis", "valkey", "memcached"] {
            prop_assert_eq!(fingerprint(system, &format!("SET {one} {other}")), "SET ?");
        }
    }
}
