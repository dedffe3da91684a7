//! Names of a span: operation, resource and type.

use super::normalize::{self, RESOURCE_MAX, cut, tag_value};
use super::semantics::{self as names, Attributes, Source as _, first};
use super::settings::TraceSettings;
use crate::delivery::attributes::as_string;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::borrow::Cow;

/// Database systems by span type; others are `db`.
const DATABASES: &[(&str, &[&str])] = &[
    ("cassandra", &["cassandra"]),
    ("elasticsearch", &["elasticsearch"]),
    ("memcached", &["memcached"]),
    ("mongodb", &["mongodb"]),
    ("opensearch", &["opensearch"]),
    ("redis", &["redis"]),
    (
        "sql",
        &[
            "actian.ingres",
            "adabas",
            "aws.redshift",
            "cache",
            "clickhouse",
            "cloudscape",
            "cockroachdb",
            "coldfusion",
            "db2",
            "derby",
            "edb",
            "filemaker",
            "firebird",
            "firebirdsql",
            "firstsql",
            "h2",
            "h2database",
            "hanadb",
            "hsqldb",
            "ibm.db2",
            "ibm.informix",
            "ibm.netezza",
            "informix",
            "ingres",
            "instantdb",
            "interbase",
            "intersystems.cache",
            "mariadb",
            "maxdb",
            "microsoft.sql_server",
            "mssql",
            "mysql",
            "netezza",
            "oracle",
            "oracle.db",
            "other_sql",
            "pervasive",
            "pointbase",
            "postgresql",
            "progress",
            "redshift",
            "sap.hana",
            "sap.maxdb",
            "softwareag.adabas",
            "sqlite",
            "sybase",
            "teradata",
            "vertica",
        ],
    ),
];

/// Returns the kind of a span; unknown kinds are returned as their number.
pub(super) fn kind(span: &Span) -> Result<SpanKind, i32> {
    SpanKind::try_from(span.kind).map_err(|_| span.kind)
}

/// Returns the tag `span.kind`.
pub(super) const fn kind_tag(kind: Result<SpanKind, i32>) -> &'static str {
    match kind {
        Ok(SpanKind::Internal) => "internal",
        Ok(SpanKind::Server) => "server",
        Ok(SpanKind::Client) => "client",
        Ok(SpanKind::Producer) => "producer",
        Ok(SpanKind::Consumer) => "consumer",
        Ok(SpanKind::Unspecified) | Err(_) => "unspecified",
    }
}

/// Returns the kind as the Collector names it.
const fn kind_name(kind: Result<SpanKind, i32>) -> &'static str {
    match kind {
        Ok(SpanKind::Unspecified) => "Unspecified",
        Ok(SpanKind::Internal) => "Internal",
        Ok(SpanKind::Server) => "Server",
        Ok(SpanKind::Client) => "Client",
        Ok(SpanKind::Producer) => "Producer",
        Ok(SpanKind::Consumer) => "Consumer",
        Err(_) => "",
    }
}

/// Returns the span's type.
pub(super) fn span_type(span: &Span, attributes: &Attributes<'_>) -> String {
    let given = attributes.string(names::SPAN_TYPE);
    if !given.is_empty() {
        return given.into_owned();
    }
    match kind(span) {
        Ok(SpanKind::Server) => "web".to_owned(),
        Ok(SpanKind::Client) => match tag_value(&attributes.string(names::DB_SYSTEM)).as_str() {
            "" => "http".to_owned(),
            system => {
                let known = DATABASES.iter().find(|(_, systems)| systems.contains(&system));
                known.map_or("db", |(known, _)| known).to_owned()
            }
        },
        _ => "custom".to_owned(),
    }
}

/// Returns the operation's name, as sent.
pub(super) fn operation(
    span: &Span,
    attributes: &Attributes<'_>,
    scope: Option<&InstrumentationScope>,
    settings: &TraceSettings,
) -> String {
    let named = if settings.newer_names() {
        newer_operation(span, attributes)
    } else {
        normalize::name(&older_operation(span, attributes, scope, settings))
    };
    normalize::name(&named)
}

/// Returns the resource's name: a route, a statement, a destination.
pub(super) fn resource(span: &Span, attributes: &Attributes<'_>, settings: &TraceSettings) -> String {
    let named =
        if settings.newer_names() { newer_resource(span, attributes) } else { older_resource(span, attributes) };
    cut(&named, RESOURCE_MAX).to_owned()
}

fn newer_operation(span: &Span, attributes: &Attributes<'_>) -> String {
    let tag = |concept| tag_value(&attributes.string(concept));
    let given = tag(names::OPERATION_NAME);
    if !given.is_empty() {
        return given;
    }
    let kind = kind(span);
    // `None` for spans that are neither servers nor clients.
    let side = match kind {
        Ok(SpanKind::Server) => Some("server"),
        Ok(SpanKind::Client) => Some("client"),
        _ => None,
    };
    if let (Some(side), true) = (side, !attributes.string(names::HTTP_METHOD).is_empty()) {
        return format!("http.{side}.request");
    }
    let system = tag(names::DB_SYSTEM);
    if !system.is_empty() && side == Some("client") {
        return format!("{system}.query");
    }
    let (system, done) = (tag(names::MESSAGING_SYSTEM), tag(names::MESSAGING_OPERATION));
    let talks = side.is_some() || matches!(kind, Ok(SpanKind::Consumer | SpanKind::Producer));
    if !system.is_empty() && !done.is_empty() && talks {
        return format!("{system}.{done}");
    }
    called(side, attributes).unwrap_or_else(|| match (side, tag(names::PROTOCOL).as_str()) {
        (Some(side), "") => format!("{side}.request"),
        (Some(side), protocol) => format!("{protocol}.{side}.request"),
        (None, _) if kind == Ok(SpanKind::Unspecified) => kind_name(Ok(SpanKind::Internal)).to_owned(),
        (None, _) => kind_name(kind).to_owned(),
    })
}

/// Returns the operation of a function, RPC or `GraphQL` call.
fn called(side: Option<&str>, attributes: &Attributes<'_>) -> Option<String> {
    let tag = |concept| Some(tag_value(&attributes.string(concept))).filter(|tag| !tag.is_empty());
    match (tag(names::RPC_SYSTEM).as_deref(), side) {
        (Some("aws-api"), Some("client")) => {
            let service = tag(names::RPC_SERVICE).unwrap_or_else(|| "client".to_owned());
            return Some(format!("aws.{service}.request"));
        }
        (Some(system), Some(side)) => return Some(format!("{system}.{side}.request")),
        _ => {}
    }
    match side {
        Some("client") => {
            if let (Some(provider), Some(function)) = (tag(names::FAAS_PROVIDER), tag(names::FAAS_NAME)) {
                return Some(format!("{provider}.{function}.invoke"));
            }
        }
        Some(_) => {
            if let Some(trigger) = tag(names::FAAS_TRIGGER) {
                return Some(format!("{trigger}.invoke"));
            }
        }
        None => {}
    }
    tag(names::GRAPHQL_TYPE).map(|_| "graphql.server.request".to_owned())
}

fn older_operation(
    span: &Span,
    attributes: &Attributes<'_>,
    scope: Option<&InstrumentationScope>,
    settings: &TraceSettings,
) -> String {
    let mut name = resource_first(attributes, &["operation.name"]).into_owned();
    if name.is_empty() {
        name = if settings.span_name_as_resource_name {
            span.name.clone()
        } else {
            let library = scope.map(|scope| scope.name.as_str()).filter(|name| !name.is_empty());
            format!("{}.{}", library.unwrap_or("opentelemetry"), kind_name(kind(span)).to_lowercase())
        };
    }
    settings.span_name_remappings.get(&name).cloned().unwrap_or(name)
}

fn newer_resource<'a>(span: &'a Span, attributes: &'a Attributes<'_>) -> Cow<'a, str> {
    let get = |concept| Some(attributes.string(concept)).filter(|text| !text.is_empty());
    let joined = |first: Cow<'a, str>, second: Option<Cow<'a, str>>| match second {
        Some(second) => Cow::Owned(format!("{first} {second}")),
        None => first,
    };
    if let Some(given) = get(names::RESOURCE_NAME) {
        return given;
    }
    if let Some(method) = get(names::HTTP_METHOD) {
        let method = if method == "_OTHER" { Cow::Borrowed("HTTP") } else { method };
        return match kind(span) {
            Ok(SpanKind::Client) => joined(method, get(names::URL_TEMPLATE)),
            Ok(SpanKind::Server) => joined(method, get(names::HTTP_ROUTE)),
            _ => method,
        };
    }
    if let Some(done) = get(names::MESSAGING_OPERATION) {
        return joined(done, get(names::MESSAGING_DESTINATION));
    }
    if let Some(method) = get(names::RPC_METHOD) {
        return joined(method, get(names::RPC_SERVICE));
    }
    if let Some(done) = get(names::GRAPHQL_TYPE) {
        return joined(done, get(names::GRAPHQL_NAME));
    }
    let statement = get(names::DB_SYSTEM).and_then(|_| get(names::DB_STATEMENT));
    statement.unwrap_or(Cow::Borrowed(&span.name))
}

fn older_resource<'a>(span: &'a Span, attributes: &'a Attributes<'_>) -> Cow<'a, str> {
    let get = |keys: &[&str]| Some(resource_first(attributes, keys)).filter(|text| !text.is_empty());
    if let Some(given) = get(&["resource.name"]) {
        return given;
    }
    let pairs: [(&[&str], &[&str]); 4] = [
        (&["http.request.method", "http.method"], &["http.route"]),
        (&["messaging.operation"], &["messaging.destination", "messaging.destination.name"]),
        (&["rpc.method"], &["rpc.service"]),
        (&["graphql.operation.type"], &["graphql.operation.name"]),
    ];
    let found = pairs.iter().find_map(|(keys, with)| get(keys).map(|done| (done, get(with))));
    match found {
        Some((done, Some(with))) => Cow::Owned(format!("{done} {with}")),
        Some((done, None)) => done,
        None => Cow::Borrowed(&span.name),
    }
}

/// Returns the first of some keys, of any type, in the resource or else in the span; empty if there is none.
pub(super) fn resource_first<'a>(attributes: &'a Attributes<'_>, keys: &[&str]) -> Cow<'a, str> {
    let get = |list| {
        let found = keys.iter().find_map(|key| first(list, key))?;
        found.map(as_string).filter(|text| !text.is_empty())
    };
    get(attributes.resource).or_else(|| get(attributes.span)).unwrap_or_default()
}
