//! `generate_series` as a list.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Given, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::{DIGITS, Kind, list_of};
use crate::engine::postgres::operators::{moved, moved_moment};
use crate::engine::postgres::values::interval::Span;
use crate::engine::postgres::values::{casts, number};
use arrow::array::{ArrayRef, ListBuilder, PrimitiveBuilder};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err};
use std::sync::Arc;

use Kind::{Int4, Int8, Interval, Numeric, Timestamp, TimestampTz};

/// Maximum number of items of a series.
const SERIES_MAX: usize = 1_000_000;

pub(super) fn all() -> Vec<Function> {
    vec![Function::new("series", &SERIES)]
}

static SERIES: [Form; 7] = [
    Form::of(&[Int4, Int4], Gives::By(|_| list_of(DataType::Int32)), integers),
    Form::of(&[Int4, Int4, Int4], Gives::By(|_| list_of(DataType::Int32)), integers),
    Form::of(&[Int8, Int8], Gives::By(|_| list_of(DataType::Int64)), integers),
    Form::of(&[Int8, Int8, Int8], Gives::By(|_| list_of(DataType::Int64)), integers),
    Form::of(&[Timestamp, Timestamp, Interval], Gives::By(stamps_type), |call| stamps(call, false)),
    Form::of(&[TimestampTz, TimestampTz, Interval], Gives::By(stamps_type), |call| stamps(call, true)),
    Form::of(&[Numeric, Numeric, Numeric], Gives::By(numbers_type), numbers),
];

fn stamps_type(given: &Given<'_>) -> DataType {
    list_of(given.types.first().cloned().unwrap_or(DataType::Null))
}

fn numbers_type(given: &Given<'_>) -> DataType {
    list_of(DataType::Decimal128(DIGITS, given.scale(0).max(given.scale(1)).max(given.scale(2))))
}

fn too_long<T>() -> Result<T> {
    exec_err!("a series of more than {SERIES_MAX} items is not offered here: generate_series in FROM with constants is")
}

fn integers(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(PrimitiveBuilder::<Int64Type>::new());
    let mut items = 0_usize;
    for row in 0..call.rows {
        if (0..call.args.len()).any(|at| call.is_null(at, row)) {
            lists.append(false);
            continue;
        }
        let (begin, end) = (call.int(0, row)?, call.int(1, row)?);
        let step = if call.has(2) { call.int(2, row)? } else { 1 };
        if step == 0 {
            return exec_err!("step size cannot equal zero");
        }
        let mut value = Some(begin);
        while let Some(at) = value.filter(|at| if step > 0 { *at <= end } else { *at >= end }) {
            items += 1;
            if items > SERIES_MAX {
                return too_long();
            }
            lists.values().append_value(at);
            value = at.checked_add(step);
        }
        lists.append(true);
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    casts::cast(&lists, &call.gives, call.zone)
}

fn numbers(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::List(item) = &call.gives else { return exec_err!("series: expected a list") };
    let DataType::Decimal128(_, scale) = *item.data_type() else { return exec_err!("series: expected numbers") };
    let values = PrimitiveBuilder::<Decimal128Type>::new().with_data_type(item.data_type().clone());
    let mut lists = ListBuilder::new(values).with_field(item.clone());
    let mut items = 0_usize;
    for row in 0..call.rows {
        if (0..call.args.len()).any(|at| call.is_null(at, row)) {
            lists.append(false);
            continue;
        }
        let value = |at: usize| {
            number::rescaled(call.number(at, row)?, call.scale(at), scale).ok_or_else(number::too_many_digits)
        };
        let (mut at, end, step) = (value(0)?, value(1)?, value(2)?);
        if step == 0 {
            return exec_err!("step size cannot equal zero");
        }
        while if step > 0 { at <= end } else { at >= end } {
            items += 1;
            if items > SERIES_MAX {
                return too_long();
            }
            lists.values().append_value(at);
            at += step;
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn stamps(call: &Call<'_>, with_zone: bool) -> Result<ArrayRef> {
    let DataType::List(item) = &call.gives else { return exec_err!("series: expected a list") };
    let values = PrimitiveBuilder::<TimestampMicrosecondType>::new().with_data_type(item.data_type().clone());
    let mut lists = ListBuilder::new(values).with_field(item.clone());
    let mut items = 0_usize;
    for row in 0..call.rows {
        if (0..3).any(|at| call.is_null(at, row)) {
            lists.append(false);
            continue;
        }
        let (mut at, end, step) = (call.stamp(0, row)?, call.stamp(1, row)?, Span::of(call.interval(2, row)?));
        let direction = step.length_us().signum();
        if direction == 0 {
            return exec_err!("step size cannot equal zero");
        }
        while if direction > 0 { at <= end } else { at >= end } {
            items += 1;
            if items > SERIES_MAX {
                return too_long();
            }
            lists.values().append_value(at);
            at = if with_zone { moved_moment(at, step, call.zone)? } else { moved(at, step)? };
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}
