//! Evaluates binary operators.

use super::Run;
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::functions::{like, regex};
use crate::endpoints::pgcatalog::plan::Op;
use crate::endpoints::pgcatalog::value::{Array, Row, Value};
use std::cmp::Ordering;

pub(super) fn out_of_range() -> Fault {
    Fault::new("22003", "integer out of range")
}

fn division_by_zero() -> Fault {
    Fault::new("22012", "division by zero")
}

/// Evaluates `left op right`.
pub(super) fn apply(run: &Run<'_>, op: Op, left: &Value, right: &Value) -> Result<Value> {
    if op == Op::Append {
        return Ok(append(left, right));
    }
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    if let (Value::Record(left), Value::Record(right)) = (left, right)
        && let Some(value) = rows(op, left, right)
    {
        return Ok(value);
    }
    let compare = |holds: fn(Ordering) -> bool| Ok(Value::Bool(holds(left.cmp(right))));
    match op {
        Op::Eq => compare(Ordering::is_eq),
        Op::NotEq => compare(Ordering::is_ne),
        Op::Less => compare(Ordering::is_lt),
        Op::LessEq => compare(Ordering::is_le),
        Op::Greater => compare(Ordering::is_gt),
        Op::GreaterEq => compare(Ordering::is_ge),
        Op::Concat => {
            let (left, right) = (left.as_text().unwrap_or_default(), right.as_text().unwrap_or_default());
            Ok(format!("{left}{right}").into())
        }
        Op::Match { ignore_case, negated } => {
            let (text, pattern) = (left.as_text().unwrap_or_default(), right.as_text().unwrap_or_default());
            Ok((regex(&run.statement, pattern, if ignore_case { "i" } else { "" })?.is_match(text) != negated).into())
        }
        Op::Like { ignore_case, negated } => {
            let (text, pattern) = (left.as_text().unwrap_or_default(), right.as_text().unwrap_or_default());
            Ok((like(&run.statement, text, pattern, ignore_case)? != negated).into())
        }
        Op::StartsWith => {
            Ok(left.as_text().unwrap_or_default().starts_with(right.as_text().unwrap_or_default()).into())
        }
        Op::Contains => Ok(contains(left, right).into()),
        Op::ContainedBy => Ok(contains(right, left).into()),
        Op::Overlaps => Ok(match (left.as_array(), right.as_array()) {
            (Some(left), Some(right)) => left.items.iter().any(|item| right.items.contains(item)).into(),
            _ => Value::Null,
        }),
        _ => arithmetic(op, left, right),
    }
}

/// Compares rows column by column: a NULL makes the result NULL, unless other columns decide.
fn rows(op: Op, left: &Row, right: &Row) -> Option<Value> {
    let mut pairs = left.iter().zip(right.iter());
    let is_open = |(left, right): (&Value, &Value)| left.is_null() || right.is_null();
    match op {
        Op::Eq | Op::NotEq => {
            let differs = pairs.clone().any(|(left, right)| !is_open((left, right)) && left != right);
            let open = !differs && pairs.any(is_open);
            Some(if open { Value::Null } else { Value::Bool(differs == (op == Op::NotEq)) })
        }
        Op::Less | Op::LessEq | Op::Greater | Op::GreaterEq => {
            // The first pair that differs decides.
            let first = pairs.find(|(left, right)| is_open((left, right)) || left != right);
            first.is_some_and(is_open).then_some(Value::Null)
        }
        _ => None,
    }
}

fn append(left: &Value, right: &Value) -> Value {
    let items = |value: &Value| match value {
        Value::Array(array) => array.items.clone(),
        Value::Null => Vec::new(),
        item => vec![item.clone()],
    };
    if left.is_null() && right.is_null() { Value::Null } else { Value::array([items(left), items(right)].concat()) }
}

fn contains(all: &Value, some: &Value) -> bool {
    let items = |value: &Value| value.as_array().map(|array: &Array| array.items.clone()).unwrap_or_default();
    let all = items(all);
    items(some).iter().all(|item| all.contains(item))
}

fn arithmetic(op: Op, left: &Value, right: &Value) -> Result<Value> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => whole(op, *a, *b),
        (Value::Time(a), Value::Time(b)) if op == Op::Minus => Ok(Value::Span(a.saturating_sub(*b))),
        (Value::Time(a), Value::Span(b)) => match op {
            Op::Plus => Ok(Value::Time(a.saturating_add(*b))),
            _ => Ok(Value::Time(a.saturating_sub(*b))),
        },
        (Value::Span(a), Value::Span(b)) => match op {
            Op::Plus => Ok(Value::Span(a.saturating_add(*b))),
            _ => Ok(Value::Span(a.saturating_sub(*b))),
        },
        _ => match (left.as_float(), right.as_float()) {
            (Some(a), Some(b)) => floating(op, a, b),
            _ => Err(Fault::new("42883", "operator does not exist for these values")),
        },
    }
}

fn whole(op: Op, a: i64, b: i64) -> Result<Value> {
    let shift = u32::try_from(b).unwrap_or_default() % 64;
    let number = match op {
        Op::Plus => a.checked_add(b),
        Op::Minus => a.checked_sub(b),
        Op::Times => a.checked_mul(b),
        Op::Divide | Op::Modulo if b == 0 => return Err(division_by_zero()),
        Op::Divide => a.checked_div(b),
        Op::Modulo => a.checked_rem(b).or(Some(0)),
        Op::BitAnd => Some(a & b),
        Op::BitOr => Some(a | b),
        Op::BitXor => Some(a ^ b),
        Op::ShiftLeft => Some(a.wrapping_shl(shift)),
        Op::ShiftRight => Some(a.wrapping_shr(shift)),
        #[expect(clippy::cast_precision_loss, reason = "as PostgreSQL computes powers")]
        _ => return floating(op, a as f64, b as f64),
    };
    number.map(Value::Int).ok_or_else(out_of_range)
}

fn floating(op: Op, a: f64, b: f64) -> Result<Value> {
    let number = match op {
        Op::Plus => a + b,
        Op::Minus => a - b,
        Op::Times => a * b,
        Op::Divide | Op::Quotient | Op::Modulo if b == 0.0 => return Err(division_by_zero()),
        Op::Divide | Op::Quotient => a / b,
        Op::Modulo => a % b,
        Op::Power => a.powf(b),
        _ => return Err(Fault::new("42883", "operator does not exist for these values")),
    };
    Ok(Value::Float(number))
}
