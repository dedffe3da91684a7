//! Array functions.

use super::signature::{Builtin, int, lax, strict};
use crate::endpoints::pgcatalog::fault::Result;
use crate::endpoints::pgcatalog::types::{ANY, ANYARRAY, INT4, INT4_ARRAY, TEXT};
use crate::endpoints::pgcatalog::value::{Array, Value};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict("array_length", &[ANYARRAY, INT4], INT4, |_, a| Ok(first(a)?.map_or(Value::Null, count))),
    strict("array_upper", &[ANYARRAY, INT4], INT4, |_, a| {
        Ok(first(a)?.map_or(Value::Null, |array| Value::Int(array.lower + length(array) - 1)))
    }),
    strict("array_lower", &[ANYARRAY, INT4], INT4, |_, a| {
        Ok(first(a)?.map_or(Value::Null, |array| Value::Int(array.lower)))
    }),
    strict("array_ndims", &[ANYARRAY], INT4, |_, a| {
        Ok(a[0].as_array().filter(|array| !array.items.is_empty()).map_or(Value::Null, |_| Value::Int(1)))
    }),
    strict("array_dims", &[ANYARRAY], TEXT, |_, a| {
        let array = a[0].as_array().filter(|array| !array.items.is_empty());
        Ok(array.map(|array| format!("[{}:{}]", array.lower, array.lower + length(array) - 1)).into())
    }),
    strict("cardinality", &[ANYARRAY], INT4, |_, a| Ok(a[0].as_array().map_or(Value::Null, count))),
    lax("array_position", &[ANYARRAY, ANY], INT4, |_, a| Ok(places(a).into_iter().next().unwrap_or_default())),
    lax("array_positions", &[ANYARRAY, ANY], INT4_ARRAY, |_, a| {
        Ok(if a[0].is_null() { Value::Null } else { Value::array(places(a)) })
    }),
    lax("array_append", &[ANYARRAY, ANY], ANYARRAY, |_, a| {
        let mut items = items(&a[0]);
        items.push(a[1].clone());
        Ok(Value::array(items))
    })
    .same(0),
    lax("array_prepend", &[ANY, ANYARRAY], ANYARRAY, |_, a| {
        let mut items = items(&a[1]);
        items.insert(0, a[0].clone());
        Ok(Value::array(items))
    })
    .same(1),
    lax("array_cat", &[ANYARRAY, ANYARRAY], ANYARRAY, |_, a| Ok(Value::array([items(&a[0]), items(&a[1])].concat())))
        .same(0),
    lax("array_remove", &[ANYARRAY, ANY], ANYARRAY, |_, a| {
        let Some(array) = a[0].as_array() else { return Ok(Value::Null) };
        let items = array.items.iter().filter(|item| **item != a[1]).cloned().collect();
        Ok(Value::Array(Arc::new(Array { lower: array.lower, items })))
    })
    .same(0),
];

/// Returns the array, if it is not empty and its first dimension is requested.
fn first(a: &[Value]) -> Result<Option<&Array>> {
    let dimension = int(a, 1)?;
    Ok(a[0].as_array().filter(|array| dimension == 1 && !array.items.is_empty()))
}

fn length(array: &Array) -> i64 {
    i64::try_from(array.items.len()).unwrap_or(i64::MAX)
}

fn count(array: &Array) -> Value {
    Value::Int(length(array))
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().map(|array| array.items.clone()).unwrap_or_default()
}

fn places(a: &[Value]) -> Vec<Value> {
    let Some(array) = a[0].as_array() else { return Vec::new() };
    (array.lower..).zip(&array.items).filter(|(_, item)| **item == a[1]).map(|(place, _)| Value::Int(place)).collect()
}
