//! `spanwise docs`: documents tables and analyses from their definitions, as Markdown or JSON.

use super::catalog::Catalog;
use crate::model::fault::did_you_mean;
use crate::model::pipeline::{Direction, FindingDef, NoData, Param, PipelineDef, PipelineKind};
use crate::model::table::{ColumnDef, Source, TableDef, TableKind};
use crate::model::units::{human, human_ms};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Returns an overview, or one table or analysis in full; `None` if the name is unknown.
#[must_use]
pub fn markdown(catalog: &Catalog, name: Option<&str>) -> Option<String> {
    let Some(name) = name else { return Some(overview(catalog)) };
    let (table, pipelines) = named(catalog, name);
    if table.is_none() && pipelines.is_empty() {
        return None;
    }
    let mut text = table.map(table_page).unwrap_or_default();
    for pipeline in pipelines {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&pipeline_page(pipeline));
    }
    Some(text)
}

/// Returns the same as JSON.
#[must_use]
pub fn json(catalog: &Catalog, name: Option<&str>) -> Option<Value> {
    let (tables, pipelines): (Vec<&TableDef>, Vec<&PipelineDef>) = match name {
        None => (catalog.tables.iter().collect(), catalog.pipelines.iter().collect()),
        Some(name) => {
            // `requests_1m` is `requests` at another resolution.
            let whole = catalog.tables.iter().find(|table| table.coarse_views().iter().any(|(_, view)| view == name));
            let (table, pipelines) = named(catalog, whole.map_or(name, |table| &table.name));
            (table.into_iter().collect(), pipelines)
        }
    };
    if tables.is_empty() && pipelines.is_empty() {
        return None;
    }
    let tables: Vec<Value> = tables.into_iter().map(table_json).collect();
    let pipelines: Vec<Value> = pipelines.into_iter().map(pipeline_json).collect();
    Some(json!({"tables": tables, "pipelines": pipelines}))
}

/// Returns the message for an unknown name.
#[must_use]
pub fn unknown(catalog: &Catalog, name: &str) -> String {
    let tables = catalog.tables.iter().map(|table| table.name.as_str());
    let known = tables.chain(catalog.pipelines.iter().map(|pipeline| pipeline.id.as_str()));
    match did_you_mean(name, known) {
        Some(word) => format!("there is no table or analysis {name:?}; did you mean {word:?}?"),
        None => format!("there is no table or analysis {name:?}; `spanwise docs` lists them"),
    }
}

fn named<'a>(catalog: &'a Catalog, name: &str) -> (Option<&'a TableDef>, Vec<&'a PipelineDef>) {
    let table = catalog.tables.iter().find(|table| table.name == name);
    (table, catalog.pipelines.iter().filter(|pipeline| pipeline.id == name).collect())
}

fn overview(catalog: &Catalog) -> String {
    let mut text = "# Tables\n\nAsk them with `spanwise sql \"SELECT …\"`, psql or HTTP. \
                    `spanwise docs <table>` shows the columns.\n"
        .to_owned();
    for (kind, heading) in [
        (TableKind::Signal, "Signals: what came in"),
        (TableKind::Rollup, "Rollups: partial aggregates by window"),
        (TableKind::State, "State: Spanwise's own"),
    ] {
        let _ = write!(text, "\n## {heading}\n\n");
        for table in catalog.tables.iter().filter(|table| table.kind == kind) {
            let _ = writeln!(text, "- **{}**: {}", table.name, table.doc);
        }
    }
    text.push_str("\n# Analyses\n\n`spanwise docs <analysis>` shows limits, advice and SQL.\n");
    for (kind, heading) in [
        (PipelineKind::Finding, "Findings: judged keys"),
        (PipelineKind::View, "Views: queries by name"),
        (PipelineKind::Rollup, "Rollups: what fills the rollup tables"),
    ] {
        let _ = write!(text, "\n## {heading}\n\n");
        for pipeline in catalog.pipelines.iter().filter(|pipeline| pipeline.kind == kind) {
            let limits = pipeline.finding.as_ref().map(limits).filter(|limits| !limits.is_empty());
            let limits = limits.map_or(String::new(), |limits| format!(" ({limits})"));
            let _ = writeln!(text, "- **{}**: {}{limits}", pipeline.id, pipeline.title);
        }
    }
    text
}

fn table_page(table: &TableDef) -> String {
    let mut text = format!("# {}\n\n{}\n", table.name, table.doc);
    if table.kind == TableKind::Rollup {
        let resolutions: Vec<String> = table
            .resolutions_s
            .iter()
            .map(|seconds| if *seconds == 0 { "all time".to_owned() } else { format!("{seconds} s") })
            .collect();
        let _ = write!(text, "\nA rollup, by windows of {}.\n", resolutions.join(", "));
    }
    text.push_str("\n| column | type | unit | from | what it is |\n|---|---|---|---|---|\n");
    for column in &table.columns {
        let from: Vec<String> = column.from.iter().map(|source| format!("`{}`", from(source))).collect();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            column.name,
            column.kind.word(),
            column.unit.as_deref().unwrap_or_default(),
            from.join(", "),
            column.doc.replace('|', "\\|")
        );
    }
    text
}

fn pipeline_page(pipeline: &PipelineDef) -> String {
    let mut text = format!("# {}\n\n`{}`: {}", pipeline.title, pipeline.id, kind(pipeline.kind));
    if let Some(finding) = &pipeline.finding {
        let _ = writeln!(text, ", judged over {}.\n\n{}\n", span(pipeline.window_ms), pipeline.prose);
        judged(&mut text, finding);
    } else {
        if let Some(table) = &pipeline.table {
            let _ = write!(text, " that fills `{table}` out of {}", pipeline.reads.join(", "));
        }
        let _ = writeln!(text, ".\n\n{}", pipeline.prose);
    }
    if !pipeline.params.is_empty() {
        text.push_str("\n| parameter | default |\n|---|---|\n");
        for (name, value) in &pipeline.params {
            let _ = writeln!(text, "| `{name}` | {} |", param(value));
        }
    }
    if pipeline.finding.is_some() || !pipeline.params.is_empty() {
        let _ = writeln!(text, "\nChange it under `connectors.performance.findings.{}`.", pipeline.id);
    }
    let _ = writeln!(text, "\n```sql\n{}\n```", pipeline.sql);
    text
}

fn judged(text: &mut String, finding: &FindingDef) {
    text.push_str("| | |\n|---|---|\n");
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row("a key is", finding.key.join(", "));
    let limits = limits(finding);
    row("limits", if limits.is_empty() { "the user's".to_owned() } else { limits });
    if let Some(key) = &finding.alerting {
        let only = if finding.alerting_only { ", and is judged only where that is set" } else { "" };
        row("takes its limits from", format!("`alerting.{key}`{only}"));
    }
    row("least samples", finding.samples_min.to_string());
    row("fires after", span(finding.for_ms));
    row("keeps firing for", span(finding.keep_firing_for_ms));
    row(
        "a key that is missing",
        match finding.no_data {
            NoData::Keep => "fires on if it fires, else has no data",
            NoData::Ok => "is ok",
            NoData::Warning => "is a warning",
            NoData::Resolve => "is resolved if it fires, since its traffic has ended, else has no data",
        }
        .to_owned(),
    );
}

fn limits(finding: &FindingDef) -> String {
    let direction = match finding.direction {
        Direction::Above => "above",
        Direction::AtLeast => "from",
        Direction::Below => "below",
    };
    let limit = |limit: Option<f64>, word: &str| {
        limit.map(|limit| format!("{word} {direction} {}", human(limit, &finding.unit)))
    };
    let both = [limit(finding.warning, "warning"), limit(finding.critical, "critical")];
    both.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn span(ms: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    if ms == 0 { "no time".to_owned() } else { human_ms(ms as f64) }
}

fn kind(kind: PipelineKind) -> &'static str {
    match kind {
        PipelineKind::Rollup => "a rollup",
        PipelineKind::View => "a view",
        PipelineKind::Finding => "a finding",
    }
}

fn from(source: &Source) -> String {
    match source {
        Source::Attribute(name) => name.clone(),
        Source::Resource(name) => format!("resource:{name}"),
        Source::Scope(name) => format!("scope:{name}"),
    }
}

fn param(value: &Param) -> Value {
    match value {
        Param::Int(number) => json!(number),
        Param::Float(number) => json!(number),
        Param::Text(text) => json!(text),
        Param::Bool(truth) => json!(truth),
    }
}

fn table_json(table: &TableDef) -> Value {
    let column = |column: &ColumnDef| {
        json!({
            "name": column.name, "type": column.kind.word(), "unit": column.unit, "doc": column.doc,
            "from": column.from.iter().map(from).collect::<Vec<_>>(),
        })
    };
    let kind = match table.kind {
        TableKind::Signal => "signal",
        TableKind::Rollup => "rollup",
        TableKind::State => "state",
    };
    json!({
        "table": table.name, "kind": kind, "doc": table.doc, "resolutions_s": table.resolutions_s,
        "columns": table.columns.iter().map(column).collect::<Vec<_>>(),
    })
}

fn pipeline_json(pipeline: &PipelineDef) -> Value {
    let mut out = json!({
        "id": pipeline.id, "title": pipeline.title, "file": pipeline.file, "window_ms": pipeline.window_ms,
        "kind": match pipeline.kind {
            PipelineKind::Rollup => "rollup",
            PipelineKind::View => "view",
            PipelineKind::Finding => "finding",
        },
        "table": pipeline.table, "reads": pipeline.reads,
        "params": pipeline.params.iter().map(|(name, value)| (name.clone(), param(value))).collect::<serde_json::Map<_, _>>(),
        "prose": pipeline.prose, "sql": pipeline.sql,
    });
    if let Some(finding) = &pipeline.finding {
        out["key"] = json!(finding.key);
        out["unit"] = json!(finding.unit);
        out["warning"] = json!(finding.warning);
        out["critical"] = json!(finding.critical);
        out["alerting"] = json!(finding.alerting);
        out["samples_min"] = json!(finding.samples_min);
        out["for_ms"] = json!(finding.for_ms);
        out["keep_firing_for_ms"] = json!(finding.keep_firing_for_ms);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        Catalog::load(None, None).unwrap_or_else(|faults| panic!("{faults}"))
    }

    #[test]
    fn everything_is_listed_and_every_name_has_a_page() {
        let catalog = catalog();
        let all = markdown(&catalog, None).expect("an overview");
        for name in catalog.tables.iter().map(|t| &t.name).chain(catalog.pipelines.iter().map(|p| &p.id)) {
            assert!(all.contains(&format!("- **{name}**: ")), "{name}");
            assert!(markdown(&catalog, Some(name)).is_some_and(|page| page.starts_with("# ")), "{name}");
        }
        assert!(markdown(&catalog, Some("nothing")).is_none() && json(&catalog, Some("nothing")).is_none());
        assert!(unknown(&catalog, "span").ends_with("did you mean \"spans\"?"));
    }

    #[test]
    fn a_table_shows_its_columns_and_an_analysis_its_limits() {
        let catalog = catalog();
        let spans = markdown(&catalog, Some("spans")).expect("a page");
        let row = "| `http_request_method` | string |  | `http.request.method`, `http.method` | The method. |";
        assert!(spans.contains(row), "{spans}");
        let slow = markdown(&catalog, Some("slow_statement")).expect("a page");
        assert!(
            slow.contains("| limits | warning above 100 ms, critical above 1 s |") && slow.contains("```sql"),
            "{slow}"
        );
        let both = json(&catalog, Some("requests")).expect("both of the name");
        assert_eq!(
            (both["tables"][0]["table"].as_str(), both["pipelines"][0]["kind"].as_str()),
            (Some("requests"), Some("rollup"))
        );
    }
}
