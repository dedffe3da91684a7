//! `include` and `exclude` of the Collector's `attributes` processor: which items it applies to.

use super::attributes::{Attributes, decoded};
use super::number;
use crate::delivery::attributes::as_string;
use crate::model::protobuf::fields;
use crate::model::signal::Signal;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// The items that a processor changes: those that match `include`, except those that match `exclude`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Matches all items if absent.
    pub include: Option<Properties>,
    /// Matches no items if absent.
    pub exclude: Option<Properties>,
}

/// Required properties of an item: each non-empty list must have a matching entry; for attributes and resources, all entries
/// must match.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    /// `service.name` of the resource.
    pub services: Vec<Matcher>,
    /// Names of spans.
    pub span_names: Vec<Matcher>,
    /// Kinds of spans: `SPAN_KIND_SERVER`.
    pub span_kinds: Vec<Matcher>,
    /// Bodies of log records that are text.
    pub log_bodies: Vec<Matcher>,
    /// Severities of log records, as text.
    pub log_severity_texts: Vec<Matcher>,
    /// Names of metrics.
    pub metric_names: Vec<Matcher>,
    /// Names and, optionally, versions of scopes.
    pub libraries: Vec<(Matcher, Option<Matcher>)>,
    /// Attributes of the item, optionally with a value.
    pub attributes: Vec<(String, Option<Matcher>)>,
    /// Attributes of the resource, optionally with a value.
    pub resources: Vec<(String, Option<Matcher>)>,
}

/// Condition on a text or a value.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Equal to this value.
    Value(Value),
    /// Text that contains a match of the pattern.
    Pattern(regex::Regex),
}

/// An item with its context.
struct Item<'a> {
    signal: Signal,
    resource: &'a [u8],
    scope: &'a [u8],
    /// Span, log record or metric.
    message: &'a [u8],
    attributes: &'a Attributes<'a>,
}

impl Filter {
    /// Returns true if a span or a log record, with its attributes in the fields `of_item`, is to be changed.
    pub(super) fn takes(&self, signal: Signal, resource: &[u8], scope: &[u8], message: &[u8], of_item: u64) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let attributes = &Attributes::of(message, of_item);
        self.takes_item(&Item { signal, resource, scope, message, attributes })
    }

    /// Returns true if a point of a metric is to be changed.
    pub(super) fn takes_point(
        &self,
        resource: &[u8],
        scope: &[u8],
        message: &[u8],
        attributes: &Attributes<'_>,
    ) -> bool {
        self.takes_item(&Item { signal: Signal::Metrics, resource, scope, message, attributes })
    }

    fn takes_item(&self, item: &Item<'_>) -> bool {
        let fits = |properties: &Properties| properties.fit(item);
        self.include.as_ref().is_none_or(fits) && !self.exclude.as_ref().is_some_and(fits)
    }
}

impl Filter {
    /// Lists that do not apply to the items of a signal: a configuration error in a pipeline of that signal.
    #[must_use]
    pub fn unfit_for(&self, signal: Signal) -> Vec<&'static str> {
        let given = [&self.include, &self.exclude].into_iter().flatten();
        let mut unfit: Vec<&'static str> = given.flat_map(|properties| properties.unfit_for(signal)).collect();
        unfit.dedup();
        unfit
    }
}

impl Properties {
    /// As in the Collector: spans, log records and data points have different properties.
    fn unfit_for(&self, signal: Signal) -> Vec<&'static str> {
        use Signal::{Logs, Metrics, Traces};
        let lists: [(&str, bool, &[Signal]); 8] = [
            ("services", self.services.is_empty(), &[Traces]),
            ("span_names", self.span_names.is_empty(), &[Traces]),
            ("span_kinds", self.span_kinds.is_empty(), &[Traces]),
            ("log_bodies", self.log_bodies.is_empty(), &[Logs]),
            ("log_severity_texts", self.log_severity_texts.is_empty(), &[Logs]),
            ("metric_names", self.metric_names.is_empty(), &[Metrics]),
            ("libraries", self.libraries.is_empty(), &[Traces, Logs]),
            ("attributes", self.attributes.is_empty(), &[Traces, Logs]),
        ];
        let unfit = lists.into_iter().filter(|(_, is_empty, signals)| !is_empty && !signals.contains(&signal));
        unfit.map(|(name, ..)| name).collect()
    }

    fn fit(&self, item: &Item<'_>) -> bool {
        let text = |number| text_of(item.message, number);
        let (names, kinds, bodies, severities) = match item.signal {
            Signal::Traces => (&self.span_names, &self.span_kinds, &Vec::new(), &Vec::new()),
            Signal::Metrics => (&self.metric_names, &Vec::new(), &Vec::new(), &Vec::new()),
            Signal::Logs => (&Vec::new(), &Vec::new(), &self.log_bodies, &self.log_severity_texts),
        };
        let name = match item.signal {
            Signal::Traces => text(5),
            _ => text(1),
        };
        let resource = || Attributes::of(item.resource, number::RESOURCE_ATTRIBUTES);
        let any = |matchers: &[Matcher], found: Option<&str>| {
            matchers.is_empty() || found.is_some_and(|found| matchers.iter().any(|matcher| matcher.takes_text(found)))
        };
        (self.services.is_empty() || any(&self.services, service(&resource()).as_deref()))
            && any(names, name)
            && (kinds.is_empty() || any(kinds, Some(kind(item.message))))
            && (bodies.is_empty() || any(bodies, body(item.message).as_deref()))
            && any(severities, text(3))
            && (self.libraries.is_empty() || self.libraries.iter().any(|library| fits_scope(library, item.scope)))
            && all(&self.attributes, item.attributes)
            && (self.resources.is_empty() || all(&self.resources, &resource()))
    }
}

impl Matcher {
    fn takes_text(&self, found: &str) -> bool {
        match self {
            Matcher::Value(Value::StringValue(text)) => text == found,
            Matcher::Value(_) => false,
            Matcher::Pattern(pattern) => pattern.is_match(found),
        }
    }

    fn takes(&self, found: &Value) -> bool {
        match self {
            Matcher::Value(value) => value == found,
            Matcher::Pattern(pattern) => pattern.is_match(&as_string(found)),
        }
    }
}

fn all(wanted: &[(String, Option<Matcher>)], attributes: &Attributes<'_>) -> bool {
    wanted.iter().all(|(key, matcher)| match (attributes.get(key.as_bytes()), matcher) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(value), Some(matcher)) => decoded(value).is_some_and(|value| matcher.takes(&value)),
    })
}

fn fits_scope((name, version): &(Matcher, Option<Matcher>), scope: &[u8]) -> bool {
    name.takes_text(text_of(scope, 1).unwrap_or_default())
        && version.as_ref().is_none_or(|version| version.takes_text(text_of(scope, 2).unwrap_or_default()))
}

fn service(resource: &Attributes<'_>) -> Option<String> {
    resource.value(b"service.name").map(|value| as_string(&value).into_owned())
}

/// The body of a log record, if it is text.
fn body(record: &[u8]) -> Option<String> {
    match decoded(fields(record).find_map(|field| field.inner_of(&[5]))?)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// The kind of a span as OTLP names it.
fn kind(span: &[u8]) -> &'static str {
    let names = [
        "SPAN_KIND_UNSPECIFIED",
        "SPAN_KIND_INTERNAL",
        "SPAN_KIND_SERVER",
        "SPAN_KIND_CLIENT",
        "SPAN_KIND_PRODUCER",
        "SPAN_KIND_CONSUMER",
    ];
    // A varint below 128 is a single byte.
    let number = fields(span).find(|field| field.number() == 6).and_then(|field| field.whole.last().copied());
    names.get(usize::from(number.unwrap_or_default())).copied().unwrap_or(names[0])
}

fn text_of(message: &[u8], number: u64) -> Option<&str> {
    std::str::from_utf8(fields(message).find_map(|field| field.inner_of(&[number]))?).ok()
}
