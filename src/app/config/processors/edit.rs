//! `resource` and `attributes`, with the Collector's keys and its rules for combining them.

use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::{MapReader, Value as Yaml};
use crate::delivery::processors::{Action, ActionKind, Change, ConvertTo, Filter, Keys, Matcher, Properties, Source};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};

/// Values of `action`.
#[derive(Clone, Copy, PartialEq)]
enum Word {
    Insert,
    Update,
    Upsert,
    Delete,
    Hash,
    Extract,
    Convert,
}

const WORDS: [(&str, Word); 7] = [
    ("insert", Word::Insert),
    ("update", Word::Update),
    ("upsert", Word::Upsert),
    ("delete", Word::Delete),
    ("hash", Word::Hash),
    ("extract", Word::Extract),
    ("convert", Word::Convert),
];

/// Reads the processor `resource`.
pub(super) fn resource(reading: &Reading<'_>, map: MapReader<'_>) -> Change {
    let actions = actions(reading, &map, "attributes");
    map.finish();
    Change::Resource(actions)
}

/// Reads the processor `attributes`.
pub(super) fn attributes(reading: &Reading<'_>, map: MapReader<'_>) -> Change {
    let actions = actions(reading, &map, "actions");
    let filter =
        Filter { include: properties(reading, &map, "include"), exclude: properties(reading, &map, "exclude") };
    map.finish();
    Change::Attributes(actions, Box::new(filter))
}

fn actions(reading: &Reading<'_>, map: &MapReader<'_>, key: &str) -> Vec<Action> {
    let given = map.maps(key);
    if map.need(key) && given.is_empty() {
        map.fault(key, "expected at least one action, found none");
    }
    given.into_iter().filter_map(|map| action(reading, map)).collect()
}

fn action(reading: &Reading<'_>, map: MapReader<'_>) -> Option<Action> {
    let key = map.text("key").unwrap_or_default();
    let word = if map.need("action") { map.word("action", &WORDS) } else { None };
    let pattern = pattern(&map, "pattern");
    let source = source(reading, &map);
    let to = [("int", ConvertTo::Int), ("double", ConvertTo::Double), ("string", ConvertTo::Text)];
    let to = map.word("converted_type", &to);
    let word = word?;
    let by_pattern = matches!(word, Word::Delete | Word::Hash) && map.given("pattern");
    if key.is_empty() && !by_pattern {
        map.fault("key", "expected the name of an attribute, found none");
    }
    let sets = matches!(word, Word::Insert | Word::Update | Word::Upsert);
    let names_a_source = map.given("value") || map.given("from_attribute");
    if sets && !names_a_source && !map.has_unknown() {
        map.fault("value", "expected a value, or the name of another attribute in from_attribute, found neither");
    }
    refuse(&map, word, sets);
    let of_keys = pattern.as_ref().filter(|_| by_pattern).and_then(|p| regex::bytes::Regex::new(p.as_str()).ok());
    let pattern = if word == Word::Extract { extracting(&map, pattern) } else { None };
    if word == Word::Convert && !map.given("converted_type") {
        map.fault("converted_type", "expected int, double or string, found nothing");
    }
    map.finish();
    let kind = match word {
        Word::Insert => ActionKind::Insert(source?),
        Word::Update => ActionKind::Update(source?),
        Word::Upsert => ActionKind::Upsert(source?),
        Word::Delete => ActionKind::Delete,
        Word::Hash => ActionKind::Hash,
        Word::Extract => ActionKind::Extract(pattern?),
        Word::Convert => ActionKind::Convert(to?),
    };
    Some(Action { keys: Keys { key, pattern: of_keys }, kind })
}

/// Rejects keys that have no effect with an action and so are a mistake.
fn refuse(map: &MapReader<'_>, word: Word, sets: bool) {
    let uses = |key: &str| match key {
        "value" | "from_attribute" => sets,
        "pattern" => matches!(word, Word::Delete | Word::Hash | Word::Extract),
        _ => word == Word::Convert,
    };
    let name = WORDS.iter().find(|(_, known)| *known == word).map_or("", |(name, _)| name);
    for key in ["value", "from_attribute", "pattern", "converted_type"] {
        if map.given(key) && !uses(key) {
            map.fault(key, format!("the action {name} does not use it; remove it"));
        }
    }
}

/// Checks that the pattern of `extract` has named groups.
fn extracting(map: &MapReader<'_>, pattern: Option<regex::Regex>) -> Option<regex::Regex> {
    if !map.given("pattern") {
        map.fault("pattern", "expected a pattern with named groups such as (?P<id>[0-9]+), found nothing");
    }
    let pattern = pattern?;
    let mut groups = pattern.capture_names().skip(1).peekable();
    if groups.peek().is_none() || groups.any(|name| name.is_none()) {
        map.fault("pattern", "expected a name for each of its groups, as in (?P<id>[0-9]+)");
    }
    Some(pattern)
}

fn source(reading: &Reading<'_>, map: &MapReader<'_>) -> Option<Source> {
    let of_request = [("from_context", "name the value in `value`, or an attribute in `from_attribute`")];
    reading.not_yet(map, &of_request);
    if map.given("value") && map.given("from_attribute") {
        map.fault("from_attribute", "is set together with value; expected one of the two");
    }
    let value = map.get("value").filter(|node| node.value != Yaml::Null).and_then(|node| {
        let value = scalar(&node.value);
        if value.is_none() {
            map.gather().expected(node, map.path("value"), "text, a number, a truth value, or a list of them");
        }
        value
    });
    value.map(Source::Value).or_else(|| map.text("from_attribute").map(Source::Attribute))
}

fn scalar(value: &Yaml) -> Option<Value> {
    match value {
        Yaml::Bool(truth) => Some(Value::BoolValue(*truth)),
        Yaml::Int(number) => Some(Value::IntValue(*number)),
        Yaml::Float(number) => Some(Value::DoubleValue(*number)),
        Yaml::Text(text) => Some(Value::StringValue(text.clone())),
        Yaml::List(list) => {
            let values = list.iter().map(|node| Some(AnyValue { value: Some(scalar(&node.value)?) }));
            Some(Value::ArrayValue(ArrayValue { values: values.collect::<Option<_>>()? }))
        }
        Yaml::Null | Yaml::Map(_) | Yaml::Faulty => None,
    }
}

fn pattern(map: &MapReader<'_>, key: &str) -> Option<regex::Regex> {
    let text = map.text(key)?;
    compiled(map, key, &text)
}

fn compiled(map: &MapReader<'_>, key: &str, text: &str) -> Option<regex::Regex> {
    match regex::Regex::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            map.fault(key, format!("expected a regular expression, found {text:?}: {why}"));
            None
        }
    }
}

/// Reads `include` or `exclude`.
fn properties(reading: &Reading<'_>, map: &MapReader<'_>, key: &str) -> Option<Properties> {
    if !map.given(key) {
        return None;
    }
    let map = map.map(key)?;
    let matches = [("strict", false), ("regexp", true)];
    let by_pattern = if map.need("match_type") { map.word("match_type", &matches) } else { None }.unwrap_or(false);
    reading.without_effect(&map, &["regexp"]);
    let number = [("log_severity_number", "name the severities in `log_severity_texts`")];
    reading.not_yet(&map, &number);
    let texts = |key: &str| matchers(&map, key, by_pattern);
    let properties = Properties {
        services: texts("services"),
        span_names: texts("span_names"),
        span_kinds: texts("span_kinds"),
        log_bodies: texts("log_bodies"),
        log_severity_texts: texts("log_severity_texts"),
        metric_names: texts("metric_names"),
        libraries: map.maps("libraries").into_iter().filter_map(|map| library(map, by_pattern)).collect(),
        attributes: pairs(&map, "attributes", by_pattern),
        resources: pairs(&map, "resources", by_pattern),
    };
    let lists = ["services", "span_names", "span_kinds", "log_bodies", "log_severity_texts", "metric_names"];
    if !lists.iter().chain(&["libraries", "attributes", "resources"]).any(|list| map.given(list)) {
        map.gather().fault(map.line(), map.path("services"), "expected at least one list of what to match, found none");
    }
    map.finish();
    Some(properties)
}

fn matchers(map: &MapReader<'_>, key: &str, by_pattern: bool) -> Vec<Matcher> {
    map.strs(key).into_iter().filter_map(|text| matcher(map, key, text, by_pattern)).collect()
}

fn matcher(map: &MapReader<'_>, key: &str, text: String, by_pattern: bool) -> Option<Matcher> {
    if by_pattern {
        return compiled(map, key, &text).map(Matcher::Pattern);
    }
    Some(Matcher::Value(Value::StringValue(text)))
}

fn library(map: MapReader<'_>, by_pattern: bool) -> Option<(Matcher, Option<Matcher>)> {
    let name = map.need_str("name");
    let name = matcher(&map, "name", name, by_pattern);
    let version = map.text("version").and_then(|version| matcher(&map, "version", version, by_pattern));
    map.finish();
    Some((name?, version))
}

fn pairs(map: &MapReader<'_>, key: &str, by_pattern: bool) -> Vec<(String, Option<Matcher>)> {
    let pair = |map: MapReader<'_>| {
        let name = map.need_str("key");
        let value = map.get("value").filter(|node| node.value != Yaml::Null);
        let value = value.and_then(|node| match (&node.value, by_pattern) {
            (Yaml::Text(text), true) => compiled(&map, "value", text).map(Matcher::Pattern),
            (value, _) => scalar(value).map(Matcher::Value),
        });
        map.finish();
        (name, value)
    };
    map.maps(key).into_iter().map(pair).collect()
}
