//! Which rows of a packed column have a value.

use arrow::array::UInt32Array;
use arrow::buffer::NullBuffer;

/// Returns the validity of all rows, or of the picked ones.
pub(super) fn read(nulls: Option<&NullBuffer>, picked: Option<&UInt32Array>) -> Option<NullBuffer> {
    match (nulls, picked) {
        (Some(nulls), Some(rows)) => Some(rows.values().iter().map(|row| nulls.is_valid(*row as usize)).collect()),
        (nulls, _) => nulls.cloned(),
    }
}

/// Memory in bytes.
pub(super) fn bytes(nulls: Option<&NullBuffer>) -> usize {
    nulls.map_or(0, |nulls| nulls.buffer().capacity())
}
