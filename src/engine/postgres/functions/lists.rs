//! Array functions with integer lengths and positions.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use crate::engine::postgres::values::write::{Booleans, texts};
use arrow::array::{Array, ArrayRef, AsArray as _, ListArray, ListBuilder, StringBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use std::sync::Arc;

use Kind::{Any, Int4, List, Text};

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("array_length", &LENGTH),
        Function::new("array_upper", &LENGTH),
        Function::new("array_lower", &LOWER),
        Function::new("cardinality", &CARDINALITY),
        Function::new("array_ndims", &DIMENSIONS),
        Function::new(OF_CAST, &SAME),
        Function::new(OR_EMPTY, &FILLED),
        Function::new("array_dims", &BOUNDS),
        Function::new("array_position", &POSITION),
        Function::new("array_to_string", &TO_STRING),
    ]
}

/// Name of a function inside each cast that returns its argument unchanged.
pub(in crate::engine::postgres) const OF_CAST: &str = "cast_of";

/// Name of a function that returns an empty array for NULL.
pub(in crate::engine::postgres) const OR_EMPTY: &str = "array_or_empty";

/// The function `array_to_string`.
pub(in crate::engine::postgres) fn to_string() -> Function {
    Function::new("array_to_string", &TO_STRING)
}

/// Builds lists of texts.
pub(super) fn of_texts(rows: Vec<Option<Vec<Option<String>>>>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    rows.into_iter().for_each(|row| lists.append_option(row));
    Arc::new(lists.finish())
}

fn items(call: &Call<'_>, row: usize) -> Result<ArrayRef> {
    if let Some(array) = call.args.first() { of(array, row) } else { exec_err!("expected an array") }
}

fn of(array: &ArrayRef, row: usize) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        other => return exec_err!("expected an array, found {other}"),
    })
}

fn count(length: usize) -> Option<i32> {
    i32::try_from(length).ok()
}

/// Returns the length of one dimension; `None` for an empty array.
fn length(call: &Call<'_>, row: usize) -> Result<Option<i32>> {
    let mut items = items(call, row)?;
    let dimension = if call.has(1) { call.int(1, row)? } else { 1 };
    for _ in 1..dimension {
        if items.is_empty() || Kind::of(items.data_type()) != List {
            return Ok(None);
        }
        items = of(&items, 0)?;
    }
    Ok(count(items.len()).filter(|length| *length > 0 && dimension > 0))
}

static FILLED: [Form; 1] = [Form::of(&[List], Gives::Like(0), or_empty)];

fn or_empty(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(list) = call.args.first().and_then(|array| array.as_list_opt::<i32>()) else {
        return exec_err!("expected an array");
    };
    if list.null_count() == 0 {
        return Ok(Arc::new(list.clone()));
    }
    let length = |row: usize| if list.is_valid(row) { list.value(row).len() } else { 0 };
    let known: Vec<ArrayRef> = (0..list.len()).filter(|row| list.is_valid(*row)).map(|row| list.value(row)).collect();
    let known: Vec<&dyn Array> = known.iter().map(AsRef::as_ref).collect();
    let items = if known.is_empty() { list.values().slice(0, 0) } else { arrow::compute::concat(&known)? };
    let DataType::List(field) = list.data_type() else { return exec_err!("expected an array") };
    let offsets = OffsetBuffer::from_lengths((0..list.len()).map(length));
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, items, None)?))
}

static SAME: [Form; 1] = [Form::of(&[Any, Text], Gives::Like(0), |call| Ok(call.args[0].clone()))];
static LENGTH: [Form; 2] = [
    Form::new(&[List, Int4], Int4, |call| call.to_ints(|row| length(call, row))),
    Form::new(&[List], Int4, |call| call.to_ints(|row| length(call, row))),
];
static LOWER: [Form; 1] =
    [Form::new(&[List, Int4], Int4, |call| call.to_ints(|row| Ok(length(call, row)?.map(|_| 1))))];
static CARDINALITY: [Form; 1] = [Form::new(&[List], Int4, |call| {
    call.to_ints(|row| {
        let mut items = items(call, row)?;
        let mut all = items.len();
        while Kind::of(items.data_type()) == List && !items.is_empty() {
            items = of(&items, 0)?;
            all *= items.len();
        }
        Ok(count(all))
    })
})];
static DIMENSIONS: [Form; 1] = [Form::new(&[List], Int4, |call| {
    call.to_ints(|row| {
        let mut items = items(call, row)?;
        let mut depth = 1;
        if items.is_empty() {
            return Ok(None);
        }
        while Kind::of(items.data_type()) == List && !items.is_empty() {
            items = of(&items, 0)?;
            depth += 1;
        }
        Ok(Some(depth))
    })
})];
static BOUNDS: [Form; 1] = [Form::new(&[List], Text, |call| {
    call.to_texts(|row| {
        let mut items = items(call, row)?;
        let mut text = String::new();
        while !items.is_empty() {
            text.extend(["[1:", &items.len().to_string(), "]"]);
            if Kind::of(items.data_type()) != List {
                break;
            }
            items = of(&items, 0)?;
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    })
})];
static POSITION: [Form; 1] = [Form::new(&[List, Any], Int4, |call| {
    let wanted = texts(&call.args[1], None, call.zone, Booleans::Letters)?;
    let rows = (0..call.rows).map(|row| {
        if call.is_null(0, row) {
            return Ok(None);
        }
        let found = texts(&items(call, row)?, None, call.zone, Booleans::Letters)?;
        let wanted = wanted.is_valid(row).then(|| wanted.value(row));
        Ok(found.iter().position(|item| item == wanted).and_then(|at| count(at + 1)))
    });
    Ok(Arc::new(rows.collect::<Result<arrow::array::Int32Array>>()?))
})];
static TO_STRING: [Form; 2] = [
    Form::of(&[List, Text], Gives::Kind(Text), |call| call.to_texts(|row| joined(call, row))),
    Form::of(&[List, Text, Text], Gives::Kind(Text), |call| call.to_texts(|row| joined(call, row))),
];

fn joined(call: &Call<'_>, row: usize) -> Result<Option<String>> {
    let found = texts(&items(call, row)?, None, call.zone, Booleans::Letters)?;
    let null = if call.has(2) { Some(call.text(2, row)?) } else { None };
    let shown: Vec<&str> = found.iter().filter_map(|item| item.or(null)).collect();
    Ok(Some(shown.join(call.text(1, row)?)))
}
