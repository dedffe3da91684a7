//! Rows on the wire.

use super::{errors, text};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion_postgres::arrow_pg::datatypes::{encode_recordbatch, field_into_pg_type};
use datafusion_postgres::pgwire::api::Type;
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::results::{FieldInfo, QueryResponse};
use datafusion_postgres::pgwire::error::PgWireResult;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use futures::{StreamExt as _, stream};
use std::sync::Arc;

/// The columns of an answer as a client is told of them.
pub(super) fn fields(schema: &Schema, format: &Format, options: &Arc<FormatOptions>) -> PgWireResult<Vec<FieldInfo>> {
    if let Format::Individual(codes) = format
        && codes.len() != schema.fields().len()
    {
        let (columns, codes) = (schema.fields().len(), codes.len());
        return Err(errors::user("08P01", format!("expected {columns} result formats, or one, found {codes}")));
    }
    let field = |(index, field): (usize, &Arc<Field>)| {
        let kind = if text::is_json(field) { Type::JSON } else { field_into_pg_type(field)? };
        let info = FieldInfo::new(field.name().clone(), None, None, kind, format.format_for(index));
        Ok(info.with_format_options(options.clone()))
    };
    schema.fields().iter().enumerate().map(field).collect()
}

/// Rows, written one batch after the other.
pub(super) fn response(fields: Vec<FieldInfo>, batches: Vec<RecordBatch>) -> QueryResponse {
    let fields = Arc::new(fields);
    let of = fields.clone();
    let rows = stream::iter(batches).flat_map(move |batch| stream::iter(encode_recordbatch(of.clone(), batch)));
    QueryResponse::new(fields, rows)
}
