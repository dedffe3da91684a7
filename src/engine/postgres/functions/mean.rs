//! The exact mean of integers and numerics.

use crate::engine::postgres::kinds::{DIGITS, list_of};
use crate::engine::postgres::values::number::{self, too_many_digits};
use arrow::array::{ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int16Type, Int32Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::utils::format_state_name;
use std::collections::HashSet;
use std::sync::Arc;

/// Returns the scale of a mean: that of a division; for bigints 19, which leaves 19 digits before the point.
pub(super) fn scale(of: &DataType) -> i8 {
    match of {
        DataType::Int64 => 19,
        DataType::Decimal128(_, scale) => (*scale).max(20),
        _ => 20,
    }
}

/// Sum and count of the values.
#[derive(Debug)]
pub(super) struct Mean {
    /// Scale of the values.
    from: i8,
    /// Scale of the mean.
    to: i8,
    sum: i128,
    count: i64,
    /// Distinct values so far, for `DISTINCT`.
    seen: Option<HashSet<i128>>,
}

impl Mean {
    pub(super) fn new(of: &DataType, is_distinct: bool) -> Mean {
        let from = match of {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        };
        Mean { from, to: scale(of), sum: 0, count: 0, seen: is_distinct.then(HashSet::new) }
    }

    fn add(&mut self, values: &ArrayRef, sign: i128) -> Result<()> {
        for value in numbers(values)? {
            if self.seen.as_mut().is_some_and(|seen| !seen.insert(value)) {
                continue;
            }
            let sum = value.checked_mul(sign).and_then(|value| self.sum.checked_add(value));
            self.sum = sum.ok_or_else(too_many_digits)?;
            self.count += if sign < 0 { -1 } else { 1 };
        }
        Ok(())
    }
}

/// Iterates over the values that are not null.
fn numbers(values: &ArrayRef) -> Result<Box<dyn Iterator<Item = i128> + '_>> {
    Ok(match values.data_type() {
        DataType::Int16 => Box::new(values.as_primitive::<Int16Type>().iter().flatten().map(i128::from)),
        DataType::Int32 => Box::new(values.as_primitive::<Int32Type>().iter().flatten().map(i128::from)),
        DataType::Int64 => Box::new(values.as_primitive::<Int64Type>().iter().flatten().map(i128::from)),
        DataType::Decimal128(..) => Box::new(values.as_primitive::<Decimal128Type>().iter().flatten()),
        DataType::Null => Box::new(std::iter::empty()),
        other => return exec_err!("avg: expected numbers, found {other}"),
    })
}

/// Returns the state fields of a partial mean.
pub(super) fn state_fields(of: &DataType, name: &str, is_distinct: bool) -> Vec<FieldRef> {
    let from = match of {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    let number = DataType::Decimal128(DIGITS, from);
    let field = |part: &str, kind: DataType| Arc::new(Field::new(format_state_name(name, part), kind, true));
    if is_distinct {
        vec![field("values", list_of(number))]
    } else {
        vec![field("sum", number), field("count", DataType::Int64)]
    }
}

impl Accumulator for Mean {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.add(values, 1))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.add(values, -1))
    }

    fn supports_retract_batch(&self) -> bool {
        self.seen.is_none()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        if self.seen.is_some() {
            let lists = states.first().and_then(|state| state.as_list_opt::<i32>());
            let Some(lists) = lists else { return exec_err!("avg: expected lists") };
            return lists.iter().flatten().try_for_each(|values| self.add(&values, 1));
        }
        let [sums, counts] = states else { return exec_err!("avg: expected a sum and a count") };
        let sum = numbers(sums)?.try_fold(self.sum, i128::checked_add);
        self.sum = sum.ok_or_else(too_many_digits)?;
        self.count += counts.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if let Some(seen) = &self.seen {
            let values: Vec<ScalarValue> =
                seen.iter().map(|value| ScalarValue::Decimal128(Some(*value), DIGITS, self.from)).collect();
            let list = ScalarValue::new_list_nullable(&values, &DataType::Decimal128(DIGITS, self.from));
            return Ok(vec![ScalarValue::List(list)]);
        }
        let sum = ScalarValue::Decimal128(Some(self.sum), DIGITS, self.from);
        Ok(vec![sum, ScalarValue::Int64(Some(self.count))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mean = match self.count {
            0 => None,
            count => Some(number::quotient((self.sum, self.from), (count.into(), 0), self.to)?),
        };
        Ok(ScalarValue::Decimal128(mean, DIGITS, self.to))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.as_ref().map_or(0, |seen| seen.capacity() * size_of::<i128>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    /// Nanoseconds since the epoch: the sum of a thousand values exceeds a bigint.
    #[test]
    fn large_numbers_have_their_mean() {
        let mut mean = Mean::new(&DataType::Int64, false);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1_800_000_000_000_000_000; 1000]));
        mean.update_batch(std::slice::from_ref(&values)).unwrap();
        mean.update_batch(&[Arc::new(Int64Array::from(vec![Some(1_800_000_000_000_001_001), None]))]).unwrap();
        // 1001 values, one of them greater by 1001.
        let expected = 1_800_000_000_000_000_001 * 10_i128.pow(19);
        assert_eq!(mean.evaluate().unwrap(), ScalarValue::Decimal128(Some(expected), 38, 19));
        mean.retract_batch(&[values]).unwrap();
        let left = 1_800_000_000_000_001_001 * 10_i128.pow(19);
        assert_eq!(mean.evaluate().unwrap(), ScalarValue::Decimal128(Some(left), 38, 19));
    }
}
