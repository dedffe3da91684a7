//! A seeded corpus: traces of a shop as an instrumented application would send them, and the exact truth about them. The
//! same seed gives the same bytes except for the end time.
//!
//! About 384 bytes per span: server spans with the attributes of HTTP instrumentations, client spans between services, and
//! database spans with statements that differ in literals. One in a hundred traces fails, one in a hundred arrives minutes
//! late.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use std::collections::BTreeMap;

const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

/// A route of a service: method, route, typical duration in milliseconds.
type Route = (&'static str, &'static str, f64);

/// Services with their routes.
const SERVICES: [(&str, &[Route]); 6] = [
    ("storefront", &[("GET", "/", 20.0), ("GET", "/products/{id}", 35.0), ("GET", "/search", 80.0)]),
    ("checkout", &[("POST", "/checkout", 120.0), ("GET", "/cart/{session}", 15.0)]),
    ("catalog", &[("GET", "/api/products/{id}", 8.0), ("GET", "/api/products", 30.0)]),
    ("inventory", &[("GET", "/api/stock/{sku}", 6.0), ("PUT", "/api/stock/{sku}", 12.0)]),
    ("payments", &[("POST", "/api/charges", 180.0), ("GET", "/api/charges/{id}", 10.0)]),
    ("recommendations", &[("GET", "/api/recommendations/{customer}", 45.0)]),
];

/// Statements: as sent, with a number in place of `#`, and without literals.
const STATEMENTS: [(&str, &str); 5] = [
    ("SELECT name, price FROM products WHERE id = #", "SELECT name, price FROM products WHERE id = ?"),
    ("SELECT quantity FROM stock WHERE sku = 'sku-#'", "SELECT quantity FROM stock WHERE sku = ?"),
    (
        "UPDATE stock SET quantity = quantity - 1 WHERE sku = 'sku-#'",
        "UPDATE stock SET quantity = quantity - ? WHERE sku = ?",
    ),
    (
        "SELECT id, total FROM orders WHERE customer = # ORDER BY id",
        "SELECT id, total FROM orders WHERE customer = ? ORDER BY id",
    ),
    ("DELETE FROM carts WHERE session = 'c#'", "DELETE FROM carts WHERE session = ?"),
];

/// Parameters of a corpus.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) spans_a_request: usize,
    /// End time of the last span of the last request.
    pub(crate) end_unix_nano: u64,
    /// Spans per second.
    pub(crate) spans_a_second: u64,
    pub(crate) requests: u64,
    /// Variants of each route, as in a large system; 1 uses each route as it is.
    pub(crate) variants: u64,
}

/// Statistics of a set of durations.
#[derive(Debug, Default, Clone)]
pub(crate) struct Operation {
    pub(crate) errors: u64,
    pub(crate) durations_ms: Vec<f64>,
}

impl Operation {
    /// Returns a quantile by nearest rank.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        let mut sorted = self.durations_ms.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of ten thousand")]
        let of_10_000 = (quantile * 10_000.0).round() as usize;
        let rank = (of_10_000 * sorted.len()).div_ceil(10_000).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

/// The exact contents of a corpus, counted during generation.
#[derive(Debug, Default, Clone)]
pub(crate) struct Truth {
    pub(crate) requests: u64,
    pub(crate) spans: u64,
    pub(crate) errors: u64,
    pub(crate) late: u64,
    /// Server spans by service and operation.
    pub(crate) operations: BTreeMap<(&'static str, String), Operation>,
    /// Database spans by service and statement without literals.
    pub(crate) statements: BTreeMap<(&'static str, &'static str), u64>,
}

/// Generates the requests in order.
pub(crate) struct Generator {
    shape: Shape,
    random: Random,
    truth: Truth,
}

impl Generator {
    pub(crate) fn new(shape: Shape) -> Generator {
        Generator { shape, random: Random(shape.seed), truth: Truth::default() }
    }

    /// Returns the truth about the requests generated so far.
    pub(crate) fn truth(&self) -> &Truth {
        &self.truth
    }

    fn trace(&mut self, end: u64) -> Vec<(&'static str, Span)> {
        let late = self.random.one_in(100);
        let end = if late { end - self.random.below(400_000_000_000) - 120_000_000_000 } else { end };
        let context = Context { trace_id: self.random.bytes(16), end, late, fails: self.random.one_in(100) };
        let mut spans = Vec::new();
        let service = SERVICES[self.random.index(2)].0;
        let root = self.server(&context, service, &[], &mut spans);
        for _ in 0..=self.random.index(2) {
            let call = self.outgoing(&context, root.0, &root.1, &mut spans);
            let service = SERVICES[2 + self.random.index(SERVICES.len() - 2)].0;
            let inner = self.server(&context, service, &call, &mut spans);
            for _ in 0..=self.random.index(3) {
                self.statement(&context, inner.0, &inner.1, &mut spans);
            }
        }
        spans
    }

    /// Adds a server span and returns its service and id.
    fn server(
        &mut self,
        context: &Context,
        service: &'static str,
        parent: &[u8],
        spans: &mut Spans,
    ) -> (&'static str, Vec<u8>) {
        let routes = SERVICES.iter().find(|(name, _)| *name == service).map_or(&[][..], |(_, routes)| routes);
        let (method, route, usual_ms) = routes[self.random.index(routes.len())];
        let duration = self.random.duration(usual_ms);
        // Only the entry request is marked as failed.
        let failed = context.fails && parent.is_empty();
        let route = match self.shape.variants {
            0 | 1 => route.to_owned(),
            variants => format!("/v{}{route}", self.random.below(variants)),
        };
        let status = if failed { 500 } else { 200 };
        let mut span = self.span(context, parent, &format!("{method} {route}"), SERVER, duration);
        span.attributes = vec![
            text("http.request.method", method),
            text("http.route", &route),
            text("url.path", &route.replace(['{', '}'], "").replace("id", &self.random.below(100_000).to_string())),
            text("url.scheme", "http"),
            int("http.response.status_code", status),
            text("server.address", &format!("{service}.shop.internal")),
            text("network.protocol.version", "1.1"),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"),
            text("client.address", &format!("10.1.{}.{}", self.random.below(255), self.random.below(255))),
        ];
        if failed {
            span.status = Some(Status { message: "the payment was refused".to_owned(), code: 2 });
        }
        let operation = self.truth.operations.entry((service, format!("{method} {route}"))).or_default();
        operation.durations_ms.push(milliseconds(&span));
        operation.errors += u64::from(failed);
        let id = span.span_id.clone();
        spans.push((service, span));
        (service, id)
    }

    fn outgoing(&mut self, context: &Context, service: &'static str, parent: &[u8], spans: &mut Spans) -> Vec<u8> {
        let duration = self.random.duration(25.0);
        let mut span = self.span(context, parent, "GET", CLIENT, duration);
        span.attributes = vec![
            text("http.request.method", "GET"),
            text(
                "url.full",
                &format!("http://backend.shop.internal:8080/api/items/{}?expand=price", self.random.below(100_000)),
            ),
            int("http.response.status_code", 200),
            text("server.address", "backend.shop.internal"),
            int("server.port", 8080),
            text("network.protocol.version", "1.1"),
            text("network.peer.address", &format!("10.2.0.{}", self.random.below(255))),
            int("http.request.resend_count", 0),
            text("thread.name", "tokio-runtime-worker"),
        ];
        let id = span.span_id.clone();
        spans.push((service, span));
        id
    }

    fn statement(&mut self, context: &Context, service: &'static str, parent: &[u8], spans: &mut Spans) {
        let (sent, bare) = STATEMENTS[self.random.index(STATEMENTS.len())];
        let duration = self.random.duration(3.0);
        let verb = sent.split(' ').next().unwrap_or_default();
        let mut span = self.span(context, parent, &format!("{verb} shop"), CLIENT, duration);
        span.attributes = vec![
            text("db.system.name", "postgresql"),
            text("db.namespace", "shop"),
            text("db.operation.name", verb),
            text("db.query.text", &sent.replace('#', &self.random.below(1_000_000).to_string())),
            text("server.address", "postgres.shop.internal"),
            int("server.port", 5432),
            text("network.peer.address", "10.3.0.7"),
            text("thread.name", "tokio-runtime-worker"),
        ];
        *self.truth.statements.entry((service, bare)).or_default() += 1;
        spans.push((service, span));
    }

    fn span(&mut self, context: &Context, parent: &[u8], name: &str, kind: i32, duration_ns: u64) -> Span {
        self.truth.spans += 1;
        self.truth.errors += u64::from(context.fails && parent.is_empty());
        self.truth.late += u64::from(context.late);
        Span {
            trace_id: context.trace_id.clone(),
            span_id: self.random.bytes(8),
            parent_span_id: parent.to_vec(),
            name: name.to_owned(),
            kind,
            start_time_unix_nano: context.end - duration_ns,
            end_time_unix_nano: context.end,
            flags: 0x101,
            ..Span::default()
        }
    }
}

impl Iterator for Generator {
    type Item = ExportTraceServiceRequest;

    fn next(&mut self) -> Option<ExportTraceServiceRequest> {
        if self.truth.requests == self.shape.requests {
            return None;
        }
        let left = (self.shape.requests - self.truth.requests - 1) * self.shape.spans_a_request as u64;
        let end_unix_nano = self.shape.end_unix_nano - left * 1_000_000_000 / self.shape.spans_a_second;
        Some(self.ending_at(end_unix_nano))
    }
}

impl Generator {
    /// Generates a request with the given end time of its last span.
    pub(crate) fn ending_at(&mut self, end_unix_nano: u64) -> ExportTraceServiceRequest {
        self.truth.requests += 1;
        let mut by_service: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        let mut made = 0;
        while made < self.shape.spans_a_request {
            let later = (self.shape.spans_a_request - made) as u64;
            let mut end = end_unix_nano - later * 1_000_000_000 / self.shape.spans_a_second;
            // A whole trace may not fit, so the rest of the request is filled with background spans.
            if self.shape.spans_a_request - made < LONGEST_TRACE {
                end -= 1000;
                let context = Context { trace_id: self.random.bytes(16), end, late: false, fails: false };
                let duration = self.random.duration(1.0);
                let span = self.span(&context, &[], "sweep the carts", INTERNAL, duration);
                by_service.entry("checkout").or_default().push(span);
                made += 1;
                continue;
            }
            for (service, span) in self.trace(end) {
                by_service.entry(service).or_default().push(span);
                made += 1;
            }
        }
        let resource_spans = by_service.into_iter().map(|(service, spans)| of_service(service, spans)).collect();
        ExportTraceServiceRequest { resource_spans }
    }
}

/// A root, and two calls with a server span and three statements each.
const LONGEST_TRACE: usize = 1 + 2 * (2 + 3);

type Spans = Vec<(&'static str, Span)>;

/// Data shared by all spans of a trace.
struct Context {
    trace_id: Vec<u8>,
    end: u64,
    late: bool,
    fails: bool,
}

fn of_service(service: &str, spans: Vec<Span>) -> ResourceSpans {
    let attributes = vec![
        text("service.name", service),
        text("service.namespace", "shop"),
        text("service.version", "2.14.1"),
        text("service.instance.id", &format!("{service}-7d9f8b6c5-x2x7k")),
        text("deployment.environment.name", "production"),
        text("telemetry.sdk.language", "rust"),
        text("host.name", "node-3.shop.internal"),
    ];
    let scope =
        InstrumentationScope { name: "shop.http".to_owned(), version: "1.4.0".to_owned(), ..Default::default() };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

/// Computed as in a receiver.
fn milliseconds(span: &Span) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 104 days")]
    let nanoseconds = (span.end_time_unix_nano - span.start_time_unix_nano) as f64;
    nanoseconds / 1e6
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// SplitMix64: the same seed always gives the same numbers, independent of library versions.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap_or_default()
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn bytes(&mut self, many: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..many.div_ceil(8)).flat_map(|_| self.next().to_be_bytes()).collect();
        bytes.truncate(many);
        bytes
    }

    /// Returns nanoseconds around a typical duration, with a long tail like real ones.
    fn duration(&mut self, usual_ms: f64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "random bits")]
        let uniform = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
        // The sum of twelve uniform numbers is close enough to normal.
        let normal = (0..12).map(|_| uniform(self.next())).sum::<f64>() - 6.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration of at most minutes")]
        let nanoseconds = (usual_ms * (normal * 0.6).exp() * 1e6) as u64;
        nanoseconds.max(1000)
    }
}
