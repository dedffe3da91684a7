//! Streams the rows of a response, so that no response is kept in memory as a whole.
//!
//! An error before the first bytes gets its own status. A later error aborts the transfer, so that no client takes a partial
//! response for a complete one; where the format allows, the error is also written. The same applies to more rows than
//! `rows_max`, except in JSON, which can mark a response as truncated.

use super::accept::Format;
use super::csv;
use crate::endpoints::query_span::Running;
use crate::engine::QueryError;
use crate::engine::postgres::{Zone, shown, texts};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, LineDelimited};
use axum::body::{Body, Bytes};
use futures::stream;
use serde_json::json;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

/// Rows written at once; limits the time and memory of one step.
const PART_ROWS: usize = 1024;
/// Bytes buffered before the first are sent, and for how long: an error until then still gets its own status.
const HELD_BYTES: usize = 64 << 10;
const HELD: Duration = Duration::from_millis(200);

/// Why a response cannot start.
pub(super) enum Refused {
    /// The query failed.
    Query(QueryError),
    /// The query has too many rows, and the format cannot mark a response as truncated.
    TooMany,
    /// A column cannot be written in the format.
    Column(ArrowError),
}

impl From<QueryError> for Refused {
    fn from(error: QueryError) -> Self {
        Refused::Query(error)
    }
}

impl From<ArrowError> for Refused {
    fn from(error: ArrowError) -> Self {
        Refused::Column(error)
    }
}

/// Message for too many rows.
pub(super) const TOO_MANY: &str = "the answer has more rows than extensions.sql.rows_max gives: add a LIMIT";

/// Returns the response body. The permit is held until all is written, so that slow readers do not accumulate responses. If the
/// client reads nothing for `stall`, the transfer is aborted and the permit released.
///
/// # Errors
/// When the query fails, or the response cannot be written, before the first bytes are sent.
pub(super) async fn body(
    running: Running,
    format: Format,
    permit: OwnedSemaphorePermit,
    stall: Duration,
) -> Result<Body, Refused> {
    let mut parts = Parts::new(running, format)?;
    let (held, ended) = parts.held().await?;
    // None marks the end, to distinguish it from a sender that is dropped early.
    let (send, receive) = mpsc::channel::<Option<io::Result<Bytes>>>(1);
    // A stalled client never polls the body, so the timeout runs in its own task.
    tokio::spawn(async move {
        let _permit = permit;
        let sent = async |part: Bytes| {
            part.is_empty() || matches!(timeout(stall, send.send(Some(Ok(part)))).await, Ok(Ok(())))
        };
        if !sent(held).await {
            return;
        }
        let mut ended = ended;
        while !ended {
            let part = tokio::select! {
                // A disconnected client cancels its query.
                () = send.closed() => return,
                part = parts.next() => part,
            };
            let part = match part {
                Ok((part, is_last)) => {
                    ended = is_last;
                    part
                }
                Err(refused) => {
                    let message = refused.message();
                    if sent(parts.writer.broken(&message)).await {
                        let _gone = send.send(Some(Err(io::Error::other(message)))).await;
                    }
                    return;
                }
            };
            if !sent(part).await {
                return;
            }
        }
        let _gone = send.send(None).await;
    });
    Ok(Body::from_stream(stream::unfold(Some(receive), |receive| async move {
        let mut receive = receive?;
        match receive.recv().await {
            Some(None) => None,
            Some(Some(Ok(part))) => Some((Ok(part), Some(receive))),
            Some(Some(Err(error))) => Some((Err(error), None)),
            None => Some((Err(io::Error::other("the client read nothing for too long")), None)),
        }
    })))
}

impl Refused {
    fn message(&self) -> String {
        match self {
            Refused::Query(error) => error.to_string(),
            Refused::TooMany => TOO_MANY.to_owned(),
            Refused::Column(error) => format!("a column of the answer cannot be written: {error}"),
        }
    }
}

struct Parts {
    running: Running,
    writer: Writer,
    /// Rows that are not yet written.
    batch: Option<RecordBatch>,
}

impl Parts {
    fn new(running: Running, format: Format) -> Result<Parts, Refused> {
        let writer = Writer::new(&running.answer.schema, format)?;
        Ok(Parts { running, writer, batch: None })
    }

    /// Returns the first bytes, and whether they are the complete response.
    async fn held(&mut self) -> Result<(Bytes, bool), Refused> {
        // Nothing is sent before the first rows: a query that fails earlier gets its own status, however long it took.
        let (mut held, mut since) = (self.writer.begin(), None::<Instant>);
        loop {
            let (part, is_last) = match since {
                None => self.next().await?,
                Some(since) => match timeout(HELD.saturating_sub(since.elapsed()), self.next()).await {
                    Ok(next) => next?,
                    Err(_) => return Ok((held.into(), false)),
                },
            };
            held.extend_from_slice(&part);
            if is_last || held.len() >= HELD_BYTES {
                return Ok((held.into(), is_last));
            }
            since.get_or_insert_with(Instant::now);
        }
    }

    /// Returns the next bytes, and whether they are the last.
    async fn next(&mut self) -> Result<(Bytes, bool), Refused> {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => match self.running.next().await? {
                Some(batch) => batch,
                None => return Ok((self.writer.end(self.running.answer.truncated())?.into(), true)),
            },
        };
        let taken = PART_ROWS.min(batch.num_rows());
        if taken < batch.num_rows() {
            self.batch = Some(batch.slice(taken, batch.num_rows() - taken));
        }
        Ok((self.writer.rows(&batch.slice(0, taken))?.into(), false))
    }
}

/// Writes rows in one format.
enum Writer {
    Json { schema: SchemaRef, is_first: bool },
    Ndjson { schema: SchemaRef },
    Csv { schema: SchemaRef, header: bool },
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl Writer {
    fn new(schema: &SchemaRef, format: Format) -> Result<Writer, Refused> {
        let mut writer = match format {
            Format::Json => Writer::Json { schema: distinct(schema), is_first: true },
            Format::Ndjson => Writer::Ndjson { schema: distinct(schema) },
            Format::Csv { header } => Writer::Csv { schema: schema.clone(), header },
            Format::Arrow => Writer::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema)?)),
        };
        // Finds unsupported columns without rows, while the status can still be set.
        if !matches!(writer, Writer::Arrow(_)) {
            writer.rows(&RecordBatch::new_empty(schema.clone()))?;
        }
        Ok(writer)
    }

    fn begin(&mut self) -> Vec<u8> {
        match self {
            Writer::Json { .. } => b"{\"rows\":[".to_vec(),
            Writer::Csv { schema, header: true } => csv::names(schema).into_bytes(),
            Writer::Csv { .. } | Writer::Ndjson { .. } => Vec::new(),
            Writer::Arrow(writer) => std::mem::take(writer.get_mut()),
        }
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        if let Writer::Arrow(writer) = self {
            writer.write(batch)?;
            return Ok(std::mem::take(writer.get_mut()));
        }
        let batch = &written(batch, matches!(self, Writer::Csv { .. }))?;
        let named = |schema: &SchemaRef| RecordBatch::try_new(schema.clone(), batch.columns().to_vec());
        match self {
            Writer::Json { schema, is_first } => {
                let mut text = objects(&named(schema)?)?;
                if !text.is_empty() && !std::mem::take(is_first) {
                    text.insert(0, b',');
                }
                Ok(text)
            }
            Writer::Ndjson { schema } => {
                let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
                writer.write(&named(schema)?)?;
                writer.finish()?;
                Ok(writer.into_inner())
            }
            Writer::Csv { .. } => Ok(csv::lines(batch)?.into_bytes()),
            Writer::Arrow(_) => Ok(Vec::new()),
        }
    }

    fn end(&mut self, truncated: bool) -> Result<Vec<u8>, Refused> {
        match self {
            Writer::Json { .. } if truncated => Ok(b"],\"truncated\":true}".to_vec()),
            Writer::Json { .. } => Ok(b"]}".to_vec()),
            _ if truncated => Err(Refused::TooMany),
            Writer::Ndjson { .. } | Writer::Csv { .. } => Ok(Vec::new()),
            Writer::Arrow(writer) => {
                writer.finish()?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }

    /// Returns the text that reports an error after rows were sent; empty for CSV and Arrow, which have no place for it.
    fn broken(&self, message: &str) -> Bytes {
        match self {
            Writer::Json { .. } => format!("],\"error\":{}}}", json!(message)).into(),
            Writer::Ndjson { .. } => format!("{}\n", json!({ "error": message })).into(),
            Writer::Csv { .. } | Writer::Arrow(_) => Bytes::new(),
        }
    }
}

/// Converts columns that Arrow formats differently from `PostgreSQL`: intervals, times of day and, in text formats, digits of
/// numbers.
fn written(batch: &RecordBatch, is_text: bool) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let own = match field.data_type() {
            DataType::Interval(_) | DataType::Duration(_) | DataType::Time64(_) => true,
            DataType::Decimal128(..) => is_text,
            _ => false,
        };
        if own {
            let texts = texts(column, field, &Zone::utc()).map_err(|error| ArrowError::ExternalError(error.into()))?;
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(Arc::new(texts) as ArrayRef);
        } else {
            fields.push(field.clone());
            columns.push(column.clone());
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// Writes rows as objects, separated by commas.
fn objects(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    let mut text = writer.into_inner();
    if text.first() == Some(&b'[') {
        text.remove(0);
        text.pop();
    }
    Ok(text)
}

/// Makes the column names unique, as keys of JSON objects: `id`, `id_2`.
fn distinct(schema: &SchemaRef) -> SchemaRef {
    let mut seen: HashSet<String> = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        let mut name = shown(field.name()).to_owned();
        let mut count = 1;
        while !seen.insert(name.clone()) {
            count += 1;
            name = format!("{}_{count}", shown(field.name()));
        }
        let kind = match field.data_type() {
            DataType::Interval(_) | DataType::Duration(_) | DataType::Time64(_) => DataType::Utf8,
            other => other.clone(),
        };
        Field::new(name, kind, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
