//! Parses `pipelines/**/*.sql`: each file contains one analysis, as YAML front-matter, prose, and one SQL statement.
//!
//! A user's folder can contain files of the same format. A file with the name of a built-in pipeline replaces it.

use crate::catalog::declared;
use crate::catalog::schemas;
use crate::catalog::yaml::{self, Gather, MapReader, Node, Value};
use crate::model::fault::{Fault, Faults};
use crate::model::pipeline::{
    Direction, Example, ExampleLimits, ExampleRows, FindingDef, NoData, Param, PipelineDef, PipelineKind,
};
use crate::model::units::{DURATION, duration_whole_ms};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../", $path)))),*]
    };
}

/// Built-in pipelines, in the order in which they run and are listed.
const BUILTIN: &[(&str, &str)] = embedded![
    "pipelines/queries/requests.sql",
    "pipelines/queries/span_metrics.sql",
    "pipelines/queries/queries.sql",
    "pipelines/queries/outgoing_calls.sql",
    "pipelines/queries/jobs.sql",
    "pipelines/queries/failures.sql",
    "pipelines/cache/caches_from_spans.sql",
    "pipelines/cache/caches_from_metrics.sql",
    "pipelines/resources/pools_from_metrics.sql",
    "pipelines/resources/pools_from_histograms.sql",
    "pipelines/resources/resources.sql",
    "pipelines/resources/databases.sql",
    "pipelines/queries/applications.sql",
    "pipelines/queries/users_from_logs.sql",
    "pipelines/resources/queues.sql",
    "pipelines/queries/requests_summary.sql",
    "pipelines/queries/slow_queries.sql",
    "pipelines/cache/cache_rates.sql",
    "pipelines/resources/pool_usage.sql",
    "pipelines/resources/resource_usage.sql",
    "pipelines/resources/sinks.sql",
    "pipelines/queries/application_summary.sql",
    "pipelines/budgets/api_budget.sql",
    "pipelines/budgets/error_rate_budget.sql",
    "pipelines/budgets/availability_budget.sql",
    "pipelines/budgets/apdex_budget.sql",
    "pipelines/frontend/page_load_budget.sql",
    "pipelines/frontend/bundle_budget.sql",
    "pipelines/queries/slow_statement.sql",
    "pipelines/cache/cache_hit_rate.sql",
    "pipelines/bottlenecks/pool_wait.sql",
    "pipelines/bottlenecks/pool_pending.sql",
    "pipelines/bottlenecks/pool_timeouts.sql",
    "pipelines/bottlenecks/n_plus_one.sql",
    // After the findings that may explain its requests.
    "pipelines/bottlenecks/slow_request.sql",
    "pipelines/bottlenecks/error_rate.sql",
    "pipelines/bottlenecks/error_rate_rise.sql",
    "pipelines/bottlenecks/failing_statement.sql",
    "pipelines/bottlenecks/failing_dependency.sql",
    "pipelines/bottlenecks/failing_job.sql",
    "pipelines/budgets/response_time.sql",
    "pipelines/budgets/error_share.sql",
    "pipelines/resources/resource_cpu.sql",
    "pipelines/resources/resource_memory.sql",
    "pipelines/resources/resource_disk.sql",
    "pipelines/resources/database_connections.sql",
    "pipelines/resources/database_lock_waits.sql",
    "pipelines/resources/database_replication.sql",
    "pipelines/resources/exporter_down.sql",
    "pipelines/resources/exporter_drops.sql",
    "pipelines/resources/exporter_refuses.sql",
];

const OPEN: &str = "/*---";
const SPLIT: &str = "---";
const CLOSE: &str = "*/";

/// Parses the built-in pipelines.
///
/// # Errors
/// All faults of all files.
pub fn builtin() -> Result<Vec<PipelineDef>, Faults> {
    let mut faults = Vec::new();
    let mut pipelines = Vec::new();
    for (file, text) in BUILTIN {
        match parse(file, text) {
            Ok(pipeline) => pipelines.push(pipeline),
            Err(found) => faults.extend(found.0),
        }
    }
    if faults.is_empty() { Ok(pipelines) } else { Err(Faults(faults)) }
}

/// Result of reading a folder of pipelines.
#[derive(Debug, Clone, Default)]
pub struct ReadPipelines {
    /// The pipelines; those of invalid files as far as they could be parsed.
    pub pipelines: Vec<PipelineDef>,
    /// All faults of all files, or of the folder.
    pub faults: Vec<Fault>,
    /// False if a file yielded no pipeline at all.
    pub complete: bool,
}

/// Adds the pipelines of a user's folder: `*.sql`, recursively, in the order of their paths. Pipelines of invalid files are
/// included as far as they could be parsed, so that later checks find further faults.
#[must_use]
pub fn read_dir(dir: &Path, pipelines: Vec<PipelineDef>) -> ReadPipelines {
    let mut read = ReadPipelines { pipelines, faults: Vec::new(), complete: true };
    let mut paths = Vec::new();
    if let Err(error) = find_sql(dir, &mut paths) {
        read.faults.push(Fault::new(dir.display().to_string(), 0, "", format!("cannot be read: {error}")));
        read.complete = false;
    }
    paths.sort();
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for path in paths {
        let file = path.display().to_string();
        if let Some(first) = named.insert(id(&file), file.clone()) {
            let message = format!("has the name of {first}, and only one of them could run: name one otherwise");
            read.faults.push(Fault::new(&file, 0, "", message));
        }
        let (pipeline, faults) = match std::fs::read_to_string(&path) {
            Ok(text) => read_text(&file, &text),
            Err(error) => (None, vec![Fault::new(&file, 0, "", format!("cannot be read: {error}"))]),
        };
        read.faults.extend(faults);
        let Some(pipeline) = pipeline else {
            read.complete = false;
            continue;
        };
        match read.pipelines.iter_mut().find(|known| known.id == pipeline.id) {
            Some(known) => *known = pipeline,
            None => read.pipelines.push(pipeline),
        }
    }
    read
}

fn find_sql(dir: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            find_sql(&path, paths)?;
        } else if path.extension().is_some_and(|ext| ext == "sql") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Parses one file.
///
/// # Errors
/// All faults of the file.
pub fn parse(file: &str, text: &str) -> Result<PipelineDef, Faults> {
    match read_text(file, text) {
        (Some(pipeline), faults) if faults.is_empty() => Ok(pipeline),
        (_, faults) => Err(Faults(faults)),
    }
}

/// Returns the pipeline id of a file.
fn id(file: &str) -> String {
    Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Parses a text as far as possible, and returns all faults.
fn read_text(file: &str, text: &str) -> (Option<PipelineDef>, Vec<Fault>) {
    // Some editors write a byte order mark and CRLF.
    let text = &text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let parsed = Parts::of(file, text).and_then(|parts| Ok((yaml::parse_at(file, parts.front_matter, 2)?, parts)));
    let (root, parts) = match parsed {
        Ok(parsed) => parsed,
        Err(faults) => return (None, faults.0),
    };
    let gather = Gather::new(file);
    let pipeline = gather.map(&root, "").map(|map| pipeline(file, map, &parts));
    (pipeline, gather.take())
}

/// Front-matter, prose and statement of a file.
struct Parts<'a> {
    front_matter: &'a str,
    prose: &'a str,
    sql: &'a str,
    sql_line: usize,
}

impl<'a> Parts<'a> {
    fn of(file: &str, text: &'a str) -> Result<Parts<'a>, Faults> {
        let fault = |line, message: &str| Faults(vec![Fault::new(file, line, "", message)]);
        let Some(rest) = text.strip_prefix(OPEN).and_then(|rest| rest.strip_prefix('\n')) else {
            return Err(fault(1, "expected the front-matter, which begins with a line `/*---`"));
        };
        let split = rest.lines().position(|line| line.trim_end() == SPLIT);
        let Some(split) = split else { return Err(fault(1, "the front-matter has no closing line `---`")) };
        let front_bytes: usize = rest.split_inclusive('\n').take(split).map(str::len).sum();
        let (front_matter, rest) = rest.split_at(front_bytes);
        let behind = rest.split_once('\n').map_or("", |(_, behind)| behind);
        let Some((prose, sql)) = behind.split_once(CLOSE) else {
            return Err(fault(split + 2, "the prose has no closing `*/` before the statement"));
        };
        let before_sql = &text[..text.len() - sql.trim_start().len()];
        let sql_line = before_sql.matches('\n').count() + 1;
        if sql.trim().is_empty() {
            return Err(fault(sql_line, "expected a statement behind the front-matter, found none"));
        }
        Ok(Parts { front_matter, prose: prose.trim(), sql: sql.trim(), sql_line })
    }
}

fn pipeline(file: &str, map: MapReader<'_>, parts: &Parts<'_>) -> PipelineDef {
    let kinds = [("rollup", PipelineKind::Rollup), ("view", PipelineKind::View), ("finding", PipelineKind::Finding)];
    let id = id(file);
    if !schemas::is_name(&id) {
        let message = format!("expected a file named in lower-case letters, digits and _, found {id:?}");
        map.gather().fault(0, "", message);
    }
    map.need("kind");
    let kind = map.word("kind", &kinds).unwrap_or(PipelineKind::View);
    let title = map.need_str("title");
    let table = (kind == PipelineKind::Rollup).then(|| map.need_str("table"));
    let line_of = |key| map.get(key).map_or(map.line(), |node| node.line);
    let definition = PipelineDef {
        id,
        file: file.to_owned(),
        kind,
        window_ms: map.parsed("window", WINDOW, window).unwrap_or(300_000),
        params: params(&map),
        table_line: if table.is_some() { line_of("table") } else { 0 },
        declares: table.as_deref().and_then(|table| declared::read(&map, table, &title)),
        title,
        table,
        reads_line: if kind == PipelineKind::Rollup { line_of("reads") } else { 0 },
        reads: if kind == PipelineKind::Rollup { map.strs("reads") } else { Vec::new() },
        needs: if kind == PipelineKind::Rollup { map.strs("needs") } else { Vec::new() },
        counters: if kind == PipelineKind::Rollup { map.strs("counters") } else { Vec::new() },
        finding: (kind == PipelineKind::Finding).then(|| finding(&map)),
        examples: examples(&map),
        prose: parts.prose.to_owned(),
        sql: parts.sql.to_owned(),
        sql_line: parts.sql_line,
    };
    if kind == PipelineKind::Rollup && definition.reads.is_empty() {
        map.fault("reads", "expected the signal tables that it reads, such as [spans], found none");
    }
    if !definition.counters.is_empty() && !definition.reads.iter().any(|table| table == "metrics") {
        map.fault("counters", "names metrics that count, and this rollup does not read metrics");
    }
    map.finish();
    definition
}

fn finding(map: &MapReader<'_>) -> FindingDef {
    let directions = [("above", Direction::Above), ("at_least", Direction::AtLeast), ("below", Direction::Below)];
    let no_data =
        [("keep", NoData::Keep), ("ok", NoData::Ok), ("warning", NoData::Warning), ("resolve", NoData::Resolve)];
    let key = map.strs("key");
    if key.is_empty() {
        map.fault("key", "expected the columns that identify a key, found none");
    }
    let finding = FindingDef {
        key,
        direction: map.word("direction", &directions).unwrap_or(Direction::Above),
        warning: map.float("warning"),
        critical: map.float("critical"),
        alerting: map.str("alerting"),
        alerting_only: map.bool("alerting_only").unwrap_or(false),
        counted: map.str("counted").unwrap_or_else(|| "samples".to_owned()),
        samples_min: map.int("samples_min").map_or(1, |samples| u64::try_from(samples).unwrap_or(0)),
        for_ms: duration(map, "for").unwrap_or(0),
        keep_firing_for_ms: duration(map, "keep_firing_for").unwrap_or(60_000),
        no_data: map.word("no_data", &no_data).unwrap_or(NoData::Keep),
        unit: map.need_str("unit"),
        message: map.need_str("message"),
        scan: map.bool("scan").unwrap_or(false),
    };
    check_order(map, &finding);
    finding
}

/// Expected format of a window, for messages.
const WINDOW: &str = "a duration such as 5m, at least 1s";

fn window(text: &str) -> Option<i64> {
    duration_whole_ms(text).filter(|ms| *ms >= 1000)
}

/// Checks that a critical limit is worse than the warning limit.
fn check_order(map: &MapReader<'_>, finding: &FindingDef) {
    let (Some(warning), Some(critical)) = (finding.warning, finding.critical) else { return };
    let (wrong, word) = match finding.direction {
        Direction::Above | Direction::AtLeast => (critical < warning, "at least"),
        Direction::Below => (critical > warning, "at most"),
    };
    if wrong {
        map.fault("critical", format!("expected {word} the warning limit, which is {warning}, found {critical}"));
    }
}

fn duration(map: &MapReader<'_>, key: &str) -> Option<i64> {
    map.parsed(key, DURATION, duration_whole_ms)
}

fn params(map: &MapReader<'_>) -> BTreeMap<String, Param> {
    let Some(params) = map.map("params") else { return BTreeMap::new() };
    let mut out = BTreeMap::new();
    for entry in params.entries() {
        let value = match &entry.node.value {
            Value::Int(number) => Param::Int(*number),
            Value::Float(number) => Param::Float(*number),
            Value::Bool(truth) => Param::Bool(*truth),
            Value::Text(text) => Param::Text(text.clone()),
            _ => {
                params.gather().expected(&entry.node, params.path(&entry.key), "a number, text, true or false");
                continue;
            }
        };
        out.insert(entry.key.clone(), value);
    }
    out
}

fn examples(map: &MapReader<'_>) -> Vec<Example> {
    let single = map.map("example").into_iter();
    single.chain(map.maps("examples")).filter_map(example).collect()
}

fn example(map: MapReader<'_>) -> Option<Example> {
    let line = map.line();
    let name = map.str("name").unwrap_or_else(|| "example".to_owned());
    let now_ms = map.int("now_ms").unwrap_or(0);
    let mut given = BTreeMap::new();
    if let Some(tables) = map.map("given") {
        for entry in tables.entries() {
            given.insert(entry.key.clone(), rows(&tables, &entry.key, &entry.node)?);
        }
    }
    let alerting = map.map("alerting").map(|limits| {
        let (warning, critical) = (limits.float("warning"), limits.float("critical"));
        limits.finish();
        ExampleLimits { warning, critical }
    });
    map.need("expect");
    let expect = map.get("expect").and_then(|node| rows(&map, "expect", node)).unwrap_or_default();
    map.finish();
    Some(Example { name, now_ms, given, alerting, expect, line })
}

/// Reads a list of maps, as JSON.
fn rows(map: &MapReader<'_>, key: &str, node: &Node) -> Option<ExampleRows> {
    let rows = match node.to_json() {
        serde_json::Value::Array(rows) => rows,
        serde_json::Value::Null => return Some(Vec::new()),
        _ => {
            map.gather().expected(node, map.path(key), "a list of rows");
            return None;
        }
    };
    let row = |row| {
        if let serde_json::Value::Object(row) = row {
            Some(row)
        } else {
            map.gather().expected(node, map.path(key), "a list of rows, each a map of columns");
            None
        }
    };
    rows.into_iter().map(row).collect()
}
