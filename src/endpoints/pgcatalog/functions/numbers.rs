//! Functions of numbers and times.

use super::signature::{Builtin, int, lax, strict, text};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::types::{ANY, FLOAT8, INT8, INTERVAL, NUMERIC, TEXT, TIMESTAMPTZ, XID};
use crate::endpoints::pgcatalog::value::Value;

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict("abs", &[INT8], INT8, |_, a| Ok(Value::Int(int(a, 0)?.saturating_abs()))).same(0),
    strict("abs", &[FLOAT8], FLOAT8, |_, a| Ok(Value::Float(float(a, 0)?.abs()))).same(0),
    strict("sign", &[FLOAT8], FLOAT8, |_, a| {
        let number = float(a, 0)?;
        Ok(Value::Float(if number == 0.0 { 0.0 } else { number.signum() }))
    }),
    strict("round", &[FLOAT8, INT8], NUMERIC, |_, a| {
        let places = i32::try_from(if a.len() > 1 { int(a, 1)? } else { 0 }).unwrap_or_default().clamp(-15, 15);
        let unit = 10_f64.powi(places);
        Ok(Value::Float((float(a, 0)? * unit).round() / unit))
    })
    .optional(1),
    strict("floor", &[FLOAT8], FLOAT8, |_, a| Ok(Value::Float(float(a, 0)?.floor()))),
    strict("ceil", &[FLOAT8], FLOAT8, |_, a| Ok(Value::Float(float(a, 0)?.ceil()))),
    strict("ceiling", &[FLOAT8], FLOAT8, |_, a| Ok(Value::Float(float(a, 0)?.ceil()))),
    strict("trunc", &[FLOAT8], FLOAT8, |_, a| Ok(Value::Float(float(a, 0)?.trunc()))),
    strict("sqrt", &[FLOAT8], FLOAT8, |_, a| Ok(Value::Float(float(a, 0)?.sqrt()))),
    strict("power", &[FLOAT8, FLOAT8], FLOAT8, |_, a| Ok(Value::Float(float(a, 0)?.powf(float(a, 1)?)))),
    strict("mod", &[INT8, INT8], INT8, |_, a| {
        let by = int(a, 1)?;
        int(a, 0)?.checked_rem(by).map(Value::Int).ok_or_else(|| Fault::new("22012", "division by zero"))
    })
    .same(0),
    lax("greatest", &[ANY], ANY, |_, a| Ok(known(a).max().cloned().unwrap_or_default())).variadic().same(0),
    lax("least", &[ANY], ANY, |_, a| Ok(known(a).min().cloned().unwrap_or_default())).variadic().same(0),
    strict("to_timestamp", &[FLOAT8], TIMESTAMPTZ, |_, a| {
        #[expect(clippy::cast_possible_truncation, reason = "out of range it saturates")]
        let us = (float(a, 0)? * 1e6).round() as i64;
        Ok(Value::Time(us))
    }),
    strict("date_part", &[TEXT, ANY], FLOAT8, |_, a| part(text(a, 0)?, &a[1])),
    strict("age", &[TIMESTAMPTZ, TIMESTAMPTZ], INTERVAL, |run, a| {
        let (Value::Time(from), to) = (&a[0], a.get(1)) else { return Ok(Value::Null) };
        Ok(match to {
            Some(Value::Time(to)) => Value::Span(from.saturating_sub(*to)),
            _ => Value::Span(run.client.now_us.saturating_sub(*from)),
        })
    })
    .optional(1),
    // There are no transaction ids.
    strict("age", &[XID], INT8, |_, _| Ok(Value::Int(0))),
    strict("mxid_age", &[XID], INT8, |_, _| Ok(Value::Int(0))),
];

fn known(values: &[Value]) -> impl Iterator<Item = &Value> {
    values.iter().filter(|value| !value.is_null())
}

fn float(values: &[Value], at: usize) -> Result<f64> {
    let value = values.get(at).and_then(Value::as_float);
    value.ok_or_else(|| Fault::new("42804", format!("argument {} is no number", at + 1)))
}

/// `EXTRACT` of a time or interval, for fields computed from seconds.
fn part(field: &str, value: &Value) -> Result<Value> {
    let (Value::Time(us) | Value::Span(us)) = value else { return Ok(Value::Null) };
    #[expect(clippy::cast_precision_loss, reason = "seconds with microseconds fit")]
    let seconds = *us as f64 / 1e6;
    match field.to_lowercase().as_str() {
        "epoch" => Ok(Value::Float(seconds)),
        "hour" if matches!(value, Value::Time(_)) => Ok(Value::Float((seconds / 3600.0).floor().rem_euclid(24.0))),
        "day" if matches!(value, Value::Span(_)) => Ok(Value::Float((seconds / 86_400.0).trunc())),
        "minute" => Ok(Value::Float((seconds / 60.0).floor().rem_euclid(60.0))),
        "second" | "seconds" => Ok(Value::Float(seconds.rem_euclid(60.0))),
        other => Err(Fault::unsupported(format!("EXTRACT({other} FROM …)"))),
    }
}
