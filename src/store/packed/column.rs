//! One packed column. Each form is chosen by the values that the column has.

use super::ids::Ids;
use super::nulls;
use super::numbers::Numbers;
use arrow::array::{
    Array as _, ArrayRef, AsArray as _, DictionaryArray, MapArray, StringArray, StructArray, UInt8Array, UInt16Array,
    UInt32Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, FieldRef, UInt8Type, UInt16Type};
use arrow::error::ArrowError;
use std::collections::HashMap;
use std::sync::Arc;

/// A column's values in compact form.
#[derive(Debug)]
pub(super) enum Column {
    /// No value at all.
    Null,
    /// As they were.
    Plain(ArrayRef),
    /// Text with few distinct values, dictionary-encoded.
    Numbered(ArrayRef),
    /// Hexadecimal text, such as trace ids.
    Ids(Ids),
    /// Integers and times.
    Numbers(Numbers),
    /// Run-length encoded: the end of each run, exclusive, and its value.
    Runs { ends: Vec<u32>, values: ArrayRef },
    /// Maps with keys and values in compact forms.
    Map {
        field: FieldRef,
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        keys: Box<Column>,
        values: Box<Column>,
    },
}

/// Runs must be at least this long on average.
const RUN: usize = 8;
/// A distinct text must occur at least this often on average.
const REPEATED: usize = 4;

impl Column {
    pub(super) fn new(array: &ArrayRef) -> Column {
        if array.null_count() == array.len() {
            return Column::Null;
        }
        let packed = match array.data_type() {
            DataType::Utf8 => text(array.as_string()),
            DataType::Int64 | DataType::Timestamp(..) => Numbers::new(array).map(Column::Numbers),
            DataType::Float64 => runs(array),
            DataType::Map(..) => runs(array).or_else(|| Some(map(array.as_map()))),
            _ => None,
        };
        packed.unwrap_or_else(|| Column::Plain(array.clone()))
    }

    /// Returns the values of all rows, or of the picked ones.
    pub(super) fn read(&self, picked: Option<&UInt32Array>) -> Result<ArrayRef, ArrowError> {
        let pick = |array: &ArrayRef| picked.map_or_else(|| Ok(array.clone()), |rows| take(array, rows, None));
        match self {
            Column::Null => Err(ArrowError::ComputeError("a column without values has no type".to_owned())),
            Column::Plain(array) => pick(array),
            Column::Numbered(array) => cast(&pick(array)?, &DataType::Utf8),
            Column::Ids(ids) => ids.read(picked),
            Column::Numbers(numbers) => numbers.read(picked),
            Column::Runs { ends, values } => take(values, &places(ends, picked), None),
            Column::Map { field, offsets, nulls, keys, values } => {
                let (offsets, entries) = match picked {
                    None => (offsets.clone(), None),
                    Some(rows) => {
                        let (offsets, entries) = entries(offsets, rows);
                        (offsets, Some(entries))
                    }
                };
                let nulls = nulls::read(nulls.as_ref(), picked);
                let DataType::Struct(fields) = field.data_type() else { return Err(not_a_map()) };
                let columns = vec![keys.child(entries.as_ref(), &offsets)?, values.child(entries.as_ref(), &offsets)?];
                let entries = StructArray::try_new(fields.clone(), columns, None)?;
                Ok(Arc::new(MapArray::try_new(field.clone(), offsets, entries, nulls, false)?))
            }
        }
    }

    /// Returns the text of entries of maps with these offsets.
    fn child(&self, picked: Option<&UInt32Array>, offsets: &OffsetBuffer<i32>) -> Result<ArrayRef, ArrowError> {
        match self {
            Column::Null => {
                Ok(Arc::new(StringArray::new_null(offsets.last().map_or(0, |end| end.unsigned_abs() as usize))))
            }
            column => column.read(picked),
        }
    }

    /// Returns which rows may have any of these texts, or any value if there are none; `None` if it is not known.
    pub(super) fn mask(&self, any_of: &[String], rows: usize) -> Option<BooleanBuffer> {
        match self {
            Column::Null => Some(BooleanBuffer::new_unset(rows)),
            Column::Numbered(array) => numbered_mask(array, any_of),
            Column::Plain(array) if any_of.is_empty() => array.nulls().map(|nulls| nulls.inner().clone()),
            _ => None,
        }
    }

    /// Returns whether a row may have any of these texts, or any value if there are none.
    pub(super) fn may_hold(&self, any_of: &[String]) -> bool {
        match self {
            Column::Null => false,
            Column::Numbered(array) if !any_of.is_empty() => {
                let texts = array.as_any_dictionary_opt().and_then(|numbered| numbered.values().as_string_opt::<i32>());
                texts.is_none_or(|texts| texts.iter().flatten().any(|text| any_of.iter().any(|any| any == text)))
            }
            _ => true,
        }
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Column::Null => 0,
            Column::Plain(array) | Column::Numbered(array) => array.get_array_memory_size(),
            Column::Ids(ids) => ids.bytes(),
            Column::Numbers(numbers) => numbers.bytes(),
            Column::Runs { ends, values } => size_of_val(ends.as_slice()) + values.get_array_memory_size(),
            Column::Map { offsets, nulls, keys, values, .. } => {
                size_of_val::<[i32]>(offsets)
                    + nulls::bytes(nulls.as_ref())
                    + [keys, values].map(|child| size_of::<Column>() + child.bytes()).iter().sum::<usize>()
            }
        }
    }
}

fn not_a_map() -> ArrowError {
    ArrowError::SchemaError("expected a map of keys and values".to_owned())
}

fn text(array: &StringArray) -> Option<Column> {
    // IDs are distinct, so this gives up early on them.
    numbered(array).or_else(|| Ids::new(array).map(Column::Ids))
}

/// Dictionary-encodes text; `None` if it has too many distinct values.
fn numbered(array: &StringArray) -> Option<Column> {
    let most = (array.len() / REPEATED + 1).min(1 << 16);
    let mut known: HashMap<&str, u16, foldhash::fast::RandomState> = HashMap::default();
    let (mut texts, mut numbers, mut last) = (Vec::new(), Vec::with_capacity(array.len()), None);
    for text in array {
        let Some(text) = text else {
            numbers.push(0);
            continue;
        };
        let number = match last {
            // Rows of one request often repeat the value of the row before.
            Some((before, number)) if before == text => number,
            _ => match known.get(text) {
                Some(number) => *number,
                None if texts.len() == most => return None,
                None => {
                    let number = u16::try_from(texts.len()).ok()?;
                    known.insert(text, number);
                    texts.push(text);
                    number
                }
            },
        };
        last = Some((text, number));
        numbers.push(number);
    }
    let (nulls, texts) = (array.nulls().cloned(), Arc::new(StringArray::from(texts)));
    let small: Option<Vec<u8>> = numbers.iter().map(|number| u8::try_from(*number).ok()).collect();
    Some(Column::Numbered(match small {
        Some(small) => Arc::new(DictionaryArray::new(UInt8Array::new(small.into(), nulls), texts)),
        None => Arc::new(DictionaryArray::new(UInt16Array::new(numbers.into(), nulls), texts)),
    }))
}

fn numbered_mask(array: &ArrayRef, any_of: &[String]) -> Option<BooleanBuffer> {
    if any_of.is_empty() {
        let rows = array.len();
        return Some(array.nulls().map_or_else(|| BooleanBuffer::new_set(rows), |nulls| nulls.inner().clone()));
    }
    let dictionary = array.as_any_dictionary_opt()?;
    let texts = dictionary.values().as_string_opt::<i32>()?;
    let wanted: Vec<bool> =
        texts.iter().map(|text| text.is_some_and(|text| any_of.iter().any(|any| any == text))).collect();
    if !wanted.contains(&true) {
        return Some(BooleanBuffer::new_unset(array.len()));
    }
    let is_wanted = |number: usize| wanted.get(number).copied().unwrap_or(false);
    let mask = if let Some(small) = array.as_dictionary_opt::<UInt8Type>() {
        small.keys().values().iter().map(|number| is_wanted(usize::from(*number))).collect::<BooleanBuffer>()
    } else {
        let large = array.as_dictionary_opt::<UInt16Type>()?;
        large.keys().values().iter().map(|number| is_wanted(usize::from(*number))).collect()
    };
    Some(array.nulls().map_or_else(|| mask.clone(), |nulls| &mask & nulls.inner()))
}

/// Run-length encodes a column; `None` if its runs are short.
fn runs(array: &ArrayRef) -> Option<Column> {
    let most = array.len() / RUN;
    let mut ends: Vec<u32> = Vec::new();
    for row in 1..=array.len() {
        if row < array.len() && is_equal(array, row - 1, row) {
            continue;
        }
        if ends.len() > most {
            return None;
        }
        ends.push(u32::try_from(row).ok()?);
    }
    let firsts: UInt32Array =
        std::iter::once(0).chain(ends.iter().copied()).take(ends.len()).collect::<Vec<_>>().into();
    let values = take(array, &firsts, None).ok()?;
    Some(Column::Runs { ends, values })
}

fn is_equal(array: &ArrayRef, one: usize, other: usize) -> bool {
    if array.is_null(one) || array.is_null(other) {
        return array.is_null(one) == array.is_null(other);
    }
    if let Some(numbers) = array.as_primitive_opt::<arrow::datatypes::Float64Type>() {
        return numbers.value(one).to_bits() == numbers.value(other).to_bits();
    }
    let Some(maps) = array.as_map_opt() else { return false };
    let range = |row: usize| {
        (maps.value_offsets()[row].unsigned_abs() as usize, maps.value_length(row).unsigned_abs() as usize)
    };
    let ((from, length), (to, other_length)) = (range(one), range(other));
    let same = |child: &StringArray| {
        (0..length).all(|entry| {
            let (a, b) = (from + entry, to + entry);
            child.is_null(a) == child.is_null(b) && (child.is_null(a) || child.value(a) == child.value(b))
        })
    };
    match (maps.keys().as_string_opt(), maps.values().as_string_opt()) {
        (Some(keys), Some(values)) => length == other_length && same(values) && same(keys),
        _ => false,
    }
}

/// Returns the run of each row, or of each picked one.
fn places(ends: &[u32], picked: Option<&UInt32Array>) -> UInt32Array {
    let run = |row: u32| u32::try_from(ends.partition_point(|end| *end <= row)).unwrap_or(u32::MAX);
    if let Some(rows) = picked {
        return rows.values().iter().map(|row| run(*row)).collect::<Vec<_>>().into();
    }
    let mut places = Vec::with_capacity(ends.last().map_or(0, |end| *end as usize));
    for (place, end) in (0_u32..).zip(ends) {
        places.resize(*end as usize, place);
    }
    places.into()
}

fn map(array: &MapArray) -> Column {
    let DataType::Map(field, _) = array.data_type() else { return Column::Plain(Arc::new(array.clone())) };
    // Offsets of a slice do not begin at zero.
    let (first, last) = (array.value_offsets()[0], array.value_offsets()[array.len()]);
    let offsets: Vec<i32> = array.value_offsets().iter().map(|offset| offset - first).collect();
    let child = |child: &ArrayRef| {
        let child = child.slice(first.unsigned_abs() as usize, (last - first).unsigned_abs() as usize);
        Box::new(Column::new(&child))
    };
    Column::Map {
        field: field.clone(),
        offsets: OffsetBuffer::new(ScalarBuffer::from(offsets)),
        nulls: array.nulls().cloned(),
        keys: child(array.keys()),
        values: child(array.values()),
    }
}

/// Returns the offsets of the picked maps, and their entries.
fn entries(offsets: &OffsetBuffer<i32>, rows: &UInt32Array) -> (OffsetBuffer<i32>, UInt32Array) {
    let range = |row: &u32| (offsets[*row as usize].unsigned_abs(), offsets[*row as usize + 1].unsigned_abs());
    let lengths = rows.values().iter().map(range).map(|(from, to)| (to - from) as usize);
    let offsets = OffsetBuffer::from_lengths(lengths);
    let entries: Vec<u32> = rows.values().iter().map(range).flat_map(|(from, to)| from..to).collect();
    (offsets, entries.into())
}
