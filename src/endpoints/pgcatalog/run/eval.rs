//! Evaluates expressions for one row.

use super::{Frame, Run, operators};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::functions::json_of;
use crate::endpoints::pgcatalog::io;
use crate::endpoints::pgcatalog::plan::{Expr, Op};
use crate::endpoints::pgcatalog::value::{Array, Row, Value};
use std::sync::Arc;

impl Run<'_> {
    pub(super) fn eval(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value> {
        Ok(match expr {
            Expr::Const(value) => value.clone(),
            Expr::Param(at) => self.parameters.get(*at).cloned().unwrap_or_default(),
            Expr::Column { up, item, column } => {
                frame.row(*up, *item)?.and_then(|row| row.get(*column)).cloned().unwrap_or_default()
            }
            Expr::Row { up, item } => frame.row(*up, *item)?.map_or(Value::Null, |row| Value::Record(row.clone())),
            Expr::Call(function, arguments) => {
                let arguments = self.evals(arguments, frame)?;
                if function.strict && arguments.iter().any(Value::is_null) {
                    Value::Null
                } else {
                    (function.call)(&self.statement, &arguments)?
                }
            }
            Expr::Cast { expr, from, to } => io::cast(&self.names(), &self.eval(expr, frame)?, *from, *to)?,
            Expr::Binary(op, left, right) => {
                operators::apply(self, *op, &self.eval(left, frame)?, &self.eval(right, frame)?)?
            }
            Expr::And(parts) => self.junction(parts, false, frame)?,
            Expr::Or(parts) => self.junction(parts, true, frame)?,
            Expr::Not(inner) => negated(self.eval(inner, frame)?),
            Expr::Negate(inner) => match self.eval(inner, frame)? {
                Value::Int(number) => Value::Int(number.checked_neg().ok_or_else(operators::out_of_range)?),
                Value::Float(number) => Value::Float(-number),
                Value::Span(us) => Value::Span(-us),
                _ => Value::Null,
            },
            Expr::IsNull(inner) | Expr::Is(inner, None) => self.eval(inner, frame)?.is_null().into(),
            Expr::EachNull(inner, is) => each_null(&self.eval(inner, frame)?, *is).into(),
            Expr::Json(inner, ty) => match self.eval(inner, frame)? {
                Value::Null => Value::Null,
                value => json_of(&self.names(), &value, ty).into(),
            },
            Expr::Is(inner, Some(wanted)) => (self.eval(inner, frame)? == Value::Bool(*wanted)).into(),
            Expr::Distinct(left, right) => (self.eval(left, frame)? != self.eval(right, frame)?).into(),
            Expr::In(value, list) => {
                let value = self.eval(value, frame)?;
                self.any_of(Op::Eq, &value, list.iter().map(|item| self.eval(item, frame)), false)?
            }
            Expr::Quantified { op, left, array, all } => {
                let (left, array) = (self.eval(left, frame)?, self.eval(array, frame)?);
                match array.as_array() {
                    Some(array) => self.any_of(*op, &left, array.items.iter().cloned().map(Ok), *all)?,
                    None => Value::Null,
                }
            }
            Expr::Case { arms, otherwise } => {
                for (condition, result) in arms {
                    if self.eval(condition, frame)?.is_true() {
                        return self.eval(result, frame);
                    }
                }
                match otherwise {
                    Some(otherwise) => self.eval(otherwise, frame)?,
                    None => Value::Null,
                }
            }
            Expr::Coalesce(exprs) => {
                for expr in exprs {
                    let value = self.eval(expr, frame)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Expr::Array(exprs) => Value::array(self.evals(exprs, frame)?),
            Expr::Record(exprs) => Value::Record(self.evals(exprs, frame)?.into()),
            Expr::Field(record, place) => match self.eval(record, frame)? {
                Value::Record(row) => row.get(*place).cloned().unwrap_or_default(),
                _ => Value::Null,
            },
            Expr::Index(array, index) => {
                let (array, index) = (self.eval(array, frame)?, self.eval(index, frame)?);
                match (array.as_array(), index.as_int()) {
                    (Some(array), Some(index)) => {
                        let place = usize::try_from(index - array.lower).ok();
                        place.and_then(|place| array.items.get(place)).cloned().unwrap_or_default()
                    }
                    _ => Value::Null,
                }
            }
            Expr::Slice(array, low, high) => {
                let array = self.eval(array, frame)?;
                let Some(array) = array.as_array() else { return Ok(Value::Null) };
                let bound = |bound: &Option<Box<Expr>>| match bound {
                    Some(bound) => self.eval(bound, frame).map(|value| value.as_int()),
                    None => Ok(None),
                };
                slice(array, bound(low)?, bound(high)?)
            }
            Expr::Scalar(_) | Expr::Exists(_) | Expr::ArrayOf(_) | Expr::QuantifiedQuery { .. } => {
                self.of_query(expr, frame)?
            }
        })
    }

    /// Evaluates an expression that reads the rows of a subquery.
    fn of_query(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value> {
        Ok(match expr {
            Expr::Scalar(query) => {
                let rows = self.subquery(query, Some(frame), Some(2))?;
                match rows.as_slice() {
                    [] => Value::Null,
                    [row] => row[0].clone(),
                    _ => {
                        let message = "more than one row returned by a subquery used as an expression";
                        return Err(Fault::new("21000", message));
                    }
                }
            }
            Expr::Exists(query) => (!self.subquery(query, Some(frame), Some(1))?.is_empty()).into(),
            Expr::ArrayOf(query) => {
                Value::array(self.subquery(query, Some(frame), None)?.iter().map(|row| row[0].clone()).collect())
            }
            Expr::QuantifiedQuery { op, left, query, all } => {
                let left = self.eval(left, frame)?;
                let rows = self.subquery(query, Some(frame), None)?;
                let value = |row: &Row| if row.len() == 1 { row[0].clone() } else { Value::Record(row.clone()) };
                self.any_of(*op, &left, rows.iter().map(|row| Ok(value(row))), *all)?
            }
            _ => Value::Null,
        })
    }

    pub(super) fn evals(&self, exprs: &[Expr], frame: &Frame<'_>) -> Result<Vec<Value>> {
        exprs.iter().map(|expr| self.eval(expr, frame)).collect()
    }

    /// Evaluates `AND` (decided by `false`) or `OR` (decided by `true`); NULL if no operand decides and one is NULL.
    fn junction(&self, parts: &[Expr], decides: bool, frame: &Frame<'_>) -> Result<Value> {
        let mut unknown = false;
        for part in parts {
            match self.eval(part, frame)? {
                Value::Bool(value) if value == decides => return Ok(Value::Bool(decides)),
                Value::Bool(_) => {}
                _ => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(!decides) })
    }

    /// Returns whether an operator is true for any, or for all, of some values.
    fn any_of(&self, op: Op, left: &Value, values: impl Iterator<Item = Result<Value>>, all: bool) -> Result<Value> {
        let mut unknown = false;
        for value in values {
            match operators::apply(self, op, left, &value?)? {
                Value::Bool(holds) if holds != all => return Ok(Value::Bool(holds)),
                Value::Bool(_) => {}
                _ => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(all) })
    }
}

fn each_null(value: &Value, is: bool) -> bool {
    match value {
        Value::Record(row) => row.iter().all(|value| value.is_null() == is),
        value => value.is_null() == is,
    }
}

fn negated(value: Value) -> Value {
    if let Value::Bool(yes) = value { Value::Bool(!yes) } else { Value::Null }
}

fn slice(array: &Array, low: Option<i64>, high: Option<i64>) -> Value {
    let end = array.lower + i64::try_from(array.items.len()).unwrap_or(i64::MAX) - 1;
    let (low, high) = (low.unwrap_or(array.lower).max(array.lower), high.unwrap_or(end).min(end));
    let place = |index: i64| usize::try_from(index - array.lower).unwrap_or(0);
    let items = if low > high { Vec::new() } else { array.items[place(low)..=place(high)].to_vec() };
    Value::Array(Arc::new(Array { lower: 1, items }))
}
