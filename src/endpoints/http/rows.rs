//! An answer's rows as JSON: timestamps RFC 3339, maps as objects, binary as hex, null as null.

use crate::engine::QueryAnswer;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;

/// `{"rows": […]}`, with `"truncated": true` where rows were cut off.
pub(super) fn body(answer: &QueryAnswer) -> Result<Vec<u8>, ArrowError> {
    let mut body = b"{\"rows\":".to_vec();
    let before = body.len();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut body);
    writer.write_batches(&answer.batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    drop(writer);
    if body.len() == before {
        body.extend_from_slice(b"[]");
    }
    body.extend_from_slice(if answer.truncated { b",\"truncated\":true}" } else { b"}" });
    Ok(body)
}
