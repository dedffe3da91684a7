//! An answer's rows as JSON: timestamps RFC 3339, maps as objects, lists as arrays, binary as hex, null as null; a number
//! that JSON has no word for (NaN, infinity) is null, too.

use crate::engine::QueryAnswer;
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use axum::body::{Body, Bytes};
use futures::stream;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

/// Rows that are written at once: a small part of a second's work, and of the answer's memory.
const PART_ROWS: usize = 1024;

/// `{"rows": […]}`, with `"truncated": true` where rows were cut off. It is written as it is sent, and the permit is held
/// until then, so that slow readers do not gather answers. Who reads nothing for `stall` gets no more: the answer breaks
/// off, and its permit is another's.
///
/// # Errors
/// When a column cannot be written as JSON.
pub(super) fn body(answer: QueryAnswer, permit: OwnedSemaphorePermit, stall: Duration) -> Result<Body, ArrowError> {
    let schema = distinct(&answer.schema);
    // What cannot be written shows itself without rows, while the status can still be told.
    text(&RecordBatch::new_empty(schema.clone()))?;
    let mut parts = Parts { schema, answer, permit, next: (0, 0), written: false, at: At::Begin };
    let (send, receive) = mpsc::channel(1);
    // A reader that stalls asks for nothing, so that somebody else must look at the time.
    tokio::spawn(async move {
        while let Some(part) = parts.next() {
            if !matches!(timeout(stall, send.send(Some(part))).await, Ok(Ok(()))) {
                return;
            }
        }
        let _gone = send.send(None).await;
    });
    Ok(Body::from_stream(stream::unfold(receive, |mut receive| async move {
        let part = receive.recv().await.unwrap_or_else(|| Some(Err(stalled())));
        part.map(|part| (part, receive))
    })))
}

fn stalled() -> ArrowError {
    ArrowError::ExternalError("the client read nothing for too long".into())
}

/// Where the writing is.
enum At {
    Begin,
    Rows,
    End,
}

struct Parts {
    schema: SchemaRef,
    answer: QueryAnswer,
    #[expect(dead_code, reason = "held for what its drop does")]
    permit: OwnedSemaphorePermit,
    /// Batch and row.
    next: (usize, usize),
    /// Some row has been written.
    written: bool,
    at: At,
}

impl Parts {
    fn next(&mut self) -> Option<Result<Bytes, ArrowError>> {
        match self.at {
            At::Begin => {
                self.at = At::Rows;
                Some(Ok(Bytes::from_static(b"{\"rows\":[")))
            }
            At::Rows => {
                let part = self.rows();
                if part.is_some() {
                    return part;
                }
                self.at = At::End;
                let end: &[u8] = if self.answer.truncated { b"],\"truncated\":true}" } else { b"]}" };
                Some(Ok(Bytes::from_static(end)))
            }
            At::End => None,
        }
    }

    fn rows(&mut self) -> Option<Result<Bytes, ArrowError>> {
        loop {
            let (batch, row) = self.next;
            let rows = self.answer.batches.get(batch)?;
            let taken = PART_ROWS.min(rows.num_rows() - row);
            if taken == 0 {
                self.next = (batch + 1, 0);
                continue;
            }
            self.next = (batch, row + taken);
            let part = rows.slice(row, taken);
            let part = RecordBatch::try_new(self.schema.clone(), part.columns().to_vec());
            return Some(part.and_then(|part| text(&part)).map(|mut text| {
                if self.written {
                    text.insert(0, b',');
                }
                self.written = true;
                Bytes::from(text)
            }));
        }
    }
}

/// Rows as objects, with commas between.
fn text(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
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

/// The schema with each name once, for an object has a name once: `id`, `id_2`.
fn distinct(schema: &SchemaRef) -> SchemaRef {
    let mut seen: HashSet<String> = HashSet::new();
    let named: HashSet<&String> = schema.fields().iter().map(|field| field.name()).collect();
    if named.len() == schema.fields().len() {
        return schema.clone();
    }
    let fields = schema.fields().iter().map(|field| {
        let mut name = field.name().clone();
        let mut count = 1;
        while !seen.insert(name.clone()) {
            count += 1;
            name = format!("{}_{count}", field.name());
        }
        Field::clone(field).with_name(name)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
