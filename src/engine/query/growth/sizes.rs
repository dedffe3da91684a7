//! What a function would give at most, in bytes a row.

use super::text;
use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

/// The functions that [`at_most`] knows.
pub(super) const GROWING: [&str; 14] = [
    "concat",
    "concat_ws",
    super::bounded::JOINED,
    "overlay",
    "replace",
    "translate",
    "regexp_replace",
    "to_char",
    "make_array",
    "array_concat",
    "array_append",
    "array_prepend",
    "array_to_string",
    "string_to_array",
];

/// What a value takes for itself.
const OF_VALUE: usize = 16;
/// The longest text of a number or a time.
const OF_NUMBER: usize = 40;
/// The most that one sign of a time's format becomes: `%c` is 24 characters.
const OF_FORMAT: usize = 16;

/// One argument's sizes, row by row.
pub(super) enum Sizes {
    /// The same for each row.
    Same(Size),
    Each(Vec<Size>),
}

/// Bytes and, of a list, items.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    bytes: usize,
    items: usize,
}

impl Sizes {
    pub(super) fn of(argument: &ColumnarValue) -> Sizes {
        match argument {
            ColumnarValue::Scalar(value) => Sizes::Same(Size { bytes: of_scalar(value), items: items(value) }),
            ColumnarValue::Array(array) => Sizes::Each(of_array(array)),
        }
    }

    fn at(&self, row: usize) -> Size {
        match self {
            Sizes::Same(size) => *size,
            Sizes::Each(sizes) => sizes.get(row).copied().unwrap_or_default(),
        }
    }
}

/// Bytes of a value.
pub(super) fn of_scalar(value: &ScalarValue) -> usize {
    text(value).map_or_else(|| if value.is_null() { 0 } else { value.size() }, str::len)
}

fn items(value: &ScalarValue) -> usize {
    match value {
        ScalarValue::List(list) => list.values().len(),
        ScalarValue::LargeList(list) => list.values().len(),
        ScalarValue::FixedSizeList(list) => list.values().len(),
        _ => 1,
    }
}

fn of_array(array: &ArrayRef) -> Vec<Size> {
    let texts = |bytes: usize| Size { bytes, items: 1 };
    let list = |values: &ArrayRef, length: usize| {
        // Of a list's items, only how many there are is known of each row.
        let average = values.to_data().get_slice_memory_size().unwrap_or(usize::MAX).div_ceil(values.len().max(1));
        Size { bytes: length.saturating_mul(average.saturating_add(1)), items: length }
    };
    let rows = 0..array.len();
    match array.data_type() {
        DataType::Utf8 => rows.map(|row| texts(array.as_string::<i32>().value(row).len())).collect(),
        DataType::LargeUtf8 => rows.map(|row| texts(array.as_string::<i64>().value(row).len())).collect(),
        DataType::Utf8View => rows.map(|row| texts(array.as_string_view().value(row).len())).collect(),
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            rows.map(|row| list(lists.values(), usize::try_from(lists.value_length(row)).unwrap_or_default())).collect()
        }
        DataType::FixedSizeList(_, length) => {
            let values = array.as_fixed_size_list().values();
            rows.map(|_| list(values, usize::try_from(*length).unwrap_or_default())).collect()
        }
        _ => {
            let all = array.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
            vec![texts(all.div_ceil(array.len().max(1)).max(OF_NUMBER)); array.len()]
        }
    }
}

/// What the function gives for a row, at most. Saturates.
pub(super) fn at_most(function: &str, arguments: &[Sizes], row: usize) -> usize {
    let size = |at: usize| arguments.get(at).map(|sizes| sizes.at(row)).unwrap_or_default();
    let bytes = |at: usize| size(at).bytes;
    let all = || arguments.iter().fold(OF_VALUE, |sum, sizes| sum.saturating_add(sizes.at(row).bytes));
    match function {
        "replace" => {
            let times = if bytes(1) == 0 { 0 } else { bytes(0) / bytes(1) };
            bytes(0).saturating_add(times.saturating_mul(bytes(2)))
        }
        // One character for each.
        "translate" => bytes(0).saturating_mul(4),
        // The replacement at each place, and each of its references the whole text once in all.
        "regexp_replace" => {
            let times = bytes(0).saturating_add(1);
            bytes(0).saturating_add(times.saturating_mul(bytes(2).saturating_mul(2)))
        }
        "to_char" => bytes(1).saturating_mul(OF_FORMAT).saturating_add(OF_NUMBER),
        "concat_ws" => all().saturating_add(arguments.len().saturating_mul(bytes(0))),
        "array_to_string" => {
            let item = bytes(1).saturating_add(bytes(2)).saturating_add(OF_NUMBER);
            bytes(0).saturating_add(size(0).items.saturating_mul(item))
        }
        // Each character can be an item.
        "string_to_array" => bytes(0).saturating_mul(OF_VALUE + 4),
        "make_array" => all().saturating_add(arguments.len().saturating_mul(OF_VALUE)),
        _ => all(),
    }
}

/// What `replace` gives for a row, exactly.
pub(super) fn replaced(arguments: &[ColumnarValue], row: usize) -> Option<usize> {
    let arguments: Vec<ScalarValue> = arguments
        .iter()
        .map(|argument| match argument {
            ColumnarValue::Scalar(value) => Some(value.clone()),
            ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row).ok(),
        })
        .collect::<Option<_>>()?;
    let [value, from, to] = arguments.as_slice() else { return None };
    let (value, from, to) = (text(value)?, text(from)?, text(to)?);
    let times = if from.is_empty() { 0 } else { value.matches(from).count() };
    Some((value.len() - times * from.len()).saturating_add(times.saturating_mul(to.len())))
}
