//! The tables and analyses, built-in and user-defined, and their validation before any of them runs.

use crate::catalog::{declared, pipelines, schemas};
use crate::engine::examples::{context, run_examples};
use crate::engine::findings::{PipelineOverride, SAMPLES_MIN};
use crate::engine::line;
use crate::model::fault::{Fault, Faults, hint};
use crate::model::pipeline::{Param, PipelineDef, PipelineKind};
use crate::model::table::{TableDef, TableKind};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::prelude::{DataFrame, SessionContext};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// All definitions of tables and analyses.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The tables.
    pub tables: Vec<TableDef>,
    /// The analyses.
    pub pipelines: Vec<PipelineDef>,
}

impl Catalog {
    /// Loads the built-in definitions, overridden by those in the directories.
    ///
    /// # Errors
    /// Returns all faults of all files.
    pub fn load(schemas_dir: Option<&Path>, pipelines_dir: Option<&Path>) -> Result<Catalog, Faults> {
        let Gathered { catalog, mut faults, .. } = Catalog::gather(schemas_dir, pipelines_dir);
        if faults.is_empty() {
            // A rollup into a table that does not exist would run without any result.
            catalog.pipelines.iter().for_each(|pipeline| catalog.check_tables(pipeline, &mut faults));
        }
        if faults.is_empty() { Ok(catalog) } else { Err(Faults(faults)) }
    }

    /// Reads all definitions and collects all faults.
    #[must_use]
    pub fn gather(schemas_dir: Option<&Path>, pipelines_dir: Option<&Path>) -> Gathered {
        let mut faults = Vec::new();
        let mut keep = |error: Faults| faults.extend(error.0);
        let mut tables = schemas::builtin().map_err(&mut keep).unwrap_or_default();
        if let Some(dir) = schemas_dir {
            tables = schemas::load_dir(dir, tables.clone()).map_err(&mut keep).unwrap_or(tables);
        }
        let mut pipelines = pipelines::builtin().map_err(&mut keep).unwrap_or_default();
        let mut complete = faults.is_empty();
        if let Some(dir) = pipelines_dir {
            let read = pipelines::read_dir(dir, pipelines);
            pipelines = read.pipelines;
            faults.extend(read.faults);
            complete &= read.complete;
        }
        faults.extend(declared::lay_over(&mut tables, &pipelines));
        Gathered { catalog: Catalog { tables, pipelines }, faults, complete }
    }

    /// Returns the catalog without the pipelines that the user has disabled.
    #[must_use]
    pub fn enabled(&self, overrides: &BTreeMap<String, PipelineOverride>) -> Catalog {
        let disabled = |id: &str| overrides.get(id).is_some_and(|changes| changes.disabled);
        let pipelines = self.pipelines.iter().filter(|pipeline| !disabled(&pipeline.id)).cloned().collect();
        Catalog { tables: self.tables.clone(), pipelines }
    }

    /// Plans every analysis and runs its examples. Returns the faults that are not among the `known` faults of the files.
    pub async fn check(&self, known: &[Fault]) -> Vec<Fault> {
        self.check_all(known, true).await
    }

    /// Plans every analysis. Returns the faults that are not among the `known` faults of the files.
    pub async fn check_statements(&self, known: &[Fault]) -> Vec<Fault> {
        self.check_all(known, false).await
    }

    async fn check_all(&self, known: &[Fault], with_examples: bool) -> Vec<Fault> {
        let context = match self.context().await {
            Ok(context) => context,
            Err(message) => return vec![Fault::new("schemas", 0, "", message)],
        };
        let doubts = Doubts::of(self, known);
        let mut faults = Vec::new();
        for pipeline in &self.pipelines {
            let before = faults.len();
            self.check_tables(pipeline, &mut faults);
            match planned(&context, pipeline).await {
                Ok(columns) => check_columns(pipeline, &columns, &mut faults),
                Err(fault) if !doubts.of_statement(pipeline) => faults.push(fault),
                Err(_) => {}
            }
            // The examples of a statement that cannot be planned would report the same fault again.
            if with_examples && faults.len() == before && !doubts.of_examples(pipeline) {
                faults.extend(run_examples(pipeline, &self.tables).await);
            }
        }
        let same = |fault: &Fault, other: &Fault| {
            (&fault.file, fault.line, &fault.key) == (&other.file, other.line, &other.key)
        };
        faults.retain(|fault| !known.iter().any(|other| same(fault, other)));
        faults
    }

    /// Creates a context with all tables, empty, and the views.
    async fn context(&self) -> Result<SessionContext, String> {
        let told = |error: DataFusionError| line(&error);
        let context = context(&self.tables)?;
        context.sql("SET datafusion.sql_parser.collect_spans = true").await.map_err(told)?;
        let mut views: Vec<&PipelineDef> = self.pipelines.iter().filter(|p| p.kind == PipelineKind::View).collect();
        // A view may read another one defined after it. Views that fail here are reported when they are planned on their
        // own.
        let mut before = usize::MAX;
        while views.len() < before {
            before = views.len();
            let mut left = Vec::new();
            for view in views {
                match bound(&context, view).await {
                    Ok(frame) => drop(context.register_table(&view.id, frame.into_view()).map_err(told)?),
                    Err(_) => left.push(view),
                }
            }
            views = left;
        }
        Ok(context)
    }

    /// Checks that the target table of a rollup and the tables that it reads exist.
    fn check_tables(&self, pipeline: &PipelineDef, faults: &mut Vec<Fault>) {
        let (at, of) = (pipeline.table_line, pipeline.reads_line);
        let rollup = "a rollup table, or `columns` that declare it here";
        let wanted = pipeline.table.iter().map(|name| ("table", at, name, TableKind::Rollup, rollup));
        let read = pipeline.reads.iter().map(|name| ("reads", of, name, TableKind::Signal, "a signal table"));
        for (key, line, name, kind, what) in wanted.chain(read).filter(|(_, _, name, ..)| !name.is_empty()) {
            if self.tables.iter().any(|table| table.name == *name && table.kind == kind) {
                continue;
            }
            let known = self.tables.iter().filter(|table| table.kind == kind).map(|table| table.name.as_str());
            let hint = hint(name, known);
            faults.push(Fault::new(&pipeline.file, line, key, format!("expected {what}, found {name:?}{hint}")));
        }
    }
}

/// The definitions of all files, with their faults.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// The definitions; those of faulty files as far as they could be read.
    pub catalog: Catalog,
    /// All faults of the files.
    pub faults: Vec<Fault>,
    /// False if a file gave no definition at all: references to its names are then not faults.
    pub complete: bool,
}

/// What cannot be judged because of faulty files: an incomplete definition would cause false faults.
struct Doubts<'a> {
    known: &'a [Fault],
    /// Names defined in faulty files, with those files.
    names: Vec<(&'a str, &'a str)>,
}

impl<'a> Doubts<'a> {
    fn of(catalog: &'a Catalog, known: &'a [Fault]) -> Doubts<'a> {
        let faulty = catalog.pipelines.iter().filter(|pipeline| known.iter().any(|fault| fault.file == pipeline.file));
        let names = faulty.flat_map(|made| {
            let names = std::iter::once(&made.id).chain(&made.table).filter(|name| !name.is_empty());
            names.map(|name| (made.file.as_str(), name.as_str()))
        });
        Doubts { known, names: names.collect() }
    }

    /// Returns whether the statement of a pipeline cannot be judged: its own parameters are faulty, or a table that it reads
    /// is.
    fn of_statement(&self, pipeline: &PipelineDef) -> bool {
        self.of_file(pipeline, "params")
            || self.names.iter().any(|(file, name)| *file != pipeline.file && pipeline.sql.contains(name))
    }

    /// Returns whether the examples of a pipeline cannot be judged.
    fn of_examples(&self, pipeline: &PipelineDef) -> bool {
        self.of_file(pipeline, "") || self.of_statement(pipeline)
    }

    fn of_file(&self, pipeline: &PipelineDef, key: &str) -> bool {
        self.known.iter().any(|fault| fault.file == pipeline.file && fault.key.starts_with(key))
    }
}

/// Binds the parameters of the statement, with the window at the start of time.
async fn bound(context: &SessionContext, pipeline: &PipelineDef) -> Result<DataFrame, DataFusionError> {
    let epoch = ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into()));
    let mut values: HashMap<String, ScalarValue> =
        [("window_start", epoch.clone()), ("window_end", epoch)].map(|(name, value)| (name.to_owned(), value)).into();
    if let Some(finding) = &pipeline.finding {
        let samples_min = i64::try_from(finding.samples_min).unwrap_or(i64::MAX);
        values.insert(SAMPLES_MIN.to_owned(), ScalarValue::from(samples_min));
    }
    for (name, param) in &pipeline.params {
        let value = match param {
            Param::Int(number) => ScalarValue::from(*number),
            Param::Float(number) => ScalarValue::from(*number),
            Param::Text(text) => ScalarValue::from(text.as_str()),
            Param::Bool(truth) => ScalarValue::from(*truth),
        };
        values.insert(name.clone(), value);
    }
    context.sql(&pipeline.sql).await?.with_param_values(ParamValues::from(values))
}

/// Plans a statement and returns its columns.
async fn planned(context: &SessionContext, pipeline: &PipelineDef) -> Result<Vec<(String, DataType)>, Fault> {
    let outcome = async {
        let frame = bound(context, pipeline).await?;
        let fields = frame.schema().fields().iter();
        let columns = fields.map(|field| (field.name().clone(), field.data_type().clone())).collect();
        frame.create_physical_plan().await?;
        Ok(columns)
    };
    outcome.await.map_err(|error: DataFusionError| {
        let message = line(&error);
        let line = pipeline.sql_line + line_of(&error, &message).saturating_sub(1);
        Fault::new(&pipeline.file, line, "", message.split_whitespace().collect::<Vec<_>>().join(" "))
    })
}

/// Returns the line of the statement that an error refers to, from 1; 1 if the error has no line.
fn line_of(error: &DataFusionError, message: &str) -> usize {
    if let Some(span) = error.diagnostic().and_then(|diagnostic| diagnostic.span) {
        return usize::try_from(span.start.line).unwrap_or(1).max(1);
    }
    let behind = message.split_once("Line: ").map_or("", |(_, behind)| behind);
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(1).max(1)
}

/// Checks the result columns: a finding needs its key, its value, a limit and the columns in its message; a rollup needs the
/// columns that it declares.
fn check_columns(pipeline: &PipelineDef, columns: &[(String, DataType)], faults: &mut Vec<Fault>) {
    faults.extend(declared::held_against(pipeline, columns));
    let Some(finding) = &pipeline.finding else { return };
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut fault = |message: String| faults.push(Fault::new(&pipeline.file, pipeline.sql_line, "", message));
    let hint = |name: &str| hint(name, names.iter().copied());
    for column in finding.key.iter().map(String::as_str).chain(["value"]).filter(|column| !names.contains(column)) {
        fault(format!("expected a column {column:?}, found {}{}", names.join(", "), hint(column)));
    }
    for (name, kind) in columns.iter().filter(|(name, _)| NUMBERS.contains(&name.as_str())) {
        if !kind.is_numeric() && !kind.is_null() {
            fault(format!("expected a number as {name:?}, found {kind}"));
        }
    }
    let in_file = finding.warning.or(finding.critical).is_some() || finding.alerting.is_some();
    if !in_file && !names.iter().any(|name| ["warning", "critical"].contains(name)) {
        let message = "expected a limit: `warning` or `critical` here or as columns of the statement, or `alerting`; \
                       found none, and the finding would never fire";
        fault(message.to_owned());
    }
    for name in places(&finding.message).filter(|name| !["value", "limit", "samples"].contains(name)) {
        if !names.contains(&name) {
            fault(format!("the message names {{{name}}}, which is not a column of the statement{}", hint(name)));
        }
    }
}

/// Columns of a finding that must be numbers, if present.
const NUMBERS: [&str; 4] = ["value", "samples", "warning", "critical"];

/// Returns the `{placeholders}` of a message.
fn places(message: &str) -> impl Iterator<Item = &str> {
    message.split('{').skip(1).filter_map(|behind| behind.split_once('}')).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn faults(sql: &str, front: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("/*---\ntitle: T\n{front}---\nWhy. */\n{sql}\n");
        std::fs::write(folder.path().join("mine.sql"), text).expect("written");
        let Gathered { mut catalog, faults, .. } = Catalog::gather(None, Some(folder.path()));
        assert!(faults.is_empty(), "{faults:?}");
        catalog.pipelines.retain(|pipeline| pipeline.id == "mine");
        let told = catalog.check(&faults).await;
        told.iter().map(|fault| fault.to_string().replace(&format!("{}/", folder.path().display()), "")).collect()
    }

    const FINDING: &str = "kind: finding\nkey: [service_name]\nwarning: 5\nunit: ms\nmessage: m\n";

    #[tokio::test]
    async fn a_good_one_has_no_fault() {
        let sql = "SELECT service_name, max(duration_ms) AS value, count(*) AS samples FROM spans\nWHERE start_time >= $window_start GROUP BY 1";
        assert_eq!(faults(sql, FINDING).await, Vec::<String>::new());
        assert_eq!(faults("SELECT * FROM requests_1m", "kind: view\n").await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn faults_of_statements_name_the_line() {
        let told = faults("SELECT service_name,\n  durationms AS value\nFROM spans", FINDING).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("mine.sql:11: ") && told[0].contains("durationms"), "{told:?}");
        let told = faults("SELECT service_name\nFROM spans\nGROUP 1", FINDING).await;
        assert!(told.len() == 1 && told[0].starts_with("mine.sql:12: "), "{told:?}");
        let told = faults("SELECT service_name, 1 + [1] AS value FROM spans", FINDING).await;
        assert!(told.len() == 1 && told[0].starts_with("mine.sql:10: "), "{told:?}");
        let told = faults("SELECT service_name, 1 AS valu FROM spans", FINDING).await;
        assert_eq!(
            told,
            ["mine.sql:10: expected a column \"value\", found service_name, valu; did you mean \"valu\"?"]
        );
    }

    #[tokio::test]
    async fn a_finding_that_could_never_fire_or_tell_is_faulty() {
        let sql = "SELECT service_name, 1.0 AS value FROM spans";
        let told = faults(sql, &FINDING.replace("warning: 5\n", "")).await;
        assert!(told.len() == 1 && told[0].starts_with("mine.sql:9: expected a limit: "), "{told:?}");
        let of_row = "SELECT service_name, 1.0 AS value, 2.0 AS warning FROM spans";
        assert_eq!(faults(of_row, &FINDING.replace("warning: 5\n", "")).await, Vec::<String>::new());
        let told =
            faults(sql, &FINDING.replace("message: m", "message: \"{service_name}: {valeu} over {limit}\"")).await;
        let expected =
            "mine.sql:10: the message names {valeu}, which is not a column of the statement; did you mean \"value\"?";
        assert_eq!(told, [expected]);
        let told = faults("SELECT service_name, name AS value FROM spans", FINDING).await;
        assert_eq!(told, ["mine.sql:10: expected a number as \"value\", found Utf8"]);
    }

    #[tokio::test]
    async fn no_fault_asks_for_a_bug_report() {
        let told = faults("SELECT service_name, sum(operation) AS value FROM requests GROUP BY 1", FINDING).await;
        assert!(told.len() == 1 && told[0].starts_with("mine.sql:10: "), "{told:?}");
        assert!(!told[0].contains("bug") && !told[0].contains("github.com"), "{told:?}");
    }

    #[test]
    fn a_rollup_into_nothing_is_not_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "/*---\ntitle: T\nkind: rollup\ntable: request\nreads: [spans]\n---\nWhy. */\nSELECT 1 AS calls\n";
        std::fs::write(folder.path().join("mine.sql"), text).expect("written");
        let faults = Catalog::load(None, Some(folder.path())).expect_err("is faulty").to_string();
        assert!(faults.contains("mine.sql:4: table: expected a rollup table"), "{faults}");
    }

    #[tokio::test]
    async fn a_rollup_fills_a_table_that_is_there() {
        let told = faults("SELECT 1 AS calls", "kind: rollup\ntable: request\nreads: [span]\n").await;
        assert_eq!(
            told,
            [
                "mine.sql:4: table: expected a rollup table, or `columns` that declare it here, found \"request\"; did you mean \"requests\"?",
                "mine.sql:5: reads: expected a signal table, found \"span\"; did you mean \"spans\"?",
            ]
        );
    }
}
