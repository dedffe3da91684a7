//! The catalogs as `DataFusion` tables, for statements that also read user tables.

use super::client::Client;
use super::io;
use super::names::Names;
use super::snapshot::{Relation, Snapshot};
use super::types;
use super::value::{Row, Value};
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result;
use std::sync::Arc;

/// The schema `pg_catalog`.
#[derive(Debug)]
pub(in crate::endpoints) struct Tables(pub(in crate::endpoints) Arc<Snapshot>);

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        let own = self.0.system.definitions.iter().filter(|definition| &*definition.schema == "pg_catalog");
        own.filter(|definition| definition.view.is_none()).map(|definition| definition.name.to_string()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(relation) = self.0.relation(None, name) else { return Ok(None) };
        let batch = batch(&self.0, relation)?;
        Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.relation(None, name).is_some()
    }
}

fn batch(snapshot: &Snapshot, relation: &Relation) -> Result<RecordBatch> {
    let (rows, client) = (snapshot.rows(relation), Client::default());
    let names = Names { snapshot, client: &client };
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (at, column) in relation.columns().iter().enumerate() {
        let array = array(&names, &rows, at, column.ty.oid);
        fields.push(Field::new(&*column.name, array.data_type().clone(), true));
        columns.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Converts one column; types without an Arrow equivalent become text.
fn array(names: &Names<'_>, rows: &[Row], column: usize, kind: types::Oid) -> ArrayRef {
    let values = rows.iter().map(|row| &row[column]);
    match kind {
        types::BOOL => Arc::new(
            values.map(|value| if let Value::Bool(yes) = value { Some(*yes) } else { None }).collect::<BooleanArray>(),
        ),
        types::FLOAT4 | types::FLOAT8 | types::NUMERIC => {
            Arc::new(values.map(Value::as_float).collect::<Float64Array>())
        }
        types::TIMESTAMPTZ => {
            let times = values.map(|value| if let Value::Time(us) = value { Some(*us) } else { None });
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        kind if types::is_integer(kind) => Arc::new(values.map(Value::as_int).collect::<Int64Array>()),
        kind => Arc::new(values.map(|value| io::format(names, value, kind)).collect::<StringArray>()),
    }
}
