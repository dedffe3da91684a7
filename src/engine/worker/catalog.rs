//! Catalog of the tables in a worker's sessions, and its transfer to workers.

use super::codec;
use crate::model::pipeline::{Param, PipelineDef, PipelineKind};
use crate::store::SnapshotTable;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider as _;
use datafusion::common::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A table with rows in the server.
#[derive(Clone)]
pub struct OfferedTable {
    /// Its rows.
    pub rows: Arc<SnapshotTable>,
    /// Description.
    pub doc: String,
    /// Descriptions of the columns, in their order.
    pub column_docs: Vec<String>,
}

/// A named query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct View {
    /// Its name.
    pub id: String,
    /// File from which it was read.
    pub file: String,
    /// The statement.
    pub sql: String,
    /// Values of its `$parameters`.
    pub params: BTreeMap<String, ParamText>,
}

/// Serializable form of [`Param`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ParamText {
    /// A whole number.
    Int(i64),
    /// A number as its bits, because JSON cannot represent all of them.
    Float(u64),
    /// Text.
    Text(String),
    /// A boolean.
    Bool(bool),
}

impl View {
    /// Returns the views among pipelines.
    #[must_use]
    pub fn among(pipelines: &[PipelineDef]) -> Vec<View> {
        let views = pipelines.iter().filter(|pipeline| pipeline.kind == PipelineKind::View);
        let text = |param: &Param| match param {
            Param::Int(number) => ParamText::Int(*number),
            Param::Float(number) => ParamText::Float(number.to_bits()),
            Param::Text(text) => ParamText::Text(text.clone()),
            Param::Bool(truth) => ParamText::Bool(*truth),
        };
        views
            .map(|view| View {
                id: view.id.clone(),
                file: view.file.clone(),
                sql: view.sql.clone(),
                params: view.params.iter().map(|(name, param)| (name.clone(), text(param))).collect(),
            })
            .collect()
    }

    /// Returns its parameters.
    #[must_use]
    pub fn params(&self) -> BTreeMap<String, Param> {
        let param = |text: &ParamText| match text {
            ParamText::Int(number) => Param::Int(*number),
            ParamText::Float(bits) => Param::Float(f64::from_bits(*bits)),
            ParamText::Text(text) => Param::Text(text.clone()),
            ParamText::Bool(truth) => Param::Bool(*truth),
        };
        self.params.iter().map(|(name, text)| (name.clone(), param(text))).collect()
    }
}

/// Tables and views that queries may read.
#[derive(Clone, Default)]
pub struct Offered {
    /// Tables, by name.
    pub tables: BTreeMap<String, OfferedTable>,
    /// Views over the tables.
    pub views: Vec<View>,
}

impl Offered {
    pub(super) fn text(&self) -> Result<CatalogText> {
        let table = |(name, table): (&String, &OfferedTable)| {
            Ok(TableText {
                name: name.clone(),
                schema: codec::schema_text(&table.rows.schema())?,
                time_column: table.rows.time_column().map(str::to_owned),
                doc: table.doc.clone(),
                column_docs: table.column_docs.clone(),
            })
        };
        Ok(CatalogText { tables: self.tables.iter().map(table).collect::<Result<_>>()?, views: self.views.clone() })
    }
}

/// Serializable form of [`Offered`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CatalogText {
    pub(super) tables: Vec<TableText>,
    pub(super) views: Vec<View>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TableText {
    pub(super) name: String,
    /// In Arrow's IPC format, as base64.
    pub(super) schema: String,
    pub(super) time_column: Option<String>,
    pub(super) doc: String,
    pub(super) column_docs: Vec<String>,
}

impl TableText {
    pub(super) fn schema(&self) -> Result<SchemaRef> {
        codec::schema(&self.schema)
    }
}

/// The offered tables, with the form that is sent to workers.
pub(super) struct Catalog {
    pub(super) generation: u64,
    pub(super) offered: Arc<Offered>,
    pub(super) text: CatalogText,
}

impl Catalog {
    pub(super) fn new(generation: u64, offered: Offered) -> anyhow::Result<Catalog> {
        let text = offered.text()?;
        Ok(Catalog { generation, offered: Arc::new(offered), text })
    }
}
