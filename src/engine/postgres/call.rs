//! A function call: typed access to its arguments, and builders for its result.

use super::kinds::DIGITS;
use super::zones::Zone;
use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    IntervalMonthDayNanoArray, PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, IntervalMonthDayNano};
use datafusion::common::{DataFusionError, Result};
use std::sync::Arc;

/// A function call with arguments cast to the types of the form, one row each.
pub(crate) struct Call<'a> {
    pub(crate) args: &'a [ArrayRef],
    pub(crate) rows: usize,
    /// Time zone of the session.
    pub(crate) zone: &'a Zone,
    /// Expected result type. If the arguments are constants, a numeric can have another scale.
    pub(crate) gives: DataType,
    /// True if the arguments are constants, and the function chooses the scale of the result.
    pub(crate) exact: bool,
}

/// Returns the error for an argument with an unexpected type.
fn other(expected: &str) -> DataFusionError {
    DataFusionError::Internal(format!("an argument is not of the type of its form: expected {expected}"))
}

macro_rules! typed {
    ($name:ident, $array:ty, $get:ident, $item:ty) => {
        /// Returns the array of an argument.
        pub(crate) fn $name(&self, at: usize) -> Result<&'a $array> {
            self.args.get(at).and_then(|array| array.as_any().downcast_ref()).ok_or_else(|| other(stringify!($array)))
        }

        /// Returns the value of an argument, which must not be null.
        pub(crate) fn $get(&self, at: usize, row: usize) -> Result<$item> {
            Ok(self.$name(at)?.value(row))
        }
    };
}

impl<'a> Call<'a> {
    typed!(texts, StringArray, text, &'a str);
    typed!(floats, Float64Array, float, f64);
    typed!(numbers, Decimal128Array, number, i128);
    typed!(dates, Date32Array, date, i32);
    typed!(stamps, TimestampMicrosecondArray, stamp, i64);
    typed!(intervals, IntervalMonthDayNanoArray, interval, IntervalMonthDayNano);

    /// Returns an integer of any width.
    pub(crate) fn int(&self, at: usize, row: usize) -> Result<i64> {
        use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
        let array = self.args.get(at).ok_or_else(|| other("an integer"))?;
        Ok(match array.data_type() {
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
            _ => return Err(other("an integer")),
        })
    }

    /// Returns the microseconds of a time of day.
    pub(crate) fn time(&self, at: usize, row: usize) -> Result<i64> {
        let array =
            self.args.get(at).and_then(|array| array.as_any().downcast_ref::<arrow::array::Time64MicrosecondArray>());
        Ok(array.ok_or_else(|| other("a time"))?.value(row))
    }

    /// Returns the scale of a numeric argument.
    pub(crate) fn scale(&self, at: usize) -> i8 {
        match self.args.get(at).map(arrow::array::Array::data_type) {
            Some(DataType::Decimal128(_, scale)) => *scale,
            _ => 0,
        }
    }

    /// Returns whether an argument was passed.
    pub(crate) fn has(&self, at: usize) -> bool {
        at < self.args.len()
    }

    pub(crate) fn is_null(&self, at: usize, row: usize) -> bool {
        self.args.get(at).is_none_or(|array| array.is_null(row))
    }

    /// Evaluates rows without null arguments; the other rows are null.
    pub(crate) fn strict<T>(&self, mut of_row: impl FnMut(usize) -> Result<Option<T>>) -> Result<Vec<Option<T>>> {
        let value = |row: usize| if self.args.iter().any(|array| array.is_null(row)) { Ok(None) } else { of_row(row) };
        (0..self.rows).map(value).collect()
    }

    pub(crate) fn to_texts(&self, of_row: impl FnMut(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
        Ok(Arc::new(StringArray::from(self.strict(of_row)?)))
    }

    pub(crate) fn to_bools(&self, of_row: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::from(self.strict(of_row)?)))
    }

    pub(crate) fn to<T: ArrowPrimitiveType>(
        &self,
        of_row: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        Ok(Arc::new(self.strict(of_row)?.into_iter().collect::<PrimitiveArray<T>>()))
    }

    pub(crate) fn to_ints(&self, of_row: impl FnMut(usize) -> Result<Option<i32>>) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::Int32Type>(of_row)
    }

    pub(crate) fn to_floats(&self, of_row: impl FnMut(usize) -> Result<Option<f64>>) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::Float64Type>(of_row)
    }

    pub(crate) fn to_intervals(
        &self,
        of_row: impl FnMut(usize) -> Result<Option<IntervalMonthDayNano>>,
    ) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::IntervalMonthDayNanoType>(of_row)
    }

    /// Builds timestamps of the expected type from microseconds.
    pub(crate) fn to_stamps(&self, of_row: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        let array: TimestampMicrosecondArray = self.strict(of_row)?.into_iter().collect();
        Ok(match &self.gives {
            DataType::Timestamp(_, Some(zone)) => Arc::new(array.with_timezone(zone.clone())),
            _ => Arc::new(array),
        })
    }

    pub(crate) fn to_times(&self, of_row: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::Time64MicrosecondType>(of_row)
    }

    /// Builds numerics with a scale.
    pub(crate) fn to_numbers(&self, scale: i8, of_row: impl FnMut(usize) -> Result<Option<i128>>) -> Result<ArrayRef> {
        let array: Decimal128Array = self.strict(of_row)?.into_iter().collect();
        Ok(Arc::new(array.with_precision_and_scale(DIGITS, scale)?))
    }
}
