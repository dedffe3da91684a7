//! The operation of a span, with low cardinality: never a raw path, never the name of a queue created for one reply.

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use percent::decoded;
use std::borrow::Cow;

mod ids;
mod percent;

/// Methods that every server knows.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];
/// Attributes that contain the path, on its own or within a URL.
const PATHS: [&str; 4] = ["url.path", "http.target", "http.url", "url.full"];
/// Name of an unknown method, as in span names.
const UNKNOWN_METHOD: &str = "HTTP";
/// Minimum length of a truncated name.
const CUT_BYTES_MIN: usize = 20;

/// The span data that an operation is derived from.
pub(super) struct Asked<'a> {
    pub(super) name: &'a str,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) route: Option<Cow<'a, str>>,
    pub(super) rpc_service: Option<Cow<'a, str>>,
    pub(super) rpc_method: Option<Cow<'a, str>>,
    pub(super) destination: Option<Cow<'a, str>>,
    pub(super) attributes: &'a [KeyValue],
}

/// Returns method and route, else service and method of an RPC, else the destination of a message, else the span's name.
pub(super) fn operation<'a>(asked: &Asked<'a>) -> Cow<'a, str> {
    if let Some(route) = &asked.route {
        let (own, path) = pattern(route);
        if let Some(method) = asked.method.as_deref().or(own) {
            return format!("{} {path}", known(method).unwrap_or(method)).into();
        }
    }
    rpc(asked).or_else(|| destination(asked)).unwrap_or_else(|| name(asked))
}

/// Returns the method in its standard form; case is ignored.
fn known(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(method))
}

/// Splits a route into its method and its path without method and host: Go's `ServeMux` has patterns such as `GET
/// example.com/parts/{id}`, which older instrumentations report as the route.
fn pattern(route: &str) -> (Option<&str>, &str) {
    let is_method = |word: &str| {
        known(word).is_some() || (!word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'))
    };
    if let Some((method, rest)) = route.split_once([' ', '\t'])
        && is_method(method)
        && let Some(rest) = Some(rest.trim_start()).filter(|rest| !rest.is_empty())
    {
        return (Some(method), rest.find('/').map_or(rest, |at| &rest[at..]));
    }
    match route.find('/') {
        Some(at) if is_host(&route[..at]) => (None, &route[at..]),
        _ => (None, route),
    }
}

/// Returns whether a text can only be a host, such as `example.com:8080`: some routes do not start with a slash.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    let domain = name.rsplit_once('.').map_or("", |(_, domain)| domain);
    port.bytes().all(|byte| byte.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
        && (name == "localhost" || (domain.len() > 1 && domain.bytes().all(|byte| byte.is_ascii_lowercase())))
}

fn rpc<'a>(asked: &Asked<'a>) -> Option<Cow<'a, str>> {
    let method = asked.rpc_method.as_ref()?;
    let bare = method.trim_start_matches('/');
    let service = asked.rpc_service.as_deref().map(|service| service.trim_matches('/'));
    // Current conventions put the full name in the method.
    let is_whole = |service: &str| bare.strip_prefix(service).is_some_and(|rest| rest.starts_with('/'));
    match service.filter(|service| !is_whole(service)) {
        Some(service) => Some(format!("{service}/{bare}").into()),
        None if bare.len() == method.len() => Some(method.clone()),
        None => Some(bare.to_owned().into()),
    }
}

fn is_messaging(asked: &Asked<'_>) -> bool {
    asked.attributes.iter().any(|entry| entry.key.starts_with("messaging."))
}

fn destination<'a>(asked: &Asked<'a>) -> Option<Cow<'a, str>> {
    if asked.destination.is_none() && !is_messaging(asked) {
        return None;
    }
    if let Some(template) = text(asked.attributes, "messaging.destination.template") {
        return Some(template.into());
    }
    if is_true(asked.attributes, "messaging.destination.anonymous") {
        return Some("(anonymous)".into());
    }
    if ["messaging.destination.temporary", "messaging.temp_destination"]
        .iter()
        .any(|key| is_true(asked.attributes, key))
    {
        return Some("(temporary)".into());
    }
    let name = asked.destination.as_ref()?;
    // RabbitMQ's own names for unnamed queues and for replies.
    if name.starts_with("amq.gen-") {
        return Some("(anonymous)".into());
    }
    if name.starts_with("amq.rabbitmq.reply-to") {
        return Some("amq.rabbitmq.reply-to".into());
    }
    Some(ids::folded(name).map_or_else(|| name.clone(), Cow::Owned))
}

/// Returns the span's name unless it is the path of one request.
fn name<'a>(asked: &Asked<'a>) -> Cow<'a, str> {
    let name = asked.name;
    if is_messaging(asked) {
        return ids::folded(name).map_or(Cow::Borrowed(name), Cow::Owned);
    }
    if !name.contains('/') {
        return name.into();
    }
    let method = || {
        let word = name.split_ascii_whitespace().find_map(known);
        match asked.method.as_deref() {
            Some(method) => Cow::Owned(known(method).unwrap_or(method).to_owned()),
            None => Cow::Borrowed(word.unwrap_or(UNKNOWN_METHOD)),
        }
    };
    if holds_path_of_request(name, asked.attributes) {
        return method();
    }
    let Some((at, place)) = place(name) else { return name.into() };
    let said = path(place);
    if is_path_of_request(&said, place, asked.attributes) {
        return method();
    }
    let is_template = said.contains(['{', '*', '<', '[']) || said.contains("/:");
    let has_ids = said.split('/').any(ids::is_id);
    if !is_template && (has_ids && asked.method.is_some() || place.contains("://")) {
        return method();
    }
    if has_ids && !is_template {
        let folded = said.split('/').map(|part| if ids::is_id(part) { "{id}" } else { part }).collect::<Vec<_>>();
        return format!("{}{}", &name[..at], folded.join("/")).into();
    }
    // The query identifies the request, not the operation.
    match place.find('?').filter(|query| place[*query..].contains('=')) {
        Some(query) => name[..at + query].into(),
        None => name.into(),
    }
}

/// Finds a path or URL in a name: alone, or after a method or other words.
fn place(name: &str) -> Option<(usize, &str)> {
    let mut behind_method = false;
    let mut at = 0;
    for word in name.split(' ') {
        let is_place = word.find('/').is_some_and(|slash| {
            slash == 0 || behind_method || word[..slash].ends_with(':') || is_host(&word[..slash])
        });
        if is_place {
            return Some((at, word));
        }
        behind_method = known(word).is_some();
        at += word.len() + 1;
    }
    None
}

/// Returns the decoded path of a URL or a target; empty for the root.
fn path(place: &str) -> Cow<'_, str> {
    let place = place.split_once("://").map_or(place, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let place = &place[place.find('/').filter(|at| is_host(&place[..*at])).unwrap_or(0)..];
    let path = &place[..place.find(['?', '#']).unwrap_or(place.len())];
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.starts_with('/') { decoded(path) } else { format!("/{}", decoded(path)).into() }
}

/// Returns whether a name contains the whole path of the request.
fn holds_path_of_request(name: &str, attributes: &[KeyValue]) -> bool {
    let goes_on = |character: char| character.is_alphanumeric() || "-_.~%/:@{*<+$&=,".contains(character);
    let name = decoded(name);
    PATHS.iter().filter_map(|key| text(attributes, key)).map(path).filter(|path| !path.is_empty()).any(|path| {
        name.match_indices(&*path).any(|(at, path)| {
            let behind = &name[at + path.len()..];
            !behind.strip_prefix('/').unwrap_or(behind).starts_with(goes_on)
        })
    })
}

/// Returns whether the path in a name is the path of the request in another form, or part of it: a nested router sees only
/// the end, a proxy adds a prefix, and long names are truncated.
fn is_path_of_request(said: &str, place: &str, attributes: &[KeyValue]) -> bool {
    let cut = said.trim_end_matches("...").trim_end_matches('…');
    PATHS.iter().filter_map(|key| text(attributes, key)).any(|of_request| {
        let asked = path(of_request);
        if asked.is_empty() || said.is_empty() {
            // The root is a single path; a path below it is not.
            return false;
        }
        let is_cut =
            cut.len() < said.len() || (place.len() >= CUT_BYTES_MIN && !asked.starts_with(&format!("{said}/")));
        said.ends_with(&*asked) || asked.ends_with(said) || (is_cut && asked.starts_with(cut))
    })
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|entry| entry.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match value(attributes, key)? {
        Value::StringValue(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn is_true(attributes: &[KeyValue], key: &str) -> bool {
    match value(attributes, key) {
        Some(Value::BoolValue(truth)) => *truth,
        Some(Value::StringValue(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
