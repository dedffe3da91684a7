//! Builds the sessions of a worker: settings, the engine's functions, the server's tables, views, and additions of a dialect.

use super::catalog::{CatalogText, TableText};
use super::dialect::{Dialect, Settings, SqlFault, TableAbout};
use super::link::Link;
use super::remote::RemoteTable;
use crate::engine::query::runtime;
use crate::engine::tables::{Sql, views};
use crate::engine::{postgres, tables};
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::execution::config::SessionConfig;
use datafusion::prelude::SessionContext;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Number of threads for one query: half of the cores, so that the rest is left to the server.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Sessions over one catalog, one per dialect, created on first use.
pub(super) struct Sessions {
    catalog: CatalogText,
    of: Vec<(Arc<dyn Dialect>, OnceCell<SessionContext>)>,
    link: Arc<Link>,
    memory_bytes: usize,
}

impl Sessions {
    /// Creates sessions over a catalog; the queries of each share `memory_bytes`.
    pub(super) fn over(
        catalog: CatalogText,
        dialects: &[Arc<dyn Dialect>],
        link: &Arc<Link>,
        memory_bytes: usize,
    ) -> Sessions {
        let of = dialects.iter().map(|dialect| (dialect.clone(), OnceCell::new())).collect();
        Sessions { catalog, of, link: link.clone(), memory_bytes }
    }

    /// Returns the dialect with that name, and a session state for one call.
    pub(super) async fn state(
        &self,
        name: &str,
        settings: &Settings,
    ) -> Result<(Arc<dyn Dialect>, SessionState), SqlFault> {
        let known = self.of.iter().find(|(dialect, _)| dialect.name() == name);
        let Some((dialect, made)) = known else {
            return Err(SqlFault::plain(format!("there is no dialect {name:?}")));
        };
        let context = made.get_or_try_init(|| session(&self.catalog, &**dialect, &self.link, self.memory_bytes)).await;
        let mut state = context.map_err(|error| dialect.fault(&error))?.state();
        if !settings.is_empty() {
            dialect.apply(settings, state.config_mut())?;
        }
        Ok((dialect.clone(), state))
    }
}

async fn session(
    catalog: &CatalogText,
    dialect: &dyn Dialect,
    link: &Arc<Link>,
    memory_bytes: usize,
) -> Result<SessionContext> {
    let threads = threads();
    let config = SessionConfig::new().with_information_schema(true).with_target_partitions(threads);
    let config = config.with_default_catalog_and_schema("datafusion", "public");
    let context = tables::session(config, runtime(memory_bytes)?, Sql::Outside);
    for table in &catalog.tables {
        let remote = RemoteTable {
            name: table.name.clone(),
            schema: table.schema()?,
            time_column: table.time_column.clone(),
            link: link.clone(),
        };
        context.register_table(&table.name, Arc::new(remote))?;
    }
    views(&context, &catalog.views, Sql::Outside).await?;
    let about = |table: &TableText| TableAbout {
        name: table.name.clone(),
        doc: table.doc.clone(),
        column_docs: table.column_docs.clone(),
    };
    dialect.extend(&context, &catalog.tables.iter().map(about).collect::<Vec<_>>())?;
    Ok(postgres::plans_again(context))
}
