//! Functions of JSON, stored as text, and of attribute maps.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use crate::engine::postgres::values::write::json;
use crate::engine::postgres::values::write::{Booleans, plain, texts};
use arrow::array::{Array as _, ArrayRef, AsArray as _, MapArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use serde_json::Value;
use std::sync::Arc;

use Kind::{Any, Bool, Int4, List, Map, Text};

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("json_extract_path", &PATH),
        Function::new("jsonb_extract_path", &PATH),
        Function::new("json_extract_path_text", &PATH_TEXT),
        Function::new("jsonb_extract_path_text", &PATH_TEXT),
        Function::new("json_typeof", &TYPEOF),
        Function::new("jsonb_typeof", &TYPEOF),
        Function::new("json_array_length", &LENGTH),
        Function::new("jsonb_array_length", &LENGTH),
        Function::new("json_build_object", &BUILD_OBJECT),
        Function::new("jsonb_build_object", &BUILD_OBJECT),
        Function::new("json_build_array", &BUILD_ARRAY),
        Function::new("jsonb_build_array", &BUILD_ARRAY),
        Function::new("to_json", &TO_JSON),
        Function::new("to_jsonb", &TO_JSON),
        Function::new("json_elements", &ELEMENTS),
        Function::new("json_elements_text", &ELEMENTS_TEXT),
        Function::new("json_keys", &KEYS),
        Function::new("json_values", &VALUES),
        Function::new("json_values_text", &VALUES_TEXT),
        Function::new("jsonb_pretty", &PRETTY),
        Function::new("jsonb_exists", &HAS_KEY),
    ]
}

/// The operator `->`.
pub(in crate::engine::postgres) fn arrow() -> Function {
    Function::new("->", &ARROW)
}

/// The operator `->>`.
pub(in crate::engine::postgres) fn long_arrow() -> Function {
    Function::new("->>", &LONG_ARROW)
}

/// The operator `#>`.
pub(in crate::engine::postgres) fn path() -> Function {
    Function::new("#>", &HASH_ARROW)
}

/// The operator `#>>`.
pub(in crate::engine::postgres) fn path_text() -> Function {
    Function::new("#>>", &HASH_LONG_ARROW)
}

/// The operator `?`.
pub(in crate::engine::postgres) fn has_key() -> Function {
    Function::new("?", &HAS_KEY)
}

/// The operator `@>`.
pub(in crate::engine::postgres) fn contains() -> Function {
    Function::new("@>", &CONTAINS)
}

static CONTAINS: [Form; 4] = [
    Form::new(&[Map, Text], Bool, is_within),
    Form::new(&[Text, Text], Bool, is_within),
    Form::new(&[Map, Map], Bool, is_within),
    Form::new(&[Text, Map], Bool, is_within),
];

fn is_within(call: &Call<'_>) -> Result<ArrayRef> {
    call.to_bools(|row| {
        let (all, some) = (document(call, 0, row)?, document(call, 1, row)?);
        let is_item = matches!(&all, Value::Array(items) if items.contains(&some));
        Ok(Some(is_item || holds(&all, &some)))
    })
}

/// Returns whether a document contains another at the same places; the order of array items is ignored.
fn holds(all: &Value, some: &Value) -> bool {
    match (all, some) {
        (Value::Object(all), Value::Object(some)) => {
            some.iter().all(|(key, some)| all.get(key).is_some_and(|all| holds(all, some)))
        }
        (Value::Array(all), Value::Array(some)) => some.iter().all(|some| all.iter().any(|all| holds(all, some))),
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

static ARROW: [Form; 3] = [
    Form::of(&[Map, Text], Gives::Json, |call| of_map(call, true)),
    Form::of(&[Text, Text], Gives::Json, |call| step(call, |value| Some(value.to_string()))),
    Form::of(&[Text, Int4], Gives::Json, |call| element(call, |value| Some(value.to_string()))),
];
static LONG_ARROW: [Form; 3] = [
    Form::new(&[Map, Text], Text, |call| of_map(call, false)),
    Form::new(&[Text, Text], Text, |call| step(call, bare)),
    Form::new(&[Text, Int4], Text, |call| element(call, bare)),
];

/// Returns the value of a map key: a text, as in the JSON of the whole map.
fn of_map(call: &Call<'_>, as_json: bool) -> Result<ArrayRef> {
    let Some(maps) = call.args.first().and_then(|array| array.as_any().downcast_ref::<MapArray>()) else {
        return exec_err!("expected attributes");
    };
    call.to_texts(|row| {
        let (entries, wanted) = (maps.value(row), call.text(1, row)?);
        let (keys, values) = (texts_of(entries.column(0))?, entries.column(1));
        let Some(at) = (0..keys.len()).rev().find(|at| keys.value(*at) == wanted) else { return Ok(None) };
        if values.is_null(at) {
            return Ok(None);
        }
        let value = texts_of(values)?.value(at).to_owned();
        Ok(Some(if as_json { Value::from(value).to_string() } else { value }))
    })
}

fn texts_of(array: &ArrayRef) -> Result<StringArray> {
    plain(array)?.as_string_opt::<i32>().cloned().ok_or_else(|| exec_datafusion_err!("expected texts"))
}

fn read(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| exec_datafusion_err!("invalid input syntax for type json: {error}"))
}

/// Formats a value like `->>`.
fn bare(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn step(call: &Call<'_>, show: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    call.to_texts(|row| {
        let value = read(call.text(0, row)?)?;
        Ok(value.as_object().and_then(|object| object.get(call.texts(1).ok()?.value(row))).and_then(show))
    })
}

fn element(call: &Call<'_>, show: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    call.to_texts(|row| {
        let (value, at) = (read(call.text(0, row)?)?, call.int(1, row)?);
        Ok(value.as_array().and_then(|items| at_index(items, at)).and_then(show))
    })
}

fn at_index(items: &[Value], at: i64) -> Option<&Value> {
    let length = i64::try_from(items.len()).ok()?;
    usize::try_from(if at < 0 { length + at } else { at }).ok().and_then(|at| items.get(at))
}

fn walk<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(object) => object.get(*step),
        Value::Array(items) => at_index(items, step.parse().ok()?),
        _ => None,
    })
}

/// Parses the document in an argument: JSON text or a map.
fn document(call: &Call<'_>, at: usize, row: usize) -> Result<Value> {
    let Some(array) = call.args.get(at) else { return exec_err!("expected json") };
    match array.data_type() {
        DataType::Utf8 => read(array.as_string::<i32>().value(row)),
        DataType::Map(..) => read(&json(array, row)?),
        other => exec_err!("expected json, found {other}"),
    }
}

static PATH: [Form; 2] = [
    Form::any(&[Map], Text, Gives::Json, |call| along(call, |value| Some(value.to_string()))),
    Form::any(&[Text], Text, Gives::Json, |call| along(call, |value| Some(value.to_string()))),
];
static PATH_TEXT: [Form; 2] = [
    Form::any(&[Map], Text, Gives::Kind(Text), |call| along(call, bare)),
    Form::any(&[Text], Text, Gives::Kind(Text), |call| along(call, bare)),
];

fn along(call: &Call<'_>, show: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    call.to_texts(|row| {
        let path: Vec<&str> = (1..call.args.len()).map(|at| call.text(at, row)).collect::<Result<_>>()?;
        Ok(walk(&document(call, 0, row)?, &path).and_then(show))
    })
}

static HASH_ARROW: [Form; 4] = [
    Form::of(&[Text, List], Gives::Json, |call| along_list(call, |value| Some(value.to_string()))),
    Form::of(&[Map, List], Gives::Json, |call| along_list(call, |value| Some(value.to_string()))),
    Form::of(&[Text, Text], Gives::Json, |call| along_list(call, |value| Some(value.to_string()))),
    Form::of(&[Map, Text], Gives::Json, |call| along_list(call, |value| Some(value.to_string()))),
];
static HASH_LONG_ARROW: [Form; 4] = [
    Form::new(&[Text, List], Text, |call| along_list(call, bare)),
    Form::new(&[Map, List], Text, |call| along_list(call, bare)),
    Form::new(&[Text, Text], Text, |call| along_list(call, bare)),
    Form::new(&[Map, Text], Text, |call| along_list(call, bare)),
];

/// Follows a path, given as a list or as the text of one.
fn along_list(call: &Call<'_>, show: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    call.to_texts(|row| {
        let path: Vec<String> = if let Some(DataType::Utf8) = call.args.get(1).map(arrow::array::Array::data_type) {
            let text = call.text(1, row)?.trim();
            let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let Some(inner) = inner else { return exec_err!("malformed array literal: {text:?}") };
            inner
                .split(',')
                .map(|step| step.trim().trim_matches('"').to_owned())
                .filter(|step| !step.is_empty())
                .collect()
        } else {
            let lists = call.args.get(1).and_then(|array| array.as_list_opt::<i32>());
            let Some(lists) = lists else { return exec_err!("expected a path") };
            texts_of(&lists.value(row))?.iter().flatten().map(str::to_owned).collect()
        };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        Ok(walk(&document(call, 0, row)?, &path).and_then(show))
    })
}

static HAS_KEY: [Form; 2] = [Form::new(&[Map, Text], Bool, has), Form::new(&[Text, Text], Bool, has)];

fn has(call: &Call<'_>) -> Result<ArrayRef> {
    call.to_bools(|row| {
        let key = call.text(1, row)?;
        Ok(Some(match document(call, 0, row)? {
            Value::Object(object) => object.contains_key(key),
            Value::Array(items) => items.iter().any(|item| item.as_str() == Some(key)),
            other => other.as_str() == Some(key),
        }))
    })
}

static TYPEOF: [Form; 2] = [Form::new(&[Map], Text, type_of), Form::new(&[Text], Text, type_of)];

fn type_of(call: &Call<'_>) -> Result<ArrayRef> {
    call.to_texts(|row| {
        let name = match document(call, 0, row)? {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Ok(Some(name.to_owned()))
    })
}

static LENGTH: [Form; 1] = [Form::new(&[Text], Int4, |call| {
    call.to_ints(|row| {
        if let Value::Array(items) = document(call, 0, row)? {
            Ok(i32::try_from(items.len()).ok())
        } else {
            exec_err!("cannot get array length of a non-array")
        }
    })
})];

/// Converts a value of any type to JSON.
fn value_of(array: &ArrayRef, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    match Kind::of(array.data_type()) {
        Kind::Bool => Value::Bool(text == "true"),
        kind if kind.is_number() => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        Kind::Map => serde_json::from_str(text).unwrap_or(Value::Null),
        Kind::Timestamp | Kind::TimestampTz => {
            // ISO 8601, with the minutes of the offset.
            let text = text.replacen(' ', "T", 1);
            let short = text.len() > 3 && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-') && text.contains(':');
            Value::from(if short && Kind::of(array.data_type()) == Kind::TimestampTz { text + ":00" } else { text })
        }
        _ => Value::from(text),
    }
}

fn values(call: &Call<'_>) -> Result<Vec<Vec<Value>>> {
    let columns: Vec<StringArray> =
        call.args.iter().map(|array| texts(array, None, call.zone, Booleans::Words)).collect::<Result<_>>()?;
    let of_row = |row: usize| {
        let of = |(array, texts): (&ArrayRef, &StringArray)| {
            if Kind::of(array.data_type()) == Kind::List {
                return json(array, row).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
            }
            value_of(array, texts.is_valid(row).then(|| texts.value(row)))
        };
        call.args.iter().zip(&columns).map(of).collect()
    };
    Ok((0..call.rows).map(of_row).collect())
}

/// Formats built JSON like `PostgreSQL`: spaces around colons and after commas, nested values unchanged.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let items = object.iter().map(|(key, value)| format!("{} : {value}", Value::from(key.as_str())));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

static BUILD_OBJECT: [Form; 1] = [Form::any(&[], Any, Gives::Json, |call| {
    let rows = values(call)?.into_iter().map(|row| {
        if !row.len().is_multiple_of(2) {
            return exec_err!("argument list must have even number of elements");
        }
        let pairs = row.as_chunks::<2>().0.iter().map(|[key, value]| {
            let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            (key, value.clone())
        });
        Ok(Some(spaced(&Value::Object(pairs.collect()))))
    });
    Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
})];
static BUILD_ARRAY: [Form; 1] = [Form::any(&[], Any, Gives::Json, |call| {
    Ok(Arc::new(values(call)?.into_iter().map(|row| Some(spaced(&Value::Array(row)))).collect::<StringArray>()))
})];
static TO_JSON: [Form; 1] = [Form::of(&[Any], Gives::Json, |call| {
    let rows = values(call)?.into_iter().enumerate().map(|(row, value)| {
        let value = value.into_iter().next().unwrap_or(Value::Null);
        (!call.is_null(0, row)).then(|| value.to_string())
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
})];

static ELEMENTS: [Form; 1] = [Form::of(&[Text], Gives::Texts, |call| elements(call, |value| Some(value.to_string())))];
static ELEMENTS_TEXT: [Form; 1] = [Form::of(&[Text], Gives::Texts, |call| elements(call, bare))];

fn elements(call: &Call<'_>, show: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    let rows = call.strict(|row| {
        if let Value::Array(items) = document(call, 0, row)? {
            Ok(Some(items.iter().map(show).collect::<Vec<_>>()))
        } else {
            exec_err!("cannot extract elements from an object or a scalar")
        }
    })?;
    Ok(super::lists::of_texts(rows))
}

static KEYS: [Form; 2] = [Form::of(&[Map], Gives::Texts, keys), Form::of(&[Text], Gives::Texts, keys)];

fn keys(call: &Call<'_>) -> Result<ArrayRef> {
    let rows = call.strict(|row| {
        if let Value::Object(object) = document(call, 0, row)? {
            Ok(Some(object.keys().map(|key| Some(key.clone())).collect::<Vec<_>>()))
        } else {
            exec_err!("cannot call json_object_keys on an array or a scalar")
        }
    })?;
    Ok(super::lists::of_texts(rows))
}

static VALUES: [Form; 2] = [
    Form::of(&[Map], Gives::Texts, |call| members(call, |value| Some(value.to_string()))),
    Form::of(&[Text], Gives::Texts, |call| members(call, |value| Some(value.to_string()))),
];
static VALUES_TEXT: [Form; 2] = [
    Form::of(&[Map], Gives::Texts, |call| members(call, bare)),
    Form::of(&[Text], Gives::Texts, |call| members(call, bare)),
];

fn members(call: &Call<'_>, show: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    let rows = call.strict(|row| {
        if let Value::Object(object) = document(call, 0, row)? {
            Ok(Some(object.values().map(show).collect::<Vec<_>>()))
        } else {
            exec_err!("cannot deconstruct an array or a scalar")
        }
    })?;
    Ok(super::lists::of_texts(rows))
}

static PRETTY: [Form; 1] = [Form::new(&[Text], Text, |call| {
    call.to_texts(|row| {
        serde_json::to_string_pretty(&document(call, 0, row)?)
            .map(Some)
            .map_err(|error| exec_datafusion_err!("{error}"))
    })
})];
