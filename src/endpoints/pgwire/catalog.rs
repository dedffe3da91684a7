//! PostgreSQL's catalog with the same oids in every query worker: a client that asks `pg_class` in one query and
//! `pg_attribute` by the oid that it found in the next may be answered by two of them.

use super::CATALOG;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::CatalogProviderList;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::prelude::SessionContext;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use std::sync::Arc;

/// Adds the functions and tables of `pg_catalog`.
pub(super) fn register(context: &SessionContext) -> Result<()> {
    setup_pg_catalog(context, CATALOG, EmptyContextProvider).map_err(|error| *error)?;
    let sorted = Sorted(context.state().catalog_list().clone());
    let tables = Arc::new(PgCatalogStaticTables::try_new()?);
    let provider = PgCatalogSchemaProvider::try_new(sorted, tables, EmptyContextProvider)?;
    let catalog = context
        .catalog(CATALOG)
        .ok_or_else(|| DataFusionError::Configuration(format!("there is no catalog {CATALOG}")))?;
    catalog.register_schema("pg_catalog", Arc::new(provider))?;
    Ok(())
}

/// Reads `pg_class` once. Oids are counted up as names are first read, so the first reading decides all of them.
pub(super) async fn number(context: &SessionContext) -> Result<()> {
    context.sql("SELECT oid FROM pg_catalog.pg_class").await?.collect().await.map(drop)
}

/// Names in one order. DataFusion keeps them in hash maps, whose order differs from process to process.
#[derive(Debug, Clone)]
struct Sorted(Arc<dyn CatalogProviderList>);

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

#[async_trait]
impl CatalogInfo for Sorted {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        CatalogInfo::catalog_names(&self.0).await.map(sorted)
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>> {
        Ok(self.0.schema_names(catalog).await?.map(sorted))
    }

    async fn table_names(&self, catalog: &str, schema: &str) -> Result<Option<Vec<String>>> {
        Ok(self.0.table_names(catalog, schema).await?.map(sorted))
    }

    async fn table_schema(&self, catalog: &str, schema: &str, table: &str) -> Result<Option<SchemaRef>> {
        self.0.table_schema(catalog, schema, table).await
    }

    async fn table_type(&self, catalog: &str, schema: &str, table: &str) -> Result<Option<TableType>> {
        self.0.table_type(catalog, schema, table).await
    }
}
