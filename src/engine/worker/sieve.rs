//! Sieves: comparisons of columns with values that the server applies to the rows of a scan before it sends them.
//!
//! A worker applies its own filters to the rows it receives, so a sieve may pass too many rows, but must never remove a
//! row that a filter accepts. That includes dynamic filters, which change while a plan runs: a sort with a limit
//! publishes its worst row, and the server need not send worse ones. Otherwise `SELECT * … ORDER BY x LIMIT 20` would
//! transfer the whole table.

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Datum, Float64Array, Int64Array, RecordBatch, Scalar, StringArray,
};
use arrow::compute::kernels::cmp;
use arrow::compute::{and, cast, filter_record_batch, is_not_null, is_null, or, prep_null_mask_filter};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNotNullExpr, IsNullExpr, Literal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Maximum number of comparisons in a sieve; others are left to the worker, because each costs the server a pass over
/// the rows.
const PARTS_MAX: usize = 100;
/// Maximum depth of a condition: the JSON parser stops at 128 levels, and each condition takes two.
const DEPTH_MAX: usize = 40;

/// A condition on the columns of a scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Sieve {
    /// Compares a column with a value.
    Compare { column: usize, is: Is, value: Value },
    /// The column is null.
    Null { column: usize },
    /// The column is not null.
    NotNull { column: usize },
    /// No row passes.
    Nothing,
    /// All conditions hold.
    All(Vec<Sieve>),
    /// At least one condition holds.
    Any(Vec<Sieve>),
}

/// Comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Is {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value, which the server casts to the column's type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Value {
    Whole(i64),
    /// As bits, because text could round to a neighbouring number.
    Number(u64),
    Text(String),
    Truth(bool),
}

impl Sieve {
    /// Creates a sieve from filters that must all hold; `None` if none of them can be translated.
    pub(super) fn of(filters: &[Arc<dyn PhysicalExpr>], schema: &Schema) -> Option<Sieve> {
        let mut parts: Vec<Sieve> = filters.iter().filter_map(|filter| sieve(filter, schema, 0)).collect();
        let whole = if parts.len() > 1 { Some(Sieve::All(parts)) } else { parts.pop() };
        whole.filter(|whole| whole.parts() <= PARTS_MAX)
    }

    /// Number of comparisons.
    fn parts(&self) -> usize {
        match self {
            Sieve::All(parts) | Sieve::Any(parts) => parts.iter().map(Sieve::parts).sum(),
            _ => 1,
        }
    }

    /// Returns whether rows with greater values are wanted, which tend to be the newest.
    pub(super) fn wants_greater(&self) -> bool {
        match self {
            Sieve::Compare { is, .. } => matches!(is, Is::Greater | Is::GreaterOrEqual),
            Sieve::All(parts) | Sieve::Any(parts) => parts.iter().any(Sieve::wants_greater),
            Sieve::Null { .. } | Sieve::NotNull { .. } | Sieve::Nothing => false,
        }
    }

    /// Returns the rows that pass.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let passes = self.passes(batch)?;
        if passes.true_count() == batch.num_rows() { Ok(batch.clone()) } else { filter_record_batch(batch, &passes) }
    }

    /// Returns for each row whether it passes, without nulls.
    fn passes(&self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let all = |passes: bool| BooleanArray::from(vec![passes; batch.num_rows()]);
        match self {
            Sieve::Compare { column, is, value } => {
                let Some(column) = batch.columns().get(*column) else { return Ok(all(true)) };
                let Some(value) = value.like(column.data_type()) else { return Ok(all(true)) };
                let passes = is.compare(column, &Scalar::new(value))?;
                Ok(if passes.null_count() > 0 { prep_null_mask_filter(&passes) } else { passes })
            }
            Sieve::Null { column } => batch.columns().get(*column).map_or(Ok(all(true)), |column| is_null(column)),
            Sieve::NotNull { column } => {
                batch.columns().get(*column).map_or(Ok(all(true)), |column| is_not_null(column))
            }
            Sieve::Nothing => Ok(all(false)),
            Sieve::All(parts) => parts.iter().try_fold(all(true), |passes, part| and(&passes, &part.passes(batch)?)),
            Sieve::Any(parts) => parts.iter().try_fold(all(false), |passes, part| or(&passes, &part.passes(batch)?)),
        }
    }
}

/// Translates one filter. In a conjunction, parts that cannot be translated are omitted; in a disjunction, each part
/// must be translated.
fn sieve(filter: &Arc<dyn PhysicalExpr>, schema: &Schema, depth: usize) -> Option<Sieve> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(binary) = filter.downcast_ref::<BinaryExpr>() {
        let parts = || [binary.left(), binary.right()].map(|part| sieve(part, schema, depth + 1));
        return match binary.op() {
            Operator::And => {
                let mut parts: Vec<Sieve> = parts().into_iter().flatten().collect();
                if parts.len() > 1 { Some(Sieve::All(parts)) } else { parts.pop() }
            }
            Operator::Or => Some(Sieve::Any(parts().into_iter().collect::<Option<_>>()?)),
            op => {
                let (left, right) = (column(binary.left()), column(binary.right()));
                match (left, right) {
                    (Some(left), None) => compare(left, *op, binary.right(), schema),
                    (None, Some(right)) => compare(right, op.swap()?, binary.left(), schema),
                    _ => None,
                }
            }
        };
    }
    if let Some(null) = filter.downcast_ref::<IsNullExpr>() {
        return Some(Sieve::Null { column: column(null.arg())? });
    }
    if let Some(present) = filter.downcast_ref::<IsNotNullExpr>() {
        return Some(Sieve::NotNull { column: column(present.arg())? });
    }
    match filter.downcast_ref::<Literal>().map(Literal::value) {
        Some(ScalarValue::Boolean(Some(false) | None)) => Some(Sieve::Nothing),
        _ => None,
    }
}

fn column(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expression.downcast_ref::<Column>().map(Column::index)
}

fn compare(column: usize, op: Operator, value: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Sieve> {
    let value = value.downcast_ref::<Literal>()?.value();
    // A value of another type may compare differently.
    if value.data_type() != *schema.fields().get(column)?.data_type() {
        return None;
    }
    let is = Is::of(op)?;
    if value.is_null() {
        return Some(Sieve::Nothing);
    }
    Some(Sieve::Compare { column, is, value: Value::of(value)? })
}

impl Is {
    fn of(op: Operator) -> Option<Is> {
        Some(match op {
            Operator::Eq => Is::Equal,
            Operator::NotEq => Is::NotEqual,
            Operator::Lt => Is::Less,
            Operator::LtEq => Is::LessOrEqual,
            Operator::Gt => Is::Greater,
            Operator::GtEq => Is::GreaterOrEqual,
            _ => return None,
        })
    }

    fn compare(self, column: &dyn Datum, value: &dyn Datum) -> Result<BooleanArray, ArrowError> {
        match self {
            Is::Equal => cmp::eq(column, value),
            Is::NotEqual => cmp::neq(column, value),
            Is::Less => cmp::lt(column, value),
            Is::LessOrEqual => cmp::lt_eq(column, value),
            Is::Greater => cmp::gt(column, value),
            Is::GreaterOrEqual => cmp::gt_eq(column, value),
        }
    }
}

impl Value {
    fn of(value: &ScalarValue) -> Option<Value> {
        Some(match value {
            ScalarValue::Boolean(Some(truth)) => Value::Truth(*truth),
            ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
                Value::Text(text.clone())
            }
            ScalarValue::Float64(Some(number)) if number.is_finite() => Value::Number(number.to_bits()),
            ScalarValue::Int8(Some(whole)) => Value::Whole((*whole).into()),
            ScalarValue::Int16(Some(whole)) => Value::Whole((*whole).into()),
            ScalarValue::Int32(Some(whole)) => Value::Whole((*whole).into()),
            ScalarValue::Int64(Some(whole))
            | ScalarValue::TimestampSecond(Some(whole), _)
            | ScalarValue::TimestampMillisecond(Some(whole), _)
            | ScalarValue::TimestampMicrosecond(Some(whole), _)
            | ScalarValue::TimestampNanosecond(Some(whole), _) => Value::Whole(*whole),
            _ => return None,
        })
    }

    /// Returns the value in a type; `None` if the type has no such value.
    fn like(&self, kind: &DataType) -> Option<ArrayRef> {
        let value: ArrayRef = match self {
            Value::Whole(whole) => Arc::new(Int64Array::from(vec![*whole])),
            Value::Number(number) => Arc::new(Float64Array::from(vec![f64::from_bits(*number)])),
            Value::Text(text) => Arc::new(StringArray::from(vec![text.as_str()])),
            Value::Truth(truth) => Arc::new(BooleanArray::from(vec![*truth])),
        };
        cast(&value, kind).ok().filter(|value| value.null_count() == 0)
    }
}

#[cfg(test)]
mod tests;
