//! Integers and times as offsets from the minimum.

use super::nulls;
use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use std::sync::Arc;

const WORD: usize = size_of::<u64>();

/// Integers stored as offsets of `width` bytes from `least`.
#[derive(Debug)]
pub(super) struct Numbers {
    kind: DataType,
    least: i64,
    /// Bytes of an offset.
    width: usize,
    rows: usize,
    /// Offsets, little-endian, then padding, so that the last one can be read as a word.
    bytes: Vec<u8>,
    nulls: Option<NullBuffer>,
}

impl Numbers {
    /// Returns `None` if this saves nothing.
    pub(super) fn new(array: &ArrayRef) -> Option<Numbers> {
        let numbers = cast(array, &DataType::Int64).ok()?;
        let numbers = numbers.as_primitive_opt::<Int64Type>()?;
        let (least, greatest) = (arrow::compute::min(numbers)?, arrow::compute::max(numbers)?);
        let distance = |number: i64| number.wrapping_sub(least).cast_unsigned();
        let width = (u64::BITS - distance(greatest).leading_zeros()).div_ceil(u8::BITS) as usize;
        if width == WORD {
            return None;
        }
        let mut bytes = Vec::with_capacity(width * numbers.len() + WORD);
        for number in numbers {
            bytes.extend_from_slice(&number.map_or(0, distance).to_le_bytes()[..width]);
        }
        bytes.extend_from_slice(&[0; WORD]);
        let (rows, nulls) = (numbers.len(), numbers.nulls().cloned());
        Some(Numbers { kind: array.data_type().clone(), least, width, rows, bytes, nulls })
    }

    pub(super) fn read(&self, picked: Option<&UInt32Array>) -> Result<ArrayRef, ArrowError> {
        let mask = (1_u64 << (self.width * 8)) - 1;
        let number = |row: usize| {
            let at = row * self.width;
            let word = self.bytes[at..at + WORD].try_into().map_or(0, u64::from_le_bytes);
            self.least.wrapping_add_unsigned(word & mask)
        };
        let numbers: Vec<i64> = match picked {
            None => (0..self.rows).map(number).collect(),
            Some(picked) => picked.values().iter().map(|row| number(*row as usize)).collect(),
        };
        let nulls = nulls::read(self.nulls.as_ref(), picked);
        let numbers: ArrayRef = Arc::new(Int64Array::try_new(numbers.into(), nulls)?);
        cast(&numbers, &self.kind)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.capacity() + nulls::bytes(self.nulls.as_ref())
    }
}
