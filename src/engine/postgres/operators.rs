//! Arithmetic as in `PostgreSQL`: integers do not wrap, numerics are exact, times respect months and zones.

use super::call::Call;
use super::forms::{Form, Given, Gives, QUOTIENT_SCALE};
use super::function::Function;
use super::kinds::{DIGITS, Kind};
use super::values::interval::{DAY_US, Span};
use super::values::{number, stamp};
use super::zones::{Zone, utc};
use arrow::array::{Array as _, ArrayRef, AsArray as _, Float64Array};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use arrow::error::ArrowError;
use chrono::{Datelike as _, Months};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::Operator;

use Kind::{Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Time, Timestamp, TimestampTz};

/// Maximum scale of a product.
const PRODUCT_SCALE_MAX: i8 = 28;

/// Returns the function of an operator.
pub(crate) fn of_operator(operator: Operator) -> Option<Function> {
    Some(match operator {
        Operator::Plus => Function::new("+", &PLUS).carrying_scale(),
        Operator::Minus => Function::new("-", &MINUS).carrying_scale(),
        Operator::Multiply => Function::new("*", &TIMES).carrying_scale(),
        Operator::Divide => Function::new("/", &OVER),
        Operator::Modulo => modulo("%"),
        _ => return None,
    })
}

/// The operator `%` and the function `mod`.
pub(crate) fn modulo(name: &'static str) -> Function {
    Function::new(name, &MODULO).carrying_scale()
}

/// The operator `-x`.
pub(crate) fn negated() -> Function {
    Function::new("negative", &NEGATIVE).carrying_scale()
}

/// Returns a number that orders intervals.
pub(crate) fn interval_order() -> Function {
    Function::new("interval_order", &INTERVAL_ORDER)
}

static PLUS: [Form; 17] = [
    Form::new(&[Int4, Int4], Int4, plus_ints),
    Form::new(&[Int2, Int2], Int2, plus_ints),
    Form::new(&[Int8, Int8], Int8, plus_ints),
    Form::new(&[Float8, Float8], Float8, plus_floats),
    Form::new(&[Float4, Float4], Float4, plus_floats),
    Form::of(&[Numeric, Numeric], Gives::By(widest), |call| of_numbers(call, i128::checked_add)),
    Form::new(&[Interval, Interval], Interval, |call| {
        call.to_intervals(|row| {
            let sum = Span::of(call.interval(0, row)?).plus(Span::of(call.interval(1, row)?));
            sum.ok_or_else(interval_range)?.value().map(Some)
        })
    }),
    Form::new(&[TimestampTz, Interval], TimestampTz, |call| moved_moments(call, 0, 1, 1)),
    Form::new(&[Interval, TimestampTz], TimestampTz, |call| moved_moments(call, 1, 0, 1)),
    Form::new(&[Timestamp, Interval], Timestamp, |call| moved_stamps(call, 0, 1, 1)),
    Form::new(&[Interval, Timestamp], Timestamp, |call| moved_stamps(call, 1, 0, 1)),
    Form::new(&[Date, Interval], Timestamp, |call| moved_dates(call, 0, 1, 1)),
    Form::new(&[Interval, Date], Timestamp, |call| moved_dates(call, 1, 0, 1)),
    Form::new(&[Date, Int4], Date, |call| shifted_dates(call, 0, 1, 1)),
    Form::new(&[Int4, Date], Date, |call| shifted_dates(call, 1, 0, 1)),
    Form::new(&[Date, Time], Timestamp, |call| {
        call.to_stamps(|row| Ok(Some(i64::from(call.date(0, row)?) * DAY_US + call.time(1, row)?)))
    }),
    Form::new(&[Time, Interval], Time, |call| moved_times(call, 1)),
];

static MINUS: [Form; 16] = [
    Form::new(&[Int4, Int4], Int4, minus_ints),
    Form::new(&[Int2, Int2], Int2, minus_ints),
    Form::new(&[Int8, Int8], Int8, minus_ints),
    Form::new(&[Float8, Float8], Float8, minus_floats),
    Form::new(&[Float4, Float4], Float4, minus_floats),
    Form::of(&[Numeric, Numeric], Gives::By(widest), |call| of_numbers(call, i128::checked_sub)),
    Form::new(&[TimestampTz, TimestampTz], Interval, between),
    Form::new(&[Timestamp, Timestamp], Interval, between),
    Form::new(&[Date, Date], Int4, |call| {
        call.to_ints(|row| {
            let days = call.date(0, row)?.checked_sub(call.date(1, row)?);
            days.map(Some).ok_or_else(|| number::out_of_range("integer"))
        })
    }),
    Form::new(&[Time, Time], Interval, |call| {
        call.to_intervals(|row| Span::us(call.time(0, row)? - call.time(1, row)?).value().map(Some))
    }),
    Form::new(&[Time, Interval], Time, |call| moved_times(call, -1)),
    Form::new(&[TimestampTz, Interval], TimestampTz, |call| moved_moments(call, 0, 1, -1)),
    Form::new(&[Timestamp, Interval], Timestamp, |call| moved_stamps(call, 0, 1, -1)),
    Form::new(&[Date, Interval], Timestamp, |call| moved_dates(call, 0, 1, -1)),
    Form::new(&[Date, Int4], Date, |call| shifted_dates(call, 0, 1, -1)),
    Form::new(&[Interval, Interval], Interval, |call| {
        call.to_intervals(|row| {
            let difference = Span::of(call.interval(0, row)?).plus(Span::of(call.interval(1, row)?).negated());
            difference.ok_or_else(interval_range)?.value().map(Some)
        })
    }),
];

static TIMES: [Form; 8] = [
    Form::new(&[Int4, Int4], Int4, |call| of_ints(call, numeric::mul)),
    Form::new(&[Int2, Int2], Int2, |call| of_ints(call, numeric::mul)),
    Form::new(&[Int8, Int8], Int8, |call| of_ints(call, numeric::mul)),
    Form::new(&[Float8, Float8], Float8, |call| of_floats(call, numeric::mul)),
    Form::new(&[Float4, Float4], Float4, |call| of_floats(call, numeric::mul)),
    Form::of(&[Numeric, Numeric], Gives::By(product_type), |call| {
        let (left, right) = (call.scale(0), call.scale(1));
        let scale = left.saturating_add(right).min(PRODUCT_SCALE_MAX).max(left.max(right));
        call.to_numbers(scale, |row| {
            number::product((call.number(0, row)?, left), (call.number(1, row)?, right), scale).map(Some)
        })
    }),
    Form::new(&[Interval, Float8], Interval, |call| {
        call.to_intervals(|row| scaled(Span::of(call.interval(0, row)?), call.float(1, row)?))
    }),
    Form::new(&[Float8, Interval], Interval, |call| {
        call.to_intervals(|row| scaled(Span::of(call.interval(1, row)?), call.float(0, row)?))
    }),
];

static OVER: [Form; 7] = [
    Form::new(&[Int4, Int4], Int4, |call| of_ints(call, numeric::div)),
    Form::new(&[Int2, Int2], Int2, |call| of_ints(call, numeric::div)),
    Form::new(&[Int8, Int8], Int8, |call| of_ints(call, numeric::div)),
    Form::new(&[Float8, Float8], Float8, |call| {
        no_zero_floats(call.floats(1)?)?;
        of_floats(call, numeric::div)
    }),
    Form::new(&[Float4, Float4], Float4, |call| {
        let divisors = arrow::compute::cast(&call.args[1], &DataType::Float64)?;
        no_zero_floats(divisors.as_primitive::<Float64Type>())?;
        of_floats(call, numeric::div)
    }),
    Form::of(&[Numeric, Numeric], Gives::Quotient, divided),
    Form::new(&[Interval, Float8], Interval, |call| {
        call.to_intervals(|row| match call.float(1, row)? {
            0.0 => exec_err!("division by zero"),
            by => Span::of(call.interval(0, row)?).over(by).ok_or_else(interval_range)?.value().map(Some),
        })
    }),
];

static MODULO: [Form; 4] = [
    Form::new(&[Int4, Int4], Int4, |call| of_ints(call, numeric::rem)),
    Form::new(&[Int2, Int2], Int2, |call| of_ints(call, numeric::rem)),
    Form::new(&[Int8, Int8], Int8, |call| of_ints(call, numeric::rem)),
    Form::of(&[Numeric, Numeric], Gives::By(widest), |call| {
        of_numbers(call, |left, right| left.checked_rem(right).filter(|_| right != 0))
    }),
];

static NEGATIVE: [Form; 7] = [
    Form::new(&[Int4], Int4, of_ints_alone),
    Form::new(&[Int2], Int2, of_ints_alone),
    Form::new(&[Int8], Int8, of_ints_alone),
    Form::new(&[Float8], Float8, |call| Ok(numeric::neg(&call.args[0])?)),
    Form::new(&[Float4], Float4, |call| Ok(numeric::neg(&call.args[0])?)),
    Form::of(&[Numeric], Gives::Like(0), |call| Ok(numeric::neg(&call.args[0])?)),
    Form::new(&[Interval], Interval, |call| {
        call.to_intervals(|row| Span::of(call.interval(0, row)?).negated().value().map(Some))
    }),
];

static INTERVAL_ORDER: [Form; 1] = [Form::new(&[Interval], Int8, |call| {
    call.to::<Int64Type>(|row| {
        let length = Span::of(call.interval(0, row)?).length_us();
        Ok(Some(i64::try_from(length).unwrap_or(if length < 0 { i64::MIN } else { i64::MAX })))
    })
})];

fn interval_range() -> DataFusionError {
    exec_datafusion_err!("interval out of range")
}

fn stamp_range() -> DataFusionError {
    exec_datafusion_err!("timestamp out of range")
}

/// Returns the greater scale of both.
fn widest(given: &Given<'_>) -> DataType {
    DataType::Decimal128(DIGITS, given.scale(0).max(given.scale(1)))
}

fn product_type(given: &Given<'_>) -> DataType {
    let (left, right) = (given.scale(0), given.scale(1));
    DataType::Decimal128(DIGITS, left.saturating_add(right).min(PRODUCT_SCALE_MAX).max(left.max(right)))
}

type Kernel = fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> Result<ArrayRef, ArrowError>;

fn plus_ints(call: &Call<'_>) -> Result<ArrayRef> {
    of_ints(call, numeric::add)
}

fn minus_ints(call: &Call<'_>) -> Result<ArrayRef> {
    of_ints(call, numeric::sub)
}

fn plus_floats(call: &Call<'_>) -> Result<ArrayRef> {
    of_floats(call, numeric::add)
}

fn minus_floats(call: &Call<'_>) -> Result<ArrayRef> {
    of_floats(call, numeric::sub)
}

fn of_ints(call: &Call<'_>, kernel: Kernel) -> Result<ArrayRef> {
    kernel(&call.args[0], &call.args[1]).map_err(|error| of_kernel(error, &call.gives))
}

fn of_ints_alone(call: &Call<'_>) -> Result<ArrayRef> {
    numeric::neg(&call.args[0]).map_err(|error| of_kernel(error, &call.gives))
}

fn of_kernel(error: ArrowError, kind: &DataType) -> DataFusionError {
    match error {
        ArrowError::DivideByZero => exec_datafusion_err!("division by zero"),
        ArrowError::ArithmeticOverflow(_) => number::out_of_range(&super::values::casts::name_of(kind)),
        other => other.into(),
    }
}

/// Applies a kernel to doubles; an infinite result of finite operands is an error.
fn of_floats(call: &Call<'_>, kernel: Kernel) -> Result<ArrayRef> {
    let answer = kernel(&call.args[0], &call.args[1])?;
    let Some(values) = answer.as_primitive_opt::<Float64Type>() else { return Ok(answer) };
    if values.values().iter().any(|value| value.is_infinite()) {
        let (left, right) = (call.floats(0)?, call.floats(1)?);
        let overflows = |row: usize| {
            values.is_valid(row)
                && values.value(row).is_infinite()
                && left.value(row).is_finite()
                && right.value(row).is_finite()
        };
        if (0..values.len()).any(overflows) {
            return exec_err!("value out of range: overflow");
        }
    }
    Ok(answer)
}

fn no_zero_floats(divisors: &Float64Array) -> Result<()> {
    let is_zero = |value: f64| value == 0.0;
    if divisors.iter().flatten().any(is_zero) { exec_err!("division by zero") } else { Ok(()) }
}

/// Applies a function to numerics rescaled to a common scale.
fn of_numbers(call: &Call<'_>, of: impl Fn(i128, i128) -> Option<i128>) -> Result<ArrayRef> {
    let (left, right) = (call.scale(0), call.scale(1));
    let scale = left.max(right);
    call.to_numbers(scale, |row| {
        let one = number::rescaled(call.number(0, row)?, left, scale);
        let other = number::rescaled(call.number(1, row)?, right, scale);
        let (one, other) = one.zip(other).ok_or_else(number::too_many_digits)?;
        let value = of(one, other).filter(|value| number::fits(*value));
        match value {
            Some(value) => Ok(Some(value)),
            None if other == 0 => exec_err!("division by zero"),
            None => Err(number::too_many_digits()),
        }
    })
}

fn divided(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.scale(0), call.scale(1));
    let pair = |row: usize| Ok::<_, DataFusionError>(((call.number(0, row)?, left), (call.number(1, row)?, right)));
    let scale = if call.exact && !call.is_null(0, 0) && !call.is_null(1, 0) {
        let (one, other) = pair(0)?;
        number::quotient_scale(one, other)
    } else {
        QUOTIENT_SCALE
    };
    call.to_numbers(scale, |row| {
        let (one, other) = pair(row)?;
        number::quotient(one, other, scale).map(Some)
    })
}

fn scaled(span: Span, factor: f64) -> Result<Option<arrow::datatypes::IntervalMonthDayNano>> {
    span.times(factor).ok_or_else(interval_range)?.value().map(Some)
}

/// Returns the difference between two times, in days and time.
fn between(call: &Call<'_>) -> Result<ArrayRef> {
    call.to_intervals(|row| {
        let us = call.stamp(0, row)?.checked_sub(call.stamp(1, row)?).ok_or_else(interval_range)?;
        Span::us(us).justify_hours().value().map(Some)
    })
}

/// Adds an interval to a local time: months first, then days, then time.
pub(crate) fn moved(us: i64, span: Span) -> Result<i64> {
    let mut us = us;
    if span.months != 0 {
        let at = utc(us);
        let months = u32::try_from(span.months.abs()).map(Months::new).map_err(|_| interval_range())?;
        let date =
            if span.months > 0 { at.date().checked_add_months(months) } else { at.date().checked_sub_months(months) };
        let days = stamp::days_since_epoch(date.filter(|date| date.year() < 294_276).ok_or_else(stamp_range)?);
        us = i64::from(days) * DAY_US + us.rem_euclid(DAY_US);
    }
    let days = span.days.checked_mul(DAY_US);
    days.and_then(|days| us.checked_add(days)?.checked_add(span.us)).ok_or_else(stamp_range)
}

/// Adds an interval to an instant: months and days in local time, time in absolute time.
pub(crate) fn moved_moment(us: i64, span: Span, zone: &Zone) -> Result<i64> {
    let us = if span.months != 0 || span.days != 0 {
        zone.moment(moved(zone.local(us), Span { us: 0, ..span })?)
    } else {
        us
    };
    us.checked_add(span.us).ok_or_else(stamp_range)
}

fn span(call: &Call<'_>, at: usize, row: usize, sign: i64) -> Result<Span> {
    let span = Span::of(call.interval(at, row)?);
    Ok(if sign < 0 { span.negated() } else { span })
}

fn moved_moments(call: &Call<'_>, at: usize, by: usize, sign: i64) -> Result<ArrayRef> {
    call.to_stamps(|row| moved_moment(call.stamp(at, row)?, span(call, by, row, sign)?, call.zone).map(Some))
}

fn moved_stamps(call: &Call<'_>, at: usize, by: usize, sign: i64) -> Result<ArrayRef> {
    call.to_stamps(|row| moved(call.stamp(at, row)?, span(call, by, row, sign)?).map(Some))
}

fn moved_dates(call: &Call<'_>, at: usize, by: usize, sign: i64) -> Result<ArrayRef> {
    call.to_stamps(|row| moved(i64::from(call.date(at, row)?) * DAY_US, span(call, by, row, sign)?).map(Some))
}

fn moved_times(call: &Call<'_>, sign: i64) -> Result<ArrayRef> {
    call.to_times(|row| {
        let us = call.time(0, row)?.wrapping_add(sign * Span::of(call.interval(1, row)?).us);
        Ok(Some(us.rem_euclid(DAY_US)))
    })
}

fn shifted_dates(call: &Call<'_>, at: usize, by: usize, sign: i64) -> Result<ArrayRef> {
    call.to::<Date32Type>(|row| {
        let days = i64::from(call.date(at, row)?) + sign * call.int(by, row)?;
        i32::try_from(days).map(Some).map_err(|_| exec_datafusion_err!("date out of range"))
    })
}
