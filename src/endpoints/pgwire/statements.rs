//! Statements: parsed in a query worker, described, and bound to parameters.

use super::copies::CopyForm;
use super::cursors::Declared;
use super::dialect::PgDialect;
use super::parameters::{self, Sent};
use super::session_command::{self, Said};
use super::shared::Shared;
use super::{errors, session_text};
use crate::endpoints::pgcatalog;
use crate::engine::{Read, Request};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::api::stmt::QueryParser;
use pgwire::api::{ClientInfo, Type};
use pgwire::error::PgWireResult;
use pgwire::messages::response::TransactionStatus;
use pgwire::types::format::FormatOptions;
use std::sync::Arc;

/// A prepared statement.
#[derive(Debug, Clone)]
pub(super) enum Prepared {
    /// A session statement.
    Said(Said),
    /// A query; the service rejects statements that are not queries.
    Query(Arc<Query>),
    /// `COPY (query) TO STDOUT`.
    Copy(Arc<Query>, CopyForm),
    /// `DECLARE … CURSOR FOR query`.
    Declare(Declared, Arc<Query>),
}

/// A parsed query.
#[derive(Debug)]
pub(super) struct Query {
    /// The text, and the index of the query among its statements.
    sql: Arc<str>,
    place: usize,
    /// Result columns; with parameters, before their types are known.
    schema: SchemaRef,
    /// Parameter types, as far as the plan determines them.
    inferred: Vec<Option<DataType>>,
    /// Wire types of parameters of catalog queries, which have no Arrow equivalents.
    wire: Vec<Type>,
}

/// Parses the statements of a text, up to and including the first invalid one.
///
/// Texts with only session and transaction statements are parsed here, so that they are answered even if all workers are busy.
pub(super) async fn prepare(
    shared: &Shared,
    client: &impl ClientInfo,
    sql: &str,
) -> PgWireResult<Vec<PgWireResult<Prepared>>> {
    if let Some(said) = session_text::read(sql) {
        return Ok(said.into_iter().map(|said| Ok(Prepared::Said(said))).collect());
    }
    if client.transaction_status() == TransactionStatus::Error {
        return Err(errors::aborted());
    }
    let sql: Arc<str> = sql.into();
    let mut prepared = Vec::new();
    for (place, read) in reads(shared, client, &sql).await?.into_iter().enumerate() {
        let statement = statement(shared, client, &sql, (place, read)).await;
        let is_last = statement.is_err();
        prepared.push(statement);
        if is_last {
            break;
        }
    }
    Ok(prepared)
}

async fn reads(shared: &Shared, client: &impl ClientInfo, sql: &Arc<str>) -> PgWireResult<Vec<Read>> {
    let read = shared.service.read(&request(shared, client, sql)).await;
    read.map_err(|error| session_command::failed(session_command::timeout(client), error))
}

async fn statement(
    shared: &Shared,
    client: &impl ClientInfo,
    sql: &Arc<str>,
    (place, read): (usize, Read),
) -> PgWireResult<Prepared> {
    Ok(match read {
        Read::Said(said) => {
            let said = serde_json::from_value(said).map_err(|error| errors::user("XX000", error.to_string()))?;
            match said {
                Said::Copy(inner, form) => Prepared::Copy(query(shared, client, &inner).await?, form),
                Said::Declare(declared, inner) => Prepared::Declare(declared, query(shared, client, &inner).await?),
                said => Prepared::Said(said),
            }
        }
        read @ Read::Query { .. } => Prepared::Query(Query::of(sql, place, read)?),
        Read::Failed(error) => return Err(session_command::failed(session_command::timeout(client), error)),
    })
}

/// Parses the query inside a statement as a separate text.
async fn query(shared: &Shared, client: &impl ClientInfo, sql: &str) -> PgWireResult<Arc<Query>> {
    let sql: Arc<str> = sql.into();
    let first = reads(shared, client, &sql).await?.into_iter().next();
    match first.ok_or_else(|| errors::user("42601", "expected a query"))? {
        Read::Failed(error) => Err(session_command::failed(session_command::timeout(client), error)),
        read => Query::of(&sql, 0, read),
    }
}

/// Creates a request with the settings and the timeout of this connection.
fn request(shared: &Shared, client: &impl ClientInfo, sql: &Arc<str>) -> Request {
    let mut limits = shared.service.limits();
    limits.timeout = session_command::timeout(client).map_or(limits.timeout, |timeout| timeout.min(limits.timeout));
    Request {
        dialect: PgDialect::NAME,
        sql: sql.clone(),
        place: 0,
        parameters: None,
        settings: session_command::settings(client),
        limits,
    }
}

impl Query {
    fn of(sql: &Arc<str>, place: usize, read: Read) -> PgWireResult<Arc<Query>> {
        match read {
            Read::Query { parameters, schema } => {
                let kinds = pgcatalog::parameters(&schema);
                let wire = kinds.into_iter().map(|kind| Type::from_oid(kind).unwrap_or(Type::TEXT)).collect();
                Ok(Arc::new(Query { sql: sql.clone(), place, schema, inferred: parameters, wire }))
            }
            Read::Said(_) | Read::Failed(_) => Err(errors::user("42601", "expected a query")),
        }
    }

    /// Returns the request that runs or describes the query.
    pub(super) fn request(
        &self,
        shared: &Shared,
        client: &impl ClientInfo,
        parameters: Option<RecordBatch>,
    ) -> Request {
        Request { place: self.place, parameters, ..request(shared, client, &self.sql) }
    }

    /// Returns whether the query has parameters.
    pub(super) fn has_parameters(&self) -> bool {
        !self.inferred.is_empty()
    }

    /// Returns the result columns, if the query has no parameters.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the wire types of the parameters.
    fn wire_types(&self, said: &[Option<Type>]) -> Vec<Type> {
        (0..self.inferred.len()).map(|at| parameters::wire_type(self.known(said, at), self.inferred(at))).collect()
    }

    /// Returns the type that the client specified for a parameter, else the catalog's.
    fn known<'a>(&'a self, said: &'a [Option<Type>], at: usize) -> Option<&'a Type> {
        of(said, at).filter(|said| **said != Type::UNKNOWN).or_else(|| self.wire.get(at))
    }

    fn inferred(&self, at: usize) -> Option<&DataType> {
        self.inferred.get(at).and_then(Option::as_ref)
    }

    /// Returns NULL for each parameter, to describe the result columns.
    pub(super) fn nulls(&self, said: &[Option<Type>]) -> PgWireResult<Option<RecordBatch>> {
        row((0..self.inferred.len()).map(|at| parameters::null(of(said, at), self.inferred(at))).collect())
    }

    /// Returns the values that a client has bound.
    pub(super) fn bound(&self, portal: &Portal<Prepared>) -> PgWireResult<Option<RecordBatch>> {
        let (expected, found) = (self.inferred.len(), portal.parameters.len());
        // A client can specify the type of a parameter that does not exist, and then sends its value.
        if found < expected {
            return Err(errors::user("08P01", format!("expected {expected} parameters, found {found}")));
        }
        let said = &portal.statement.parameter_types;
        let value = |at: usize| match portal.parameters.get(at).and_then(Option::as_ref) {
            None => Ok(parameters::null(of(said, at), self.inferred(at))),
            Some(bytes) => {
                let (said, inferred) = (self.known(said, at), self.inferred(at));
                Sent { number: at + 1, bytes, binary: is_binary(&portal.parameter_format, at), said, inferred }.read()
            }
        };
        row((0..expected).map(value).collect::<PgWireResult<_>>()?)
    }
}

/// Returns one row of values; `None` if there are none.
fn row(values: Vec<ScalarValue>) -> PgWireResult<Option<RecordBatch>> {
    if values.is_empty() {
        return Ok(None);
    }
    let column = |(at, value): (usize, ScalarValue)| -> PgWireResult<(String, ArrayRef, bool)> {
        let array = value.to_array_of_size(1).map_err(|error| errors::datafusion(&error))?;
        Ok(((at + 1).to_string(), array, true))
    };
    let columns: Vec<_> = values.into_iter().enumerate().map(column).collect::<PgWireResult<_>>()?;
    let row = RecordBatch::try_from_iter_with_nullable(columns);
    row.map(Some).map_err(|error| errors::datafusion(&error.into()))
}

fn of(types: &[Option<Type>], at: usize) -> Option<&Type> {
    types.get(at).and_then(Option::as_ref)
}

fn is_binary(format: &Format, at: usize) -> bool {
    match format {
        Format::UnifiedText => false,
        Format::UnifiedBinary => true,
        Format::Individual(codes) => codes.get(at) == Some(&1),
    }
}

/// Prepares statements of the extended protocol.
pub(super) struct Preparer(pub(super) Arc<Shared>);

#[async_trait]
impl QueryParser for Preparer {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, client: &C, sql: &str, _types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = prepare(&self.0, client, sql).await?;
        if statements.len() > 1 {
            return Err(errors::user("42601", "cannot insert multiple commands into a prepared statement"));
        }
        statements.pop().transpose()
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(match statement {
            Prepared::Said(_) => Vec::new(),
            Prepared::Query(query) | Prepared::Copy(query, _) | Prepared::Declare(_, query) => query.wire_types(&[]),
        })
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        let format = format.unwrap_or(&Format::UnifiedText);
        match statement {
            Prepared::Said(said) => Ok(said.fields(first(format))),
            Prepared::Copy(..) | Prepared::Declare(..) => Ok(Vec::new()),
            Prepared::Query(query) => super::rows::fields(&query.schema, format, &Arc::new(FormatOptions::default())),
        }
    }
}

/// Returns the format of a single column.
pub(super) fn first(format: &Format) -> FieldFormat {
    if is_binary(format, 0) { FieldFormat::Binary } else { FieldFormat::Text }
}

/// Returns the parameter types for a description.
pub(super) fn parameter_types(query: &Query, said: &[Option<Type>]) -> Vec<Type> {
    query.wire_types(said)
}
