//! The contract of every exporter, tested against targets that fail in every known way: counts are conserved, nothing arrives
//! twice unless the sender could not know, and the points of a series stay in order.

mod cases;
pub(crate) mod datadog;
mod elasticsearch;
mod exporters;
mod remote_write;
mod target;

use crate::support::config::Setup;
use crate::support::otlp::post;
use crate::support::server::Server;
use crate::support::{heavy, now_unix_nano, until};
use cases::Case;
use exporters::{EXPORTERS, Exporter, Signal};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;
use target::{ITEMS_MAX, POISON, Target};

const REQUESTS: u64 = 20;
const ITEMS: u64 = 5;
const ALL: u64 = REQUESTS * ITEMS;
const SERIES: u64 = 3;
/// Number of the one item that exceeds the limit of the `Oversized` target.
const LARGE: u64 = 33;
/// Items per batch. A kill may duplicate one batch for each request in flight.
const BATCH: u64 = 10;
const UNDER_WAY: u64 = 4;

/// An exporter and its target.
struct Trial {
    id: String,
    exporter: &'static Exporter,
    target: Target,
}

impl Trial {
    fn start(exporter: &'static Exporter, case: Case) -> Trial {
        let signal = format!("{:?}", exporter.signal).to_lowercase();
        let id = format!("{}/{signal}-{}", exporter.kind, case.title());
        Trial { id, exporter, target: Target::start(exporter, case) }
    }

    fn add_to(&self, setup: Setup) -> Setup {
        let settings = format!(
            "{}, timeout: 1s, retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms}}, \
             sending_queue: {{num_consumers: {UNDER_WAY}, batch: {{flush_timeout: 20ms, min_size: {BATCH}, max_size: {BATCH}}}}}",
            (self.exporter.settings)(self.target.port)
        );
        let signal = format!("{:?}", self.exporter.signal).to_lowercase();
        setup.exporter_aside(&self.id, &settings).pipeline(
            &format!("{signal}/{}", self.id.replace('/', "-")),
            &format!("receivers: [otlp], exporters: [{}]", self.id),
        )
    }

    fn numbers(&self) -> BTreeSet<u64> {
        self.target.taken().iter().map(|item| item.number).collect()
    }

    /// Returns the items that the target rejects and the exporter has to count as refused.
    fn refused(&self) -> BTreeSet<u64> {
        match self.target.case {
            // The answer names no item, so the whole sender request that contains it is rejected.
            Case::Refusal => (POISON / ITEMS * ITEMS..(POISON / ITEMS + 1) * ITEMS).collect(),
            Case::Partial => BTreeSet::from([POISON]),
            Case::Oversized => BTreeSet::from([LARGE]),
            _ => BTreeSet::new(),
        }
    }

    /// Compares what arrived, and the counts in the tables, with what was sent.
    async fn check(&self, server: &Server) -> String {
        let (case, id) = (self.target.case, &self.id);
        let refused = self.refused();
        let wanted: BTreeSet<u64> = (0..ALL).filter(|number| !refused.contains(number)).collect();
        until(&format!("{id} to have sent everything"), Duration::from_mins(1), || async {
            let (found, rows) = (self.numbers(), self.row(server).await?);
            let dealt_with = rows.0 + rows.1 >= ALL || case == Case::Restart;
            if found.len() >= wanted.len() && dealt_with {
                return Ok(());
            }
            Err(format!("{} of {} items; sent and refused: {rows:?}", found.len(), wanted.len()))
        })
        .await;
        assert_eq!(self.numbers(), wanted, "{id}: what arrived");
        let taken = self.target.taken();
        let (twice, most) = (taken.len() - wanted.len(), case.twice_max(UNDER_WAY * BATCH));
        assert!(twice as u64 <= most, "{id}: {twice} items came twice, of {most} that may");
        if self.exporter.signal == Signal::Metrics {
            self.check_order();
        }
        let (sent, counted) = self.row(server).await.expect("a row of the exporter");
        if case != Case::Restart {
            assert_eq!((sent, counted), (wanted.len() as u64, refused.len() as u64), "{id}: the table exporters");
        }
        if case == Case::TooMany {
            assert!(!self.target.was_pressed(), "{id}: it was asked to wait");
        }
        if !case.told().is_empty() {
            let (log, id) = (server.log(), format!("\"{id}\""));
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(&id) && line.contains("WARN")).collect();
            let is_told = |line: &&str| case.told().iter().any(|words| line.contains(words));
            assert!(lines.iter().any(is_told), "{id}: no warning of {:?}: {lines:#?}", case.told());
        }
        if matches!(case, Case::Refusal | Case::Partial | Case::Oversized) {
            let letters = format!("SELECT sum(items) FROM dead_letters WHERE exporter = '{id}'");
            #[expect(clippy::cast_precision_loss, reason = "a few")]
            server.until_number(&letters, refused.len() as f64).await;
        }
        let mut told = format!("{}", wanted.len());
        if !refused.is_empty() {
            let _ = write!(told, "+{}", refused.len());
        }
        if twice > 0 {
            let _ = write!(told, " ({twice} twice)");
        }
        told
    }

    /// Asserts that the points of a series arrive in order, apart from resent ones.
    fn check_order(&self) {
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for item in self.target.taken() {
            let newest = newest.entry(item.series.clone()).or_default();
            if seen.insert((item.series.clone(), item.number)) {
                assert!(item.number >= *newest, "{}: {item:?} came behind {newest}", self.id);
                *newest = item.number;
            }
        }
    }

    /// Returns the items sent and refused according to the table `exporters`.
    async fn row(&self, server: &Server) -> Result<(u64, u64), String> {
        let rows = server
            .try_sql(&format!("SELECT sent_items, refused_items FROM exporters WHERE exporter = '{}'", self.id))
            .await?;
        let number = |key: &str| rows.first().and_then(|row| row[key].as_u64()).ok_or_else(|| format!("{rows:?}"));
        Ok((number("sent_items")?, number("refused_items")?))
    }
}

/// Sends `ALL` items of every signal, `ITEMS` per request.
async fn send_everything(server: &Server) {
    for request in 0..REQUESTS {
        let numbers: Vec<u64> = (request * ITEMS..(request + 1) * ITEMS).collect();
        for (path, body) in [traces(&numbers), metrics(&numbers), logs(&numbers)] {
            let headers = [("content-type", "application/json")];
            let answer = post(&server.http_url(path), &headers, body.to_string()).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
}

fn resource() -> Value {
    json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]})
}

/// Bytes of one attribute of the large item.
const PIECE: usize = 20_000;

/// Returns attributes that make the large item large: pseudo-random letters, which do not compress well.
fn padding(number: u64) -> Vec<Value> {
    let mut state = number | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
                [usize::try_from(state % 64).expect("small")],
        )
    };
    // Several attributes, because some targets are never sent a value of the full length.
    let pieces = if number == LARGE { 2 * target::BYTES_MAX / PIECE } else { 0 };
    let piece = |piece| {
        let text: String = (0..PIECE).map(|_| letter()).collect();
        json!({"key": format!("padding{piece}"), "value": {"stringValue": text}})
    };
    (0..pieces).map(piece).collect()
}

/// Returns the attribute list: the given attributes and the padding.
fn attributes(some: &[Value], number: u64) -> Value {
    some.iter().cloned().chain(padding(number)).collect()
}

fn traces(numbers: &[u64]) -> (&'static str, Value) {
    let now = now_unix_nano();
    let span = |number: &u64| {
        json!({
            "traceId": format!("{:032x}", number + 1), "spanId": format!("{:016x}", number + 1), "name": format!("n{number}"),
            "kind": 2, "startTimeUnixNano": (now - 1000).to_string(), "endTimeUnixNano": now.to_string(),
            "attributes": attributes(&[], *number),
        })
    };
    let spans: Vec<Value> = numbers.iter().map(span).collect();
    ("/v1/traces", json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"spans": spans}]}]}))
}

fn metrics(numbers: &[u64]) -> (&'static str, Value) {
    let now = now_unix_nano();
    let point = |number: &u64| {
        let series = json!({"key": "series", "value": {"stringValue": format!("s{}", number % SERIES)}});
        json!({
            // Distinct timestamps even in milliseconds.
            "timeUnixNano": (now + number * 1_000_000).to_string(), "asInt": number.to_string(),
            "attributes": attributes(&[series], *number),
        })
    };
    let points: Vec<Value> = numbers.iter().map(point).collect();
    let metric = json!({"name": "contract", "gauge": {"dataPoints": points}});
    ("/v1/metrics", json!({"resourceMetrics": [{"resource": resource(), "scopeMetrics": [{"metrics": [metric]}]}]}))
}

fn logs(numbers: &[u64]) -> (&'static str, Value) {
    let now = now_unix_nano();
    let record = |number: &u64| {
        let name = json!({"key": "number", "value": {"stringValue": format!("n{number}")}});
        json!({
            "timeUnixNano": (now + number).to_string(), "severityNumber": 9, "body": {"stringValue": format!("n{number}")},
            "attributes": attributes(&[name], *number),
        })
    };
    let records: Vec<Value> = numbers.iter().map(record).collect();
    ("/v1/logs", json!({"resourceLogs": [{"resource": resource(), "scopeLogs": [{"logRecords": records}]}]}))
}

async fn run(cases: &[Case], restarts: bool) -> BTreeMap<(usize, &'static str), String> {
    let trials: Vec<(usize, Trial)> = EXPORTERS
        .iter()
        .enumerate()
        .flat_map(|(row, exporter)| cases.iter().map(move |case| (row, exporter, *case)))
        .filter(|(_, exporter, case)| exporter.has(*case))
        .map(|(row, exporter, case)| (row, Trial::start(exporter, case)))
        .collect();
    let setup = trials.iter().fold(Setup::default(), |setup, (_, trial)| trial.add_to(setup));
    let mut server = Server::start(setup).await;
    send_everything(&server).await;
    if restarts {
        server.kill9();
        for (_, trial) in &trials {
            assert!((trial.numbers().len() as u64) < ALL, "{}: it had sent everything before it was killed", trial.id);
        }
        server.start_again().await;
    }
    let mut told = BTreeMap::new();
    for (row, trial) in &trials {
        told.insert((*row, trial.target.case.title()), trial.check(&server).await);
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_exporter_keeps_the_contract_in_every_case() {
    let _turn = heavy().await;
    assert!(BATCH > ITEMS_MAX as u64, "a batch is more than a small target takes");
    let (last, others) = cases::ALL.split_last().expect("cases");
    let mut told = run(others, false).await;
    told.extend(run(&[*last], true).await);
    let mut table =
        format!("contract of the exporters: of {ALL} items taken, + refused and counted, (twice)\n{:24}", "");
    for case in cases::ALL {
        let _ = write!(table, "{:>16}", case.title());
    }
    for (row, exporter) in EXPORTERS.iter().enumerate() {
        let _ = write!(table, "\n{:24}", format!("{} {:?}", exporter.kind, exporter.signal).to_lowercase());
        for case in cases::ALL {
            let told = told.get(&(row, case.title())).map_or("-", String::as_str);
            assert_eq!(told == "-", !exporter.has(case), "{} {case:?}", exporter.kind);
            let _ = write!(table, "{told:>16}");
        }
    }
    let lacking: BTreeSet<(&str, &str, &str)> = EXPORTERS
        .iter()
        .flat_map(|exporter| exporter.lacks.iter().map(|(case, why)| (exporter.kind, case.title(), *why)))
        .collect();
    for (kind, case, why) in lacking {
        let _ = write!(table, "\n- of {kind}, {case}: {why}");
    }
    println!("{table}");
}
