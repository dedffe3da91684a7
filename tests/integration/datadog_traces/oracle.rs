//! Runs Datadog's own code and compares its results with ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use regex::Regex;
use serde_json::{Value, json};
use spanwise::exporters::datadog::stats;
use spanwise::exporters::datadog::traces::{AgentTraces, TRACES_MAX, TraceSettings, agent_bodies, bodies, convert};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Sent bodies, in base64.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) traces: Vec<String>,
    pub(crate) stats: Vec<String>,
    pub(crate) local_traces: Vec<String>,
    pub(crate) local_stats: Vec<String>,
}

/// A request and the settings to map it with.
pub(crate) struct Question {
    pub(crate) settings: TraceSettings,
    /// Different settings for our mapping, to inject a fault.
    pub(crate) fault: Option<TraceSettings>,
    pub(crate) request: ExportTraceServiceRequest,
    pub(crate) now: i64,
}

impl Question {
    pub(crate) const fn new(settings: TraceSettings, request: ExportTraceServiceRequest, now: i64) -> Question {
        Question { settings, fault: None, request, now }
    }

    /// Returns whether a trace of the request is sampled and so counts more than once.
    pub(crate) fn sampled(&self) -> bool {
        let scopes = self.request.resource_spans.iter().flat_map(|spans| &spans.scope_spans);
        let rated = |span: &Span| {
            !span.trace_state.is_empty() || span.attributes.iter().any(|entry| entry.key == "_sample_rate")
        };
        scopes.flat_map(|scope| &scope.spans).any(rated)
    }

    /// The input line of Datadog's program: the request and our result.
    fn line(&self) -> Value {
        let ours = self.fault.as_ref().unwrap_or(&self.settings);
        let converted = convert(&self.request.resource_spans, ours, self.now);
        let (local, _) = agent_bodies(converted.traces.clone(), ours, TRACES_MAX);
        let (traces, too_large) = bodies(converted.traces, ours, TRACES_MAX);
        assert_eq!(too_large, 0, "no generated span is larger than a body may be");
        let counts = stats::bodies(&converted.stats, stats::ENTRIES_MAX);
        let local_counts = stats::agent_bodies(&converted.stats, stats::ENTRIES_MAX);
        self.with(&Sent {
            traces: traces.iter().map(|body| STANDARD.encode(&body.body)).collect(),
            stats: counts.iter().map(|body| STANDARD.encode(&body.body)).collect(),
            local_traces: local
                .iter()
                .map(|body| STANDARD.encode(&AgentTraces::of(&body.body).expect("traces").body))
                .collect(),
            local_stats: local_counts.iter().map(|body| STANDARD.encode(&body.body)).collect(),
        })
    }

    /// Like `line`, with bodies that were already sent.
    pub(crate) fn with(&self, sent: &Sent) -> Value {
        let settings = &self.settings;
        json!({
            "settings": {
                "hostname": settings.hostname,
                "agent_version": settings.agent_version,
                "compute_stats_by_span_kind": settings.compute_stats_by_span_kind,
                "compute_top_level_by_span_kind": settings.compute_top_level_by_span_kind,
                "peer_tags_aggregation": settings.peer_tags_aggregation,
                "peer_tags": settings.peer_tags,
                "ignore_resources": settings.ignore_resources.iter().map(Regex::as_str).collect::<Vec<_>>(),
                "span_name_remappings": settings.span_name_remappings,
                "span_name_as_resource_name": settings.span_name_as_resource_name,
            },
            "request": STANDARD.encode(self.request.encode_to_vec()),
            "traces": sent.traces,
            "stats": sent.stats,
            "local_traces": sent.local_traces,
            "local_stats": sent.local_stats,
        })
    }
}

/// Runs Datadog's program on all questions.
pub(crate) fn ask(program: &str, questions: &[Question], coverage: Option<&std::path::Path>) -> Vec<Value> {
    ask_lines(program, "traces", questions.iter().map(Question::line), coverage)
}

/// Runs a mode of Datadog's program on prepared lines.
pub(crate) fn ask_lines(
    program: &str,
    kind: &str,
    lines: impl Iterator<Item = Value>,
    coverage: Option<&std::path::Path>,
) -> Vec<Value> {
    let mut input = tempfile::tempfile().expect("a temporary file");
    for line in lines {
        writeln!(input, "{line}").expect("room on the disk");
    }
    std::io::Seek::rewind(&mut input).expect("a file");
    let mut command = Command::new(program);
    command.arg(kind).stdin(Stdio::from(input)).stdout(Stdio::piped());
    // The program is built with coverage and always writes its counters.
    let unread = tempfile::tempdir().expect("a temporary folder");
    command.env("GOCOVERDIR", coverage.unwrap_or(unread.path()));
    let mut child = command.spawn().expect("Datadog's program starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let answers = lines.map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect();
    assert!(child.wait().expect("a child").success(), "Datadog's program ended well");
    answers
}

/// Number of comparisons by kind, and the differences.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) compared: BTreeMap<&'static str, (u64, u64)>,
    pub(crate) differences: Vec<String>,
}

impl Report {
    /// Compares our result with the Agent's.
    pub(crate) fn compare(&mut self, index: usize, question: &Question, answer: &Value) {
        let (agent, ours) = (&answer["agent"], &answer["spanwise"]);
        self.list(
            &format!("request {index}: payload"),
            "payloads",
            &agent["traces"],
            &ours["traces"],
            |report, at, one, other| {
                report.fields(at, "payload fields", one, other, &["chunks"], 0);
                report.list(
                    &format!("{at} chunk"),
                    "chunks",
                    &one["chunks"],
                    &other["chunks"],
                    |report, at, one, other| {
                        report.fields(at, "chunk fields", one, other, &["spans"], 0);
                        report.list(
                            &format!("{at} span"),
                            "spans",
                            &one["spans"],
                            &other["spans"],
                            |report, at, one, other| {
                                report.fields(at, "span fields", one, other, &["meta", "metrics"], 0);
                                report.fields(at, "text tags", &one["meta"], &other["meta"], &[], 0);
                                report.fields(at, "number tags", &one["metrics"], &other["metrics"], &[], 0);
                            },
                        );
                    },
                );
            },
        );
        // The local Agent gets the same data in another format.
        let locally = (ours["traces"] != answer["local"]["traces"]).then(|| format!("request {index}: local traces"));
        self.count("local traces", locally);
        let locally = (ours["stats"] != answer["local"]["stats"]).then(|| format!("request {index}: local statistics"));
        self.count("local stats", locally);
        // Both sides round fractional hits randomly.
        let slack = u64::from(question.sampled());
        self.list(
            &format!("request {index}: group"),
            "stats groups",
            &agent["stats"],
            &ours["stats"],
            |report, at, one, other| {
                report.fields(at, "stats fields", one, other, &["ok", "failed"], slack);
                report.fields(at, "sketch bins", &one["ok"], &other["ok"], &[], 0);
                report.fields(at, "sketch bins", &one["failed"], &other["failed"], &[], 0);
            },
        );
    }

    fn count(&mut self, kind: &'static str, difference: Option<String>) {
        let (compared, different) = self.compared.entry(kind).or_default();
        *compared += 1;
        *different += u64::from(difference.is_some());
        self.differences.extend(difference);
    }

    fn list(
        &mut self,
        at: &str,
        kind: &'static str,
        agent: &Value,
        ours: &Value,
        mut each: impl FnMut(&mut Report, &str, &Value, &Value),
    ) {
        let empty = Vec::new();
        let (agent, ours) = (agent.as_array().unwrap_or(&empty), ours.as_array().unwrap_or(&empty));
        for index in 0..agent.len().max(ours.len()) {
            let at = format!("{at} {index}");
            match (agent.get(index), ours.get(index)) {
                (Some(one), Some(other)) => {
                    self.count(kind, None);
                    each(self, &at, one, other);
                }
                (one, other) => self.count(kind, Some(format!("{at}: {one:?} against {other:?}"))),
            }
        }
    }

    fn fields(&mut self, at: &str, kind: &'static str, agent: &Value, ours: &Value, but: &[&str], slack: u64) {
        let empty = serde_json::Map::new();
        let (agent, ours) = (agent.as_object().unwrap_or(&empty), ours.as_object().unwrap_or(&empty));
        let keys: std::collections::BTreeSet<&String> = agent.keys().chain(ours.keys()).collect();
        for key in keys.into_iter().filter(|key| !but.contains(&key.as_str())) {
            let (one, other) = (agent.get(key), ours.get(key));
            let near = || match (one.and_then(Value::as_u64), other.and_then(Value::as_u64)) {
                (Some(one), Some(other)) => one.abs_diff(other) <= slack,
                _ => false,
            };
            let differs = one != other && !near();
            self.count(kind, differs.then(|| format!("{at} {key}: Agent {one:?}, Spanwise {other:?}")));
        }
    }

    /// Formats the report as a table.
    pub(crate) fn table(&self) -> String {
        let mut out = format!("{:<16}{:>12}{:>13}\n", "kind", "compared", "differences");
        for (kind, (compared, different)) in &self.compared {
            let _infallible = writeln!(out, "{kind:<16}{compared:>12}{different:>13}");
        }
        out
    }
}
