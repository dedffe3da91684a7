//! JSON functions; JSON values are text.

use super::signature::{Builtin, lax};
use crate::endpoints::pgcatalog::io;
use crate::endpoints::pgcatalog::names::Names;
use crate::endpoints::pgcatalog::types::{self, ANY, Column, JSON, JSONB, Ty};
use crate::endpoints::pgcatalog::value::Value;

pub(super) const FUNCTIONS: &[Builtin] = &[
    lax("to_json", &[ANY], JSON, |run, a| Ok(written(&run.names(), &a[0]).into())),
    lax("to_jsonb", &[ANY], JSONB, |run, a| Ok(written(&run.names(), &a[0]).into())),
    lax("row_to_json", &[ANY], JSON, |run, a| Ok(written(&run.names(), &a[0]).into())),
    lax("array_to_json", &[ANY], JSON, |run, a| Ok(written(&run.names(), &a[0]).into())),
    lax("json_build_array", &[ANY], JSON, |run, a| Ok(list(&run.names(), a).into())).variadic().optional(1),
    lax("jsonb_build_array", &[ANY], JSONB, |run, a| Ok(list(&run.names(), a).into())).variadic().optional(1),
    lax("json_build_object", &[ANY], JSON, |run, a| Ok(object(&run.names(), a).into())).variadic().optional(1),
    lax("jsonb_build_object", &[ANY], JSONB, |run, a| Ok(object(&run.names(), a).into())).variadic().optional(1),
];

/// Formats a value as JSON.
pub(in crate::endpoints::pgcatalog) fn written(names: &Names<'_>, value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) if number.is_finite() => number.to_string(),
        Value::Array(array) => list(names, &array.items),
        Value::Record(row) => {
            let pairs = (1..).zip(row.iter()).map(|(at, value)| format!("\"f{at}\":{}", written(names, value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        // JSON within JSON is not quoted again.
        Value::Text(text) if looks_like_json(text) => text.to_string(),
        value => {
            let text = io::format(names, value, io::type_of(value)).unwrap_or_default();
            serde_json::Value::from(text).to_string()
        }
    }
}

/// Formats a value of a type as JSON, with the field names of rows.
pub(in crate::endpoints::pgcatalog) fn of_type(names: &Names<'_>, value: &Value, ty: &Ty) -> String {
    match (value, &ty.fields) {
        (Value::Record(row), Some(fields)) => {
            let pair = |(field, value): (&Column, &Value)| {
                format!("{}:{}", serde_json::Value::from(&*field.name), of_type(names, value, &field.ty))
            };
            format!("{{{}}}", fields.iter().zip(row.iter()).map(pair).collect::<Vec<_>>().join(","))
        }
        (Value::Array(array), fields) => {
            let item = Ty { oid: names.elem(ty.oid), fields: fields.clone() };
            let items: Vec<String> = array.items.iter().map(|value| of_type(names, value, &item)).collect();
            format!("[{}]", items.join(","))
        }
        (Value::Text(text), _) if matches!(ty.oid, JSON | JSONB) => text.to_string(),
        (Value::Text(text), _) => serde_json::Value::from(&**text).to_string(),
        // PostgreSQL writes oids as JSON strings.
        (Value::Int(_), _) if !matches!(ty.oid, types::INT2 | types::INT4 | types::INT8) => {
            serde_json::Value::from(io::format(names, value, ty.oid).unwrap_or_default()).to_string()
        }
        _ => written(names, value),
    }
}

/// Returns whether a function converts its arguments to JSON.
pub(in crate::endpoints::pgcatalog) fn takes(function: &Builtin) -> bool {
    FUNCTIONS.iter().any(|own| own.name == function.name)
}

fn looks_like_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn list(names: &Names<'_>, values: &[Value]) -> String {
    format!("[{}]", values.iter().map(|value| written(names, value)).collect::<Vec<_>>().join(","))
}

fn object(names: &Names<'_>, values: &[Value]) -> String {
    let key = |value: &Value| {
        let text = io::format(names, value, types::TEXT).unwrap_or_default();
        serde_json::Value::from(text).to_string()
    };
    let pairs = values.chunks(2).map(|pair| {
        format!("{} : {}", key(&pair[0]), pair.get(1).map_or_else(|| "null".to_owned(), |value| written(names, value)))
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}
