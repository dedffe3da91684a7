//! Seeded requests that reach every branch of the mapping. They avoid what is nondeterministic in the Agent: which of several
//! spans without a parent is the root of its trace, and the order in which traces of one resource are processed.

use super::texts;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use std::collections::BTreeMap;

/// Attributes of an item under construction.
pub(crate) type List = Vec<KeyValue>;

pub(crate) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.to_owned()))
}

pub(crate) fn int(key: &str, value: i64) -> KeyValue {
    pair(key, Value::IntValue(value))
}

/// Generates requests.
pub(crate) struct Generator {
    state: u64,
    /// How often each feature was generated.
    pub(crate) features: BTreeMap<&'static str, u64>,
}

impl Generator {
    pub(crate) const fn new(seed: u64) -> Generator {
        Generator { state: seed, features: BTreeMap::new() }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Returns true once in `times` calls on average.
    fn once(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("small")]
    }

    fn feature(&mut self, name: &'static str) {
        *self.features.entry(name).or_default() += 1;
    }

    /// Chooses a feature once in `times` calls on average, and counts it.
    fn maybe(&mut self, times: u64, name: &'static str) -> bool {
        let chosen = self.once(times);
        if chosen {
            self.feature(name);
        }
        chosen
    }

    pub(crate) fn request(&mut self, now: i64) -> ExportTraceServiceRequest {
        let resources = 1 + self.below(2);
        ExportTraceServiceRequest { resource_spans: (0..resources).map(|_| self.resource_spans(now)).collect() }
    }

    fn resource_spans(&mut self, now: i64) -> ResourceSpans {
        let attributes = self.resource();
        let traces = 1 + self.below(3);
        let mut scopes: Vec<ScopeSpans> = (0..=self.below(2)).map(|_| self.scope()).collect();
        for _ in 0..traces {
            for span in self.trace(now, traces == 1) {
                let scope = usize::try_from(self.below(scopes.len() as u64)).expect("small");
                scopes[scope].spans.push(span);
            }
        }
        let resource = (!self.once(50)).then(|| Resource { attributes, ..Resource::default() });
        ResourceSpans { resource, scope_spans: scopes, ..ResourceSpans::default() }
    }

    fn scope(&mut self) -> ScopeSpans {
        let mut scope = InstrumentationScope::default();
        if self.maybe(2, "scope name") {
            self.pick(&["io.opentelemetry.http", "Lib Ünï", "x"]).clone_into(&mut scope.name);
        }
        if self.maybe(2, "scope version") {
            "1.2.3".clone_into(&mut scope.version);
        }
        if self.maybe(6, "scope attributes") {
            scope.attributes = vec![text("scope.of", "x"), int("scope.number", 7), text("db.name", "of-scope")];
        }
        ScopeSpans { scope: (!self.once(10)).then_some(scope), ..ScopeSpans::default() }
    }

    fn resource(&mut self) -> List {
        let mut list = Vec::new();
        if !self.maybe(12, "no service") {
            list.push(text("service.name", self.pick(texts::NAMES)));
        }
        for (key, values) in texts::RESOURCE {
            if self.maybe(5, key) {
                list.push(text(key, self.pick(values)));
            }
        }
        for (key, values) in texts::PLACES {
            if self.maybe(9, key) {
                list.push(text(key, self.pick(values)));
            }
        }
        if self.maybe(12, "image tags") {
            let values = ["v1", "v2"].map(|tag| AnyValue { value: Some(Value::StringValue(tag.to_owned())) });
            let values = if self.once(4) { Vec::new() } else { values.to_vec() };
            list.push(pair("container.image.tags", Value::ArrayValue(ArrayValue { values })));
        }
        if self.maybe(40, "statistics made elsewhere") {
            let value = self.pick(&["true", "false", "", "no"]);
            list.push(if value == "no" {
                pair("_dd.stats_computed", Value::BoolValue(false))
            } else {
                text("_dd.stats_computed", value)
            });
        }
        self.any(&mut list, 6);
        self.shuffle(&mut list);
        list
    }

    fn shuffle(&mut self, list: &mut List) {
        for last in (1..list.len()).rev() {
            list.swap(last, usize::try_from(self.below(last as u64 + 1)).expect("small"));
        }
    }

    /// Adds attributes of every type, some of them twice.
    fn any(&mut self, list: &mut List, times: u64) {
        if !self.maybe(times, "attributes of all types") {
            return;
        }
        for _ in 0..=self.below(4) {
            let value = self.value(2);
            let key = self.pick(&[
                "custom.a",
                "custom.b",
                "peer.hostname",
                "http.route",
                "custom.c",
                "",
                "http.request.header.x-y",
            ]);
            list.push(pair(key, value));
        }
        if self.once(4) {
            list.push(KeyValue { key: "empty".to_owned(), ..KeyValue::default() });
        }
        if self.once(40) {
            list.push(text(&"long.key.".repeat(30), "x"));
            list.push(int(&"long.number.".repeat(30), 1));
            list.push(text("long.value", &"ä-".repeat(10_000)));
            list.push(text("_dd.appsec.json", &"j".repeat(26_000)));
        }
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 | 1 => Value::StringValue(self.pick(texts::VALUES).to_owned()),
            2 => Value::BoolValue(self.once(2)),
            3 => Value::IntValue(self.pick(&[0, 1, -5, 200, i64::MAX, 4_111_111_111_111_111])),
            4 => Value::DoubleValue(self.pick(&[0.0, -0.5, 1e21, 1.5e-7, 3.0, f64::NAN, f64::INFINITY, 0.1 + 0.2])),
            5 => Value::BytesValue(vec![0, 255, 7]),
            6 => Value::ArrayValue(ArrayValue {
                values: (0..self.below(3)).map(|_| AnyValue { value: Some(self.value(depth - 1)) }).collect(),
            }),
            _ => Value::KvlistValue(KeyValueList {
                values: ["b", "a"].map(|key| pair(key, self.value(depth - 1))).to_vec(),
            }),
        }
    }

    /// Generates the spans of a trace; `alone` if it is the only one of its resource.
    fn trace(&mut self, now: i64, alone: bool) -> Vec<Span> {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next().to_be_bytes());
        id[8..].copy_from_slice(&self.next().to_be_bytes());
        if self.maybe(60, "trace id of zeros") {
            id = [0; 16];
        }
        let spans = 1 + self.below(5);
        let parent = self.next().to_be_bytes();
        // Which spans have no parent in the request, and whether the root of the trace is deterministic.
        let (orphans, certain) = match self.below(5) {
            0 | 1 => (false, true),
            2 if spans > 2 => (true, false),
            _ => (true, true),
        };
        self.feature(if certain { "one span speaks for its trace" } else { "several spans without parents" });
        let mut list: Vec<Span> = Vec::new();
        for index in 0..spans {
            let top = index == 0 || (!certain && index < 3);
            let mut span = self.span(now, certain && index == 0, certain && alone);
            span.trace_id = id.to_vec();
            span.span_id = self.next().to_be_bytes().to_vec();
            span.parent_span_id = match top {
                true if orphans && certain => parent.to_vec(),
                true if orphans => self.next().to_be_bytes().to_vec(),
                true => Vec::new(),
                false => list[usize::try_from(self.below(index)).expect("small")].span_id.clone(),
            };
            if self.maybe(400, "span id of zeros") {
                span.span_id = vec![0; 8];
            }
            list.push(span);
        }
        if certain && self.maybe(12, "user's priority") {
            let priority = self.pick(&[-1.0, 0.0, 1.0, 2.0, 3.0]);
            let key = self.pick(&["sampling.priority", "_sampling_priority_v1"]);
            let last = list.len() - 1;
            list[last].attributes.push(pair(key, Value::DoubleValue(priority)));
        }
        // All spans of a trace have the same sampler state. Traces without a valid id share one id, so they get none.
        let state = if id == [0; 16] { String::new() } else { list[0].trace_state.clone() };
        list.iter_mut().for_each(|span| span.trace_state.clone_from(&state));
        if self.maybe(40, "halves of a trace's id") {
            let half = ["1111111111111111", "2222222222222222"];
            for span in &mut list {
                let half = self.pick(&half[..if self.state.is_multiple_of(3) { 2 } else { 1 }]);
                span.attributes.push(text("_dd.p.tid", half));
            }
        }
        list
    }

    /// Generates a span; `head` if it is the root of its trace, `free` if it may set attributes that determine payload fields.
    fn span(&mut self, now: i64, head: bool, free: bool) -> Span {
        let mut span = Span { name: self.pick(texts::NAMES).to_owned(), ..Span::default() };
        span.kind = if self.maybe(80, "unknown kind") { 9 } else { i32::try_from(self.below(6)).expect("small") };
        let ago = i64::try_from(self.below(200_000_000_000)).expect("small") + 7_200_000_000_000;
        let duration = match self.below(8) {
            0 => 0,
            1 => i64::try_from(self.below(1_000)).expect("small"),
            2 => i64::try_from(self.below(90_000_000_000)).expect("small"),
            _ => i64::try_from(self.below(900_000_000)).expect("small"),
        };
        span.start_time_unix_nano = u64::try_from(now - ago).expect("positive");
        span.end_time_unix_nano = span.start_time_unix_nano + u64::try_from(duration).expect("positive");
        if self.maybe(60, "ends before it begins") {
            span.end_time_unix_nano = span.start_time_unix_nano - 5;
        }
        if self.maybe(80, "no clock") {
            span.start_time_unix_nano = self.pick(&[0, 5, 900_000_000_000_000_000]);
            span.end_time_unix_nano = span.start_time_unix_nano + 1_000;
        }
        let shape = self.pick(texts::SHAPES);
        self.feature(shape.0);
        for (key, values) in shape.1 {
            if !self.once(6) {
                span.attributes.push(texts::attribute(key, self.pick(values)));
            }
        }
        for (key, values) in texts::SPAN {
            if self.maybe(14, key) {
                span.attributes.push(texts::attribute(key, self.pick(values)));
            }
        }
        for (key, values) in texts::PAYLOAD {
            if free && self.maybe(10, key) {
                span.attributes.push(texts::attribute(key, self.pick(values)));
            }
        }
        self.rates(&mut span, head);
        self.any(&mut span.attributes, 8);
        self.shuffle(&mut span.attributes);
        self.told(&mut span);
        span
    }

    fn rates(&mut self, span: &mut Span, head: bool) {
        if self.maybe(6, "trace state") && head {
            self.pick(texts::TRACE_STATES).clone_into(&mut span.trace_state);
        }
        if head && self.maybe(15, "sample rate") {
            let rate = self.pick(&[0.5, 0.3, 1.0, 0.0, 2.0]);
            span.attributes.push(pair("_sample_rate", Value::DoubleValue(rate)));
        }
    }

    fn told(&mut self, span: &mut Span) {
        if self.maybe(3, "status") {
            let message = if self.once(2) { "it broke <&>" } else { "" };
            span.status = Some(Status { code: self.pick(&[0, 1, 2, 2, 2, 7]), message: message.to_owned() });
        }
        for _ in 0..self.below(7).saturating_sub(4) {
            self.feature("event");
            let mut event =
                Event { name: self.pick(&["exception", "note \"x\" <b>", ""]).to_owned(), ..Event::default() };
            event.time_unix_nano = self.pick(&[0, 1_700_000_000_000_000_001]);
            self.any(&mut event.attributes, 2);
            if event.name == "exception" {
                event.attributes.push(text("exception.message", "no\nway\u{2028}"));
                event.attributes.push(text("exception.type", "java.lang.Ünchecked"));
                event.attributes.push(text("exception.stacktrace", "at a.b(c.java:1)\n\tat d"));
            }
            event.dropped_attributes_count = u32::from(self.once(5));
            span.events.push(event);
        }
        if self.maybe(9, "link") {
            let mut link = Link { trace_id: vec![7; 16], span_id: vec![8; 8], ..Link::default() };
            self.pick(&["", "a=1"]).clone_into(&mut link.trace_state);
            self.any(&mut link.attributes, 2);
            link.dropped_attributes_count = u32::from(self.once(3));
            span.links = vec![link.clone(), link];
        }
    }
}
