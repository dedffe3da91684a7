//! Reload on SIGHUP. If a file has faults, the old rules stay active.

use super::config::ReloadFn;
use super::definitions::definitions;
use crate::engine::{Definitions, Engine};
use crate::model::fault::{Fault, Faults};
use crate::model::table::{ColumnType, Merge, TableDef};
use crate::net::Tls;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Reloads configuration and pipelines and applies their rules; rollups of new tables start to fill. Listeners, exporters
/// and existing tables stay unchanged until a restart.
pub(super) async fn reload(read: &ReloadFn, engine: &Engine) {
    let definitions = match read_again(read, engine).await {
        Ok(definitions) => definitions,
        Err(faults) => return refused(&faults),
    };
    let wanted = definitions.tables.clone();
    if let Err(error) = engine.reload(definitions).await {
        match error.downcast_ref::<Faults>() {
            Some(faults) => refused(faults),
            None => {
                tracing::error!(error = format!("{error:#}"), "not reloaded: the previous rules stay in force");
            }
        }
        return;
    }
    if wanted != engine.tables() {
        tracing::warn!("existing tables have changed or are removed: this takes effect at the next start");
    }
    tracing::info!("reloaded: budgets, alerting and pipelines; listeners and exporters change at the next start");
}

/// Reloads the certificates and keys of all listeners, whatever the configuration contains now.
pub(super) async fn certificates(all: &[Arc<Tls>]) {
    for tls in all.iter().cloned() {
        read_certificate(tls, true).await;
    }
}

/// Reloads the certificates of one listener at its `reload_interval`, until `cancel`.
pub(super) async fn certificates_in_time(tls: Arc<Tls>, cancel: CancellationToken) -> anyhow::Result<()> {
    let Some(interval) = tls.settings().reload_interval else { return Ok(()) };
    while cancel.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
        read_certificate(tls.clone(), false).await;
    }
    Ok(())
}

async fn read_certificate(tls: Arc<Tls>, always: bool) {
    if let Err(error) = tokio::task::spawn_blocking(move || tls.reload(always)).await {
        tracing::error!(%error, "cannot reload certificates");
    }
}

async fn read_again(read: &ReloadFn, engine: &Engine) -> Result<Definitions, Faults> {
    let definitions = definitions(&read()?.performance).await?;
    let faults = redeclared(&definitions, &engine.tables());
    if faults.is_empty() { Ok(definitions) } else { Err(Faults(faults)) }
}

fn refused(faults: &Faults) {
    for fault in &faults.0 {
        tracing::error!("{fault}");
    }
    tracing::error!(faults = faults.0.len(), "not reloaded: the previous rules stay in force");
}

/// Returns a fault for each table declared differently from the running one. Its rows have the old schema, and the statement
/// beside the new declaration produces the new one.
fn redeclared(definitions: &Definitions, running: &[TableDef]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for pipeline in &definitions.rules.pipelines {
        let Some(wanted) = pipeline.declares.as_ref().map(|declared| &declared.table) else { continue };
        if running.iter().any(|table| table.name == wanted.name && form(table) != form(wanted)) {
            let message = format!(
                "{:?} is running with a different schema than declared here: restart Spanwise to change an \
                 existing table, or rename the new one",
                wanted.name
            );
            faults.push(Fault::new(&pipeline.file, pipeline.table_line, "table", message));
        }
    }
    faults
}

/// Resolutions, and name, type and merge function of each column.
type Form<'a> = (&'a [i64], Vec<(&'a str, ColumnType, Option<Merge>)>);

/// Returns the properties that the rows of a table depend on; descriptions may change.
fn form(table: &TableDef) -> Form<'_> {
    let columns = table.columns.iter().map(|column| (column.name.as_str(), column.kind, column.merge));
    (&table.resolutions_s, columns.collect())
}
