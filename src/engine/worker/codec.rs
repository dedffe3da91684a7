//! Frames on the socket between the server and a worker: two lengths, a message as JSON, and a body, in which rows are
//! in Arrow's IPC format.

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::{StreamEncoder, StreamWriter};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use tokio_util::codec::Decoder;

/// Lengths of the message and of the body, four bytes each.
const LENGTHS: usize = 8;
/// Maximum length of either: a row that is larger cannot be sent.
pub(super) const PART_BYTES_MAX: usize = 256 << 20;

/// One message and its body.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) message: Vec<u8>,
    pub(super) body: Vec<Buffer>,
}

impl Frame {
    pub(super) fn new(message: &impl Serialize, body: Vec<Buffer>) -> io::Result<Frame> {
        Ok(Frame { message: serde_json::to_vec(message)?, body })
    }

    pub(super) fn body_bytes(&self) -> usize {
        self.body.iter().map(Buffer::len).sum()
    }

    /// Returns lengths and message.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let length = |bytes: usize| match u32::try_from(bytes) {
            Ok(length) if bytes <= PART_BYTES_MAX => Ok(length.to_le_bytes()),
            _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("a message of {bytes} bytes"))),
        };
        let lengths = [length(self.message.len())?, length(self.body_bytes())?].concat();
        Ok([lengths, self.message.clone()].concat())
    }

    /// Writes the whole frame.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = self.head()?;
        // Write a short frame in one call, and a long one without a copy.
        if self.body_bytes() <= 64 << 10 {
            self.body.iter().for_each(|part| bytes.extend_from_slice(part));
            return to.write_all(&bytes);
        }
        to.write_all(&bytes)?;
        self.body.iter().try_for_each(|part| to.write_all(part))
    }
}

/// Reads one frame; `None` at the end of the stream.
pub(super) fn read<M: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(M, Vec<u8>)>> {
    let mut lengths = [0; LENGTHS];
    match from.read_exact(&mut lengths) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (message, body) = sizes(&lengths)?;
    let mut text = vec![0; message];
    from.read_exact(&mut text)?;
    let mut bytes = vec![0; body];
    from.read_exact(&mut bytes)?;
    Ok(Some((serde_json::from_slice(&text)?, bytes)))
}

fn sizes(lengths: &[u8]) -> io::Result<(usize, usize)> {
    let size = |at: usize| {
        let bytes = lengths.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).unwrap_or_default();
        let size = u32::from_le_bytes(bytes) as usize;
        if size > PART_BYTES_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { io::Result::Ok(size) }
    };
    Ok((size(0)?, size(4)?))
}

/// Decoder of frames for the streams of `tokio`.
pub(super) struct Frames<M>(std::marker::PhantomData<M>);

impl<M> Default for Frames<M> {
    fn default() -> Self {
        Frames(std::marker::PhantomData)
    }
}

impl<M: DeserializeOwned> Decoder for Frames<M> {
    type Item = (M, Bytes);
    type Error = io::Error;

    fn decode(&mut self, from: &mut BytesMut) -> io::Result<Option<(M, Bytes)>> {
        if from.len() < LENGTHS {
            return Ok(None);
        }
        let (message, body) = sizes(&from[..LENGTHS])?;
        let whole = LENGTHS + message + body;
        if from.len() < whole {
            from.reserve(whole - from.len());
            return Ok(None);
        }
        from.advance(LENGTHS);
        let message = from.split_to(message);
        let body = from.split_to(body).freeze();
        Ok(Some((serde_json::from_slice(&message)?, body)))
    }
}

/// Encodes a schema as text.
pub(super) fn schema_text(schema: &Schema) -> Result<String> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    writer.finish()?;
    Ok(STANDARD.encode(writer.into_inner()?))
}

/// Decodes a schema from text.
pub(super) fn schema(text: &str) -> Result<SchemaRef> {
    let bytes = STANDARD.decode(text).map_err(|error| exec_datafusion_err!("a schema: {error}"))?;
    let reader = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None)?;
    Ok(reader.schema())
}

/// Encodes rows into a frame. Each frame is a complete stream, because a reader only accepts a batch without bytes in
/// its columns (NULL, or no column at all) if something follows.
pub(super) struct FrameOut {
    encoder: StreamEncoder,
    body: Vec<Buffer>,
    pub(super) bytes: usize,
}

impl FrameOut {
    pub(super) fn new(schema: &Schema) -> Result<FrameOut> {
        Ok(FrameOut { encoder: StreamEncoder::try_new(schema)?, body: Vec::new(), bytes: 0 })
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let buffers = self.encoder.encode(batch)?;
        self.bytes += buffers.iter().map(Buffer::len).sum::<usize>();
        self.body.extend(buffers);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<Buffer>> {
        self.body.extend(self.encoder.finish()?);
        Ok(self.body)
    }
}

/// Decodes the schema and the batches of a frame.
pub(super) fn rows_in(bytes: impl Into<Buffer>) -> Result<(Option<SchemaRef>, Vec<RecordBatch>)> {
    let (mut bytes, mut batches, mut decoder) = (bytes.into(), Vec::new(), StreamDecoder::new());
    while !bytes.is_empty() {
        batches.extend(decoder.decode(&mut bytes)?);
    }
    Ok((decoder.schema(), batches))
}

/// Encodes one row of values.
pub(super) fn row_out(row: &RecordBatch) -> Result<Vec<Buffer>> {
    let mut frame = FrameOut::new(&row.schema())?;
    frame.add(row)?;
    frame.finish()
}

pub(super) fn row_in(bytes: Vec<u8>) -> Result<RecordBatch> {
    let (_, mut rows) = rows_in(Buffer::from_vec(bytes))?;
    rows.pop().ok_or_else(|| DataFusionError::Execution("parameters without a row".to_owned()))
}

/// Converts bytes from a socket to a buffer.
pub(super) fn buffer(bytes: Bytes) -> Buffer {
    Buffer::from(bytes)
}

/// Returns the number of rows of a batch that take about `bytes_max` bytes.
pub(super) fn rows_of(batch: &RecordBatch, bytes_max: usize) -> usize {
    let of = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
    let (rows, bytes) = (batch.num_rows(), batch.columns().iter().map(of).sum::<usize>().max(1));
    (rows.saturating_mul(bytes_max) / bytes).clamp(1, rows.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, NullArray, RecordBatchOptions};
    use std::sync::Arc;

    fn sent(batches: &[RecordBatch]) -> Vec<RecordBatch> {
        let mut frame = FrameOut::new(&batches[0].schema()).unwrap();
        batches.iter().for_each(|batch| frame.add(batch).unwrap());
        let frame = Frame::new(&7, frame.finish().unwrap()).unwrap();
        let mut bytes = Vec::new();
        frame.write(&mut bytes).unwrap();
        let (message, body): (i32, Vec<u8>) = read(&mut bytes.as_slice()).unwrap().unwrap();
        assert_eq!(message, 7);
        rows_in(Buffer::from_vec(body)).unwrap().1
    }

    #[test]
    fn rows_come_as_they_were_sent_whatever_they_take() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
        let numbers = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        let cut = numbers.slice(9000, 5);
        assert_eq!(sent(&[numbers.clone(), cut.clone()]), [numbers, cut]);
        let nulls: ArrayRef = Arc::new(NullArray::new(3));
        let nulls = RecordBatch::try_from_iter_with_nullable([("n", nulls, true)]).unwrap();
        assert_eq!(sent(std::slice::from_ref(&nulls)), [nulls]);
        let options = RecordBatchOptions::new().with_row_count(Some(30));
        let none = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
        assert_eq!(sent(std::slice::from_ref(&none))[0].num_rows(), 30, "rows without columns are counted");
        assert_eq!(rows_of(&none, 1 << 20), 30);
    }

    #[test]
    fn a_large_batch_goes_in_parts_that_a_slice_does_not_make_smaller() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let numbers = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        assert_eq!(rows_of(&numbers, 80_000), 10_000);
        assert_eq!(rows_of(&numbers.slice(50_000, 20_000), 80_000), 10_000);
        assert_eq!(rows_of(&numbers, 1), 1);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let bytes = [[0xff; 4], [0; 4]].concat();
        assert!(read::<i32>(&mut bytes.as_slice()).is_err());
        assert!(read::<i32>(&mut [].as_slice()).unwrap().is_none(), "the end");
    }
}
