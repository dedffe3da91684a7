//! Encodes rows for the wire.

use super::{errors, text, values};
use crate::endpoints::pgcatalog;
use crate::engine::postgres::shown;
use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use arrow_pg::datatypes::field_into_pg_type;
use bytes::{BufMut as _, BytesMut};
use futures::stream::{self, BoxStream, StreamExt as _};
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse};
use pgwire::api::{ConnectionHandle, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use pgwire::types::format::FormatOptions;
use std::sync::Arc;

/// Returns the column descriptions of a result.
pub(super) fn fields(schema: &Schema, format: &Format, options: &Arc<FormatOptions>) -> PgWireResult<Vec<FieldInfo>> {
    if let Format::Individual(codes) = format
        && codes.len() != schema.fields().len()
    {
        let (columns, codes) = (schema.fields().len(), codes.len());
        return Err(errors::user("08P01", format!("expected {columns} result formats, or one, found {codes}")));
    }
    let field = |(index, field): (usize, &Arc<Field>)| {
        let (name, kind) = match pgcatalog::described(field) {
            // Row types of tables exist only in the catalogs.
            Some((name, oid)) => (name, Type::from_oid(oid).unwrap_or(Type::RECORD)),
            None => (shown(field.name()), kind(field)?),
        };
        let info = FieldInfo::new(name.to_owned(), None, None, kind, format.format_for(index));
        Ok(info.with_format_options(options.clone()))
    };
    schema.fields().iter().enumerate().map(field).collect()
}

/// Streams rows until the client cancels the query.
pub(super) fn response(
    fields: Vec<FieldInfo>,
    batches: BoxStream<'static, PgWireResult<RecordBatch>>,
    cancels: Option<Arc<ConnectionHandle>>,
) -> QueryResponse {
    let fields = Arc::new(fields);
    let of = fields.clone();
    let rows = cancellable(batches, cancels).flat_map(move |batch| {
        let rows: Box<dyn Iterator<Item = PgWireResult<DataRow>> + Send> =
            match batch.and_then(|batch| encoded(of.clone(), batch)) {
                Ok(rows) => rows,
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
        stream::iter(rows)
    });
    QueryResponse::new(fields, rows)
}

/// Returns the wire type of a column.
pub(super) fn kind(field: &Arc<Field>) -> PgWireResult<Type> {
    match field.data_type() {
        _ if text::is_json(field) => Ok(Type::JSON),
        // A plain NULL has no type; clients expect text.
        DataType::Null => Ok(Type::TEXT),
        _ => field_into_pg_type(field),
    }
}

/// Encodes the rows of a batch.
pub(super) fn encoded(
    fields: Arc<Vec<FieldInfo>>,
    batch: RecordBatch,
) -> PgWireResult<Box<dyn Iterator<Item = PgWireResult<DataRow>> + Send>> {
    let is_cells = batch.schema().fields().first().is_some_and(|field| pgcatalog::described(field).is_some());
    if !is_cells {
        return Ok(Box::new(values::rows(fields, &batch)?));
    }
    Ok(Box::new((0..batch.num_rows()).map(move |row| cells(&fields, &batch, row))))
}

/// Encodes a catalog row, whose cells are already encoded.
fn cells(fields: &[FieldInfo], batch: &RecordBatch, row: usize) -> PgWireResult<DataRow> {
    let mut bytes = BytesMut::new();
    for (field, column) in fields.iter().zip(batch.columns()) {
        let cell = column.as_binary_opt::<i32>().filter(|column| column.is_valid(row)).map(|column| column.value(row));
        match cell.and_then(|cell| pgcatalog::read(cell, field.format() == FieldFormat::Binary)) {
            None => bytes.put_i32(-1),
            Some(cell) => {
                let length = i32::try_from(cell.len()).map_err(|_| errors::user("54000", "a value is too long"))?;
                bytes.put_i32(length);
                bytes.put_slice(cell);
            }
        }
    }
    let count = i16::try_from(fields.len()).map_err(|_| errors::user("54011", "there are too many columns"))?;
    Ok(DataRow::new(bytes, count))
}

/// Makes rows cancellable: the library handles cancellation only until there is a response, but its rows are produced later.
fn cancellable(
    batches: BoxStream<'static, PgWireResult<RecordBatch>>,
    cancels: Option<Arc<ConnectionHandle>>,
) -> BoxStream<'static, PgWireResult<RecordBatch>> {
    let Some(cancels) = cancels else { return batches };
    let next = |state: Option<(BoxStream<'static, PgWireResult<RecordBatch>>, Arc<ConnectionHandle>)>| async move {
        let (mut batches, cancels) = state?;
        loop {
            let cancelled = cancels.start_query().await;
            tokio::select! {
                batch = batches.next() => return batch.map(|batch| (batch, Some((batches, cancels)))),
                cancelled = cancelled => {
                    // Otherwise another query of the connection replaced it, as with two portals.
                    if cancelled.is_ok() {
                        return Some((Err(PgWireError::QueryCanceled), None));
                    }
                }
            }
        }
    };
    stream::unfold(Some((batches, cancels)), next).boxed()
}
