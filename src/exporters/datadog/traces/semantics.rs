//! Attributes with the same meaning. The tables are those of the Agent's registry (`pkg/trace/semantics`, v20260630131934): the
//! names of a concept are tried in order, and a value counts only if it has the given type.

use super::wire::Span;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The type that a name is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Double,
}

/// Condition for a name.
#[derive(Debug, Clone, Copy)]
enum When {
    Is(&'static str, &'static str),
    Missing(&'static str),
}

/// One name of a concept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    key: &'static str,
    as_type: Type,
    when: &'static [When],
}

/// All names of a concept, in order of precedence.
pub(super) type Concept = &'static [Name];

const fn text(key: &'static str) -> Name {
    Name { key, as_type: Type::Text, when: &[] }
}

const fn int(key: &'static str) -> Name {
    Name { key, as_type: Type::Int, when: &[] }
}

const fn double(key: &'static str) -> Name {
    Name { key, as_type: Type::Double, when: &[] }
}

const fn when(name: Name, when: &'static [When]) -> Name {
    Name { when, ..name }
}

pub(super) const CONTAINER_ID: Concept = &[text("container.id")];
pub(super) const DB_NAMESPACE: Concept = &[text("db.namespace")];
pub(super) const DB_STATEMENT: Concept = &[text("db.statement"), text("db.query.text")];
pub(super) const DB_SYSTEM: Concept = &[text("db.system.name"), text("db.system")];
pub(super) const ENVIRONMENT: Concept = &[text("deployment.environment.name"), text("deployment.environment")];
pub(super) const FAAS_NAME: Concept = &[text("faas.invoked_name")];
pub(super) const FAAS_PROVIDER: Concept = &[text("faas.invoked_provider")];
pub(super) const FAAS_TRIGGER: Concept = &[text("faas.trigger")];
pub(super) const GRAPHQL_NAME: Concept = &[text("graphql.operation.name")];
pub(super) const GRAPHQL_TYPE: Concept = &[text("graphql.operation.type")];
pub(super) const HTTP_METHOD: Concept = &[text("http.request.method"), text("http.method")];
pub(super) const HTTP_ROUTE: Concept = &[text("http.route")];
pub(super) const HTTP_STATUS: Concept = &[
    int("http.status_code"),
    text("http.status_code"),
    int("http.response.status_code"),
    text("http.response.status_code"),
];
pub(super) const MEASURED: Concept = &[int("_dd.measured")];
pub(super) const MESSAGING_DESTINATION: Concept = &[text("messaging.destination"), text("messaging.destination.name")];
pub(super) const MESSAGING_OPERATION: Concept = &[text("messaging.operation")];
pub(super) const MESSAGING_SYSTEM: Concept = &[text("messaging.system")];
pub(super) const OPERATION_NAME: Concept = &[text("operation.name")];
pub(super) const PRIORITY: Concept = &[double("_sampling_priority_v1")];
pub(super) const PROTOCOL: Concept = &[text("network.protocol.name")];
pub(super) const RESOURCE_NAME: Concept = &[text("resource.name")];
pub(super) const RPC_METHOD: Concept = &[text("rpc.method")];
pub(super) const RPC_SERVICE: Concept = &[text("rpc.service")];
pub(super) const RPC_SYSTEM: Concept = &[text("rpc.system")];
pub(super) const SERVICE_NAME: Concept = &[text("service.name")];
pub(super) const SERVICE_VERSION: Concept = &[text("service.version")];
pub(super) const SPAN_TYPE: Concept = &[text("span.type")];
pub(super) const URL_TEMPLATE: Concept = &[text("url.template")];

const GRPC_BY_NAME: &[When] = &[When::Is("rpc.system.name", "grpc")];
const GRPC_BY_OLD_NAME: &[When] = &[When::Is("rpc.system", "grpc"), When::Missing("rpc.system.name")];

pub(super) const GRPC_STATUS: Concept = &[
    text("rpc.grpc.status_code"),
    int("rpc.grpc.status_code"),
    text("grpc.code"),
    int("grpc.code"),
    text("rpc.grpc.status.code"),
    int("rpc.grpc.status.code"),
    text("grpc.status.code"),
    int("grpc.status.code"),
    when(text("rpc.response.status_code"), GRPC_BY_NAME),
    when(int("rpc.response.status_code"), GRPC_BY_NAME),
    when(text("rpc.response.status_code"), GRPC_BY_OLD_NAME),
    when(int("rpc.response.status_code"), GRPC_BY_OLD_NAME),
];

/// A source of attributes.
pub(super) trait Source {
    /// Returns the text of a key, or empty text.
    fn text(&self, key: &str) -> &str;
    fn int(&self, key: &str) -> Option<i64>;
    fn double(&self, key: &str) -> Option<f64>;

    /// Returns a concept as text, or empty text.
    fn string(&self, concept: Concept) -> Cow<'_, str> {
        for name in concept.iter().filter(|name| self.holds(name)) {
            match name.as_type {
                Type::Text if self.text(name.key).is_empty() => {}
                Type::Text => return Cow::Borrowed(self.text(name.key)),
                Type::Int => {
                    if let Some(number) = self.int(name.key) {
                        return Cow::Owned(number.to_string());
                    }
                }
                Type::Double => {
                    if let Some(number) = self.double(name.key) {
                        return Cow::Owned(number.to_string());
                    }
                }
            }
        }
        Cow::Borrowed("")
    }

    /// Returns a concept as an integer.
    fn whole(&self, concept: Concept) -> Option<i64> {
        concept.iter().filter(|name| self.holds(name)).find_map(|name| match name.as_type {
            Type::Int => self.int(name.key),
            Type::Double => self.double(name.key).and_then(exact),
            Type::Text => {
                let text = self.text(name.key);
                text.parse().ok().or_else(|| text.parse().ok().and_then(exact))
            }
        })
    }

    /// Returns a concept as a number.
    fn number(&self, concept: Concept) -> Option<f64> {
        concept.iter().filter(|name| self.holds(name)).find_map(|name| match name.as_type {
            #[allow(clippy::cast_precision_loss)]
            Type::Int => self.int(name.key).map(|number| number as f64),
            Type::Double => self.double(name.key),
            Type::Text => self.text(name.key).parse().ok(),
        })
    }

    /// Returns true if a name counts here.
    fn holds(&self, name: &Name) -> bool {
        name.when.iter().all(|when| match when {
            When::Is(key, value) => self.text(key) == *value,
            When::Missing(key) => self.text(key).is_empty(),
        })
    }
}

/// Converts a number that is an integer.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn exact(number: f64) -> Option<i64> {
    let fits = number.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    fits.then_some(number as i64)
}

/// Returns the value of a key; of a duplicate key the first, as in the Collector.
#[allow(clippy::option_option)]
pub(super) fn first<'a>(list: &'a [KeyValue], key: &str) -> Option<Option<&'a Value>> {
    let entry = list.iter().find(|entry| entry.key == key)?;
    Some(entry.value.as_ref().and_then(|value| value.value.as_ref()))
}

/// Returns the text of a key; empty if it is missing or not text.
pub(super) fn text_of<'a>(list: &'a [KeyValue], key: &str) -> &'a str {
    match first(list, key) {
        Some(Some(Value::StringValue(text))) => text,
        _ => "",
    }
}

/// A span's attributes, then those of its resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes<'a> {
    pub(super) span: &'a [KeyValue],
    pub(super) resource: &'a [KeyValue],
}

impl Source for Attributes<'_> {
    fn text(&self, key: &str) -> &str {
        match text_of(self.span, key) {
            "" => text_of(self.resource, key),
            text => text,
        }
    }

    fn int(&self, key: &str) -> Option<i64> {
        [self.span, self.resource].into_iter().find_map(|list| match first(list, key) {
            Some(Some(Value::IntValue(number))) => Some(*number),
            _ => None,
        })
    }

    fn double(&self, key: &str) -> Option<f64> {
        [self.span, self.resource].into_iter().find_map(|list| match first(list, key) {
            Some(Some(Value::DoubleValue(number))) => Some(*number),
            _ => None,
        })
    }
}

/// A Datadog span as it is sent.
impl Source for Span {
    fn text(&self, key: &str) -> &str {
        self.meta.get(key).map_or("", String::as_str)
    }

    fn int(&self, key: &str) -> Option<i64> {
        self.double(key).and_then(exact)
    }

    fn double(&self, key: &str) -> Option<f64> {
        self.metrics.get(key).copied()
    }
}

/// Text tags only.
impl Source for BTreeMap<String, String> {
    fn text(&self, key: &str) -> &str {
        self.get(key).map_or("", String::as_str)
    }

    fn int(&self, _key: &str) -> Option<i64> {
        None
    }

    fn double(&self, _key: &str) -> Option<f64> {
        None
    }
}
