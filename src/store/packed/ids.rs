//! Hexadecimal strings of equal length as bytes.

use super::nulls;
use crate::model::hex::digits;
use arrow::array::{Array as _, ArrayRef, StringArray, UInt32Array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Shorter strings are not packed: their offsets use more memory than the text.
const LENGTH_MIN: usize = 8;

/// Ids of one length.
#[derive(Debug)]
pub(super) struct Ids {
    /// Bytes of an id; two digits each.
    width: usize,
    /// The bytes of all IDs, concatenated; zeros for NULL.
    bytes: Vec<u8>,
    nulls: Option<NullBuffer>,
}

impl Ids {
    /// Returns `None` if a text is not lower-case hexadecimal or has another length than the first.
    pub(super) fn new(array: &StringArray) -> Option<Ids> {
        let length = array.iter().flatten().next()?.len();
        if length < LENGTH_MIN || length % 2 != 0 {
            return None;
        }
        let width = length / 2;
        let mut bytes = Vec::with_capacity(width * array.len());
        for text in array {
            match text {
                Some(text) if text.len() == length => {
                    for pair in text.as_bytes().chunks_exact(2) {
                        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
                    }
                }
                Some(_) => return None,
                None => bytes.resize(bytes.len() + width, 0),
            }
        }
        Some(Ids { width, bytes, nulls: array.nulls().cloned() })
    }

    pub(super) fn read(&self, picked: Option<&UInt32Array>) -> Result<ArrayRef, ArrowError> {
        let rows = picked.map_or(self.bytes.len() / self.width, UInt32Array::len);
        let mut text = Vec::with_capacity(rows * self.width * 2);
        let mut write = |row: usize| {
            for byte in &self.bytes[row * self.width..(row + 1) * self.width] {
                text.extend_from_slice(&digits(*byte));
            }
        };
        match picked {
            None => (0..rows).for_each(&mut write),
            Some(picked) => picked.values().iter().for_each(|row| write(*row as usize)),
        }
        let nulls = nulls::read(self.nulls.as_ref(), picked);
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(self.width * 2, rows));
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(text), nulls)?))
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.capacity() + nulls::bytes(self.nulls.as_ref())
    }
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}
