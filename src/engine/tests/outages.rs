//! Outages of all lengths on a simulated clock, through the real rollup, pipelines and state machine.
//!
//! Each must be reported while it lasts, not be resolved before it ends, and be resolved within the window, the lag,
//! `keep_firing_for` and two evaluations afterwards. The engine is restarted meanwhile, as for a release.

use super::*;
use crate::model::pipeline::PipelineDef;
use arrow::array::{Array as _, new_null_array};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use std::collections::BTreeMap;

/// Simulated time of one step: requests arrive, then all findings are evaluated.
const STEP_MS: i64 = 30_000;
/// Default number of requests of each route per step.
const A_STEP: u32 = 6;
const MINUTE_MS: i64 = 60_000;
const WINDOW_MS: i64 = 300_000;
const LAG_MS: i64 = 10_000;
const KEEP_FIRING_FOR_MS: i64 = 60_000;
/// Time with traffic on existing routes before the first outage.
const WARM_UP_MS: i64 = 75 * MINUTE_MS;
/// Outages begin within this time afterwards.
const SPREAD_MS: i64 = 40 * MINUTE_MS;
const LENGTHS_MIN: [i64; 10] = [2, 3, 5, 8, 12, 20, 35, 60, 110, 180];
/// Duration of a second outage.
const AGAIN_MS: i64 = 5 * MINUTE_MS;
/// Number of steps between two restarts.
const RESTART_EVERY: usize = 97;

/// Traffic after an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum After {
    /// Successful requests.
    Well,
    /// No requests.
    Silence,
    /// One successful request per minute.
    Few,
}

/// Share of an outage's requests that fail.
#[derive(Debug, Clone, Copy)]
enum Failing {
    Share(f64),
    /// Hardly any at first, all at the end.
    Growing,
}

/// A route with one or two outages.
struct Route {
    operation: String,
    kind: String,
    /// Whether it has no requests before its outage.
    is_new: bool,
    from_ms: i64,
    to_ms: i64,
    /// Time from the end of the first outage to a second one of five minutes.
    again_after_ms: Option<i64>,
    failing: Failing,
    after: After,
    a_step: u32,
    requests: u32,
    failed: f64,
}

impl Route {
    /// Returns the share of requests that fail at a time.
    fn share(&self, at_ms: i64) -> f64 {
        let again_ms = self.again_after_ms.map(|after_ms| self.to_ms + after_ms);
        if again_ms.is_some_and(|from_ms| (from_ms..from_ms + AGAIN_MS).contains(&at_ms)) {
            return 1.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "some hours")]
        match self.failing {
            _ if !(self.from_ms..self.to_ms).contains(&at_ms) => 0.0,
            Failing::Share(share) => share,
            Failing::Growing => (at_ms - self.from_ms) as f64 / (self.to_ms - self.from_ms) as f64,
        }
    }

    fn fails(&self, at_ms: i64) -> bool {
        self.share(at_ms) > 0.0
    }

    /// Returns when all outages of the route are over.
    fn end_ms(&self) -> i64 {
        self.to_ms + self.again_after_ms.map_or(0, |after_ms| after_ms + AGAIN_MS)
    }

    /// Returns the requests of the step that ends at `now_ms`: time, and whether it failed.
    fn step(&mut self, now_ms: i64) -> Vec<(i64, bool)> {
        let mut requests = Vec::new();
        for n in 0..self.a_step {
            let at_ms = now_ms - STEP_MS + i64::from(n) * STEP_MS / i64::from(self.a_step);
            let share = self.share(at_ms);
            let is_over = at_ms >= self.to_ms;
            self.requests += 1;
            let comes = match self.after {
                After::Silence if is_over => false,
                // The first one of every second step.
                After::Few if is_over => n == 0 && now_ms.div_euclid(STEP_MS) % 2 == 0,
                _ => !(self.is_new && at_ms < self.from_ms),
            };
            if comes {
                // Spread evenly according to the share.
                self.failed += share;
                let failed = share > 0.0 && self.failed >= 1.0;
                self.failed -= if failed { 1.0 } else { 0.0 };
                requests.push((at_ms, failed));
            }
        }
        requests
    }
}

/// Observations of one route by one pipeline.
#[derive(Debug, Default, Clone)]
struct Seen {
    told_ms: Option<i64>,
    resolved_ms: Option<i64>,
    reason: Option<String>,
    /// Number of times that it began to fire.
    fired: u32,
    /// Number of times that it stopped firing during the outage.
    too_early: u32,
    /// Number of evaluations in which both pipelines fired.
    beside: u32,
}

/// Returns a pseudo-random number, the same in each run.
fn scattered(seed: u64, below: i64) -> i64 {
    let mixed = xxhash_rust::xxh3::xxh3_64_with_seed(b"outages", seed);
    i64::try_from(mixed % u64::try_from(below).unwrap()).unwrap()
}

fn routes(began_ms: i64) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut plant = |kind: &str, is_new, minutes: i64, failing, after, a_step| {
        let seed = routes.len() as u64;
        // At any second, not only at the start of a window or step.
        let from_ms = began_ms + WARM_UP_MS + scattered(seed, SPREAD_MS / 1000) * 1000;
        routes.push(Route {
            operation: format!("{seed} {kind} {minutes} min"),
            kind: kind.to_owned(),
            is_new,
            from_ms,
            to_ms: from_ms + minutes * MINUTE_MS,
            again_after_ms: kind.ends_with("twice").then_some(20 * MINUTE_MS),
            failing,
            after,
            a_step,
            requests: 0,
            failed: 0.0,
        });
    };
    for minutes in LENGTHS_MIN {
        plant("old route, all fail", false, minutes, Failing::Share(1.0), After::Well, A_STEP);
        plant("old route, a third fails", false, minutes, Failing::Share(0.34), After::Well, A_STEP);
        plant("new route, all fail", true, minutes, Failing::Share(1.0), After::Well, A_STEP);
        plant("new route, half fail", true, minutes, Failing::Share(0.5), After::Well, A_STEP);
        plant("old route, then nobody asks", false, minutes, Failing::Share(1.0), After::Silence, A_STEP);
        plant("new route, then nobody asks", true, minutes, Failing::Share(1.0), After::Silence, A_STEP);
        plant("old route, all fail, twice", false, minutes, Failing::Share(1.0), After::Well, A_STEP);
        plant("old route, then few ask", false, minutes, Failing::Share(1.0), After::Few, A_STEP);
    }
    for minutes in [20, 60, 180] {
        plant("old route, ever more fail", false, minutes, Failing::Growing, After::Well, 20);
        plant("old route, 3 % fail", false, minutes, Failing::Share(0.03), After::Well, 60);
    }
    routes
}

/// Returns spans as rows with the columns that the rollup reads.
fn spans(definition: &TableDef, rows: &[(i64, &str, bool)]) -> RecordBatch {
    let text = |of: &dyn Fn(&(i64, &str, bool)) -> String| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef
    };
    let schema = definition.schema();
    let column = |name: &str| -> Option<ArrayRef> {
        Some(match name {
            "start_time" => {
                let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0 * 1000));
                Arc::new(times.with_timezone("UTC"))
            }
            "service_name" => text(&|_| "shop".to_owned()),
            "operation" | "name" => text(&|row| row.1.to_owned()),
            "kind" => text(&|_| "SERVER".to_owned()),
            "status_code" => text(&|row| if row.2 { "ERROR" } else { "UNSET" }.to_owned()),
            "duration_ms" => Arc::new(Float64Array::from(vec![20.0; rows.len()])),
            "sampled_weight" => Arc::new(Float64Array::from(vec![1.0; rows.len()])),
            "error" => Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>()),
            _ => return None,
        })
    };
    let columns = schema.fields().iter().map(|field| {
        let column = column(field.name()).unwrap_or_else(|| new_null_array(field.data_type(), rows.len()));
        assert_eq!(column.data_type(), field.data_type(), "{}", field.name());
        column
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

/// Returns the rules with only the pipelines for failing requests.
fn failing_rules() -> Rules {
    let wanted = ["requests", "error_rate", "error_rate_rise"];
    let of = |pipeline: &PipelineDef| wanted.contains(&pipeline.id.as_str());
    let mut rules = rules();
    rules.pipelines.retain(of);
    assert_eq!(rules.pipelines.len(), wanted.len());
    rules
}

#[tokio::test]
async fn outages_are_told_of_as_long_as_they_last_and_no_longer() {
    // In the future, because past rows would expire at each restart.
    let began_ms = now_ms().div_euclid(3_600_000) * 3_600_000;
    let mut routes = routes(began_ms);
    let end_ms = routes.iter().map(Route::end_ms).max().unwrap() + 80 * MINUTE_MS;
    let spans_table = tables().into_iter().find(|table| table.name == "spans").unwrap();
    let folder = TempDir::new().unwrap();
    let store = HotStore::new(&tables(), 64 << 20);
    let open = || engine_by(failing_rules(), &folder, &store, EngineSettings::default(), nothing_to_refetch());
    let mut engine = open().await;
    let mut seen: BTreeMap<(String, &'static str), Seen> = BTreeMap::new();
    let mut now_ms = began_ms;
    for step in 1.. {
        now_ms += STEP_MS;
        if now_ms > end_ms {
            break;
        }
        let requests: Vec<(String, Vec<(i64, bool)>)> =
            routes.iter_mut().map(|route| (route.operation.clone(), route.step(now_ms))).collect();
        let rows: Vec<(i64, &str, bool)> = requests
            .iter()
            .flat_map(|(operation, rows)| rows.iter().map(|(at_ms, failed)| (*at_ms, operation.as_str(), *failed)))
            .collect();
        let decoded = Decoded { tables: vec![("spans", spans(&spans_table, &rows))], ..Decoded::default() };
        store.append(Position(step as u64), &decoded);
        engine.flush().await.unwrap();
        if step % 10 == 0 {
            engine.compaction(now_ms).await.unwrap();
        }
        if step % RESTART_EVERY == 0 {
            engine = open().await;
        }
        engine.evaluate(now_ms).await.unwrap();
        note(&routes, &engine.findings().borrow(), now_ms, &mut seen);
    }
    report(&routes, &seen);
}

/// Records which findings of each route fire, and which no longer do.
fn note(routes: &[Route], findings: &[Finding], now_ms: i64, seen: &mut BTreeMap<(String, &'static str), Seen>) {
    let by_operation = |pipeline: &str| -> BTreeMap<&str, &Finding> {
        findings
            .iter()
            .filter(|finding| finding.pipeline == pipeline)
            .filter_map(|finding| Some((finding.key.iter().find(|(name, _)| name == "operation")?.1.as_str(), finding)))
            .collect()
    };
    let is_firing = |finding: Option<&&Finding>| finding.is_some_and(|finding| finding.state == FindingState::Firing);
    for (pipeline, other) in [("error_rate", "error_rate_rise"), ("error_rate_rise", "error_rate")] {
        let (of, of_other) = (by_operation(pipeline), by_operation(other));
        for route in routes {
            let finding = of.get(route.operation.as_str());
            let (fires, other_fires) = (is_firing(finding), is_firing(of_other.get(route.operation.as_str())));
            let seen = seen.entry((route.operation.clone(), pipeline)).or_default();
            if fires {
                let is_new = seen.told_ms.is_none() || seen.resolved_ms.take().is_some();
                seen.fired += u32::from(is_new);
                seen.told_ms.get_or_insert(now_ms);
                seen.beside += u32::from(other_fires);
            } else if seen.told_ms.is_some() && seen.resolved_ms.is_none() {
                seen.resolved_ms = Some(now_ms);
                // If the other finding fires from now on, this one was not resolved.
                seen.too_early += u32::from(route.fails(now_ms) && !other_fires);
                let ended = finding.and_then(|finding| finding.ended.as_ref());
                seen.reason = ended.and_then(|ended| ended.reason.clone());
            }
        }
    }
}

/// Prints the table, and fails if an outage was not reported, or was resolved too early or too late.
fn report(routes: &[Route], seen: &BTreeMap<(String, &'static str), Seen>) {
    let bound_ms = WINDOW_MS + LAG_MS + KEEP_FIRING_FOR_MS + 2 * STEP_MS;
    // With one request per minute, up to an hour may pass until enough of them have succeeded.
    let sparse_ms = 60 * MINUTE_MS;
    let mut wrong = Vec::new();
    let mut lines: BTreeMap<&str, (u32, u32, u32, i64, i64)> = BTreeMap::new();
    for route in routes {
        let of = |pipeline| &seen[&(route.operation.clone(), pipeline)];
        let (absolute, rise) = (of("error_rate"), of("error_rate_rise"));
        // Outages with a low share are reported by the other finding, and those that begin with a low share by both.
        let is_little = matches!(route.failing, Failing::Share(share) if share < 0.05);
        let (told, other) = if is_little { (rise, absolute) } else { (absolute, rise) };
        let may_both = matches!(route.failing, Failing::Growing);
        let line = lines.entry(route.kind.as_str()).or_default();
        let times = if route.again_after_ms.is_some() { 2 } else { 1 };
        line.0 += times;
        line.1 += told.fired.min(times);
        line.2 += told.too_early + other.too_early;
        line.3 = line.3.max(told.told_ms.map_or(0, |told_ms| told_ms - route.from_ms));
        line.4 = line.4.max(told.resolved_ms.map_or(i64::MAX, |resolved_ms| resolved_ms - route.end_ms()));
        let in_time = |seen: &Seen| {
            let longer_ms = if route.after == After::Few { sparse_ms } else { 0 };
            seen.resolved_ms.is_some_and(|resolved_ms| resolved_ms - route.end_ms() <= bound_ms + longer_ms)
        };
        let is_right = told.fired == times
            && told.too_early + other.too_early == 0
            && told.told_ms.is_some_and(|told_ms| told_ms >= route.from_ms)
            && (may_both || told.told_ms.is_some_and(|told_ms| told_ms < route.to_ms + STEP_MS + LAG_MS))
            && in_time(told)
            && told.reason.is_some() == (route.after == After::Silence)
            && told.beside == 0
            && (other.fired == 0 || may_both && in_time(other));
        if !is_right {
            let (from, to) = (route.from_ms, route.to_ms);
            wrong.push(format!(
                "{} from {from} to {to}: told by its own {told:?}, by the other {other:?}",
                route.operation
            ));
        }
    }
    println!(
        "{:<32} {:>7} {:>5} {:>18} {:>16} {:>19}",
        "outages of 2 min to 3 h", "planted", "told", "resolved too early", "told after, most", "resolved after, most"
    );
    for (kind, (planted, told, early, told_ms, resolved_ms)) in &lines {
        println!("{kind:<32} {planted:>7} {told:>5} {early:>18} {:>14} s {:>17} s", told_ms / 1000, resolved_ms / 1000);
    }
    println!("with restarts on the way; each must be resolved within {} s of its end", bound_ms / 1000);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lines.values().all(|(planted, told, early, ..)| planted == told && *early == 0));
}
