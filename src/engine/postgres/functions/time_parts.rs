//! The functions `extract` and `date_part`.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Given, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::{DIGITS, Kind};
use crate::engine::postgres::values::interval::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, Span};
use crate::engine::postgres::values::number;
use crate::engine::postgres::zones::utc;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use chrono::Datelike as _;
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use Kind::{Date, Float8, Interval, Text, Time, Timestamp, TimestampTz};

/// Average seconds of a year, and of a month.
const YEAR_S: i64 = 31_557_600;
const MONTH_S: i64 = 2_592_000;

pub(super) fn all() -> Vec<Function> {
    vec![extract(), Function::new("date_part", &DATE_PART)]
}

/// The function `extract(field from x)`.
pub(in crate::engine::postgres) fn extract() -> Function {
    Function::new("extract", &EXTRACT)
}

/// Value of a field in millionths, and its scale.
struct Part(i128, i8);

fn part_scale(field: &str) -> i8 {
    match field.to_lowercase().trim_end_matches('s') {
        "second" | "sec" | "epoch" | "julian" => 6,
        "millisecond" | "msec" | "m" => 3,
        _ => 0,
    }
}

static EXTRACT: [Form; 5] = [
    Form::of(&[Text, TimestampTz], Gives::By(part_type), |call| parts(call, of_moment)),
    Form::of(&[Text, Timestamp], Gives::By(part_type), |call| parts(call, of_stamp)),
    Form::of(&[Text, Date], Gives::By(part_type), |call| parts(call, of_date)),
    Form::of(&[Text, Time], Gives::By(part_type), |call| parts(call, of_time)),
    Form::of(&[Text, Interval], Gives::By(part_type), |call| parts(call, of_span)),
];

static DATE_PART: [Form; 5] = [
    Form::new(&[Text, TimestampTz], Float8, |call| float_parts(call, of_moment)),
    Form::new(&[Text, Timestamp], Float8, |call| float_parts(call, of_stamp)),
    Form::new(&[Text, Date], Float8, |call| float_parts(call, of_date)),
    Form::new(&[Text, Time], Float8, |call| float_parts(call, of_time)),
    Form::new(&[Text, Interval], Float8, |call| float_parts(call, of_span)),
];

fn part_type(given: &Given<'_>) -> DataType {
    let scale = given.text(0).map_or(6, part_scale);
    // Fields of a date are integers.
    let is_whole = given.text(0).is_some() && given.types.get(1) == Some(&DataType::Date32);
    DataType::Decimal128(DIGITS, if is_whole { 0 } else { scale })
}

type OfRow = fn(&Call<'_>, &str, usize) -> Result<Part>;

fn parts(call: &Call<'_>, of: OfRow) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = call.gives else { return exec_err!("extract: expected a number") };
    call.to_numbers(scale, |row| {
        let Part(value, from) = of(call, &call.text(0, row)?.to_lowercase(), row)?;
        number::rescaled(value, from, scale).map(Some).ok_or_else(number::too_many_digits)
    })
}

fn float_parts(call: &Call<'_>, of: OfRow) -> Result<ArrayRef> {
    call.to_floats(|row| {
        let Part(value, scale) = of(call, &call.text(0, row)?.to_lowercase(), row)?;
        Ok(Some(number::to_float(value, scale)))
    })
}

fn of_moment(call: &Call<'_>, field: &str, row: usize) -> Result<Part> {
    let us = call.stamp(1, row)?;
    let offset = i128::from(call.zone.offset_at(us));
    match field {
        "epoch" => Ok(Part(us.into(), 6)),
        "timezone" => Ok(Part(offset, 0)),
        "timezone_hour" => Ok(Part(offset / 3600, 0)),
        "timezone_minute" => Ok(Part(offset / 60 % 60, 0)),
        _ => of_local(field, call.zone.local(us), "timestamp with time zone"),
    }
}

fn of_stamp(call: &Call<'_>, field: &str, row: usize) -> Result<Part> {
    of_local(field, call.stamp(1, row)?, "timestamp without time zone")
}

fn of_date(call: &Call<'_>, field: &str, row: usize) -> Result<Part> {
    let us = i64::from(call.date(1, row)?) * DAY_US;
    match field {
        "epoch" => Ok(Part((us / SECOND_US).into(), 0)),
        "hour" | "minute" | "second" | "milliseconds" | "microseconds" => {
            exec_err!("unit {field:?} not supported for type date")
        }
        _ => of_local(field, us, "date"),
    }
}

fn of_time(call: &Call<'_>, field: &str, row: usize) -> Result<Part> {
    let us = call.time(1, row)?;
    match field {
        "epoch" => Ok(Part(us.into(), 6)),
        _ => of_clock(field, us)
            .ok_or_else(|| exec_datafusion_err!("unit {field:?} not supported for type time without time zone")),
    }
}

/// Returns a field of hours or smaller units.
fn of_clock(field: &str, us: i64) -> Option<Part> {
    Some(match field {
        "hour" | "hours" | "h" => Part((us / HOUR_US).into(), 0),
        "minute" | "minutes" | "min" => Part((us / MINUTE_US % 60).into(), 0),
        "second" | "seconds" | "sec" => Part((us % MINUTE_US).into(), 6),
        "millisecond" | "milliseconds" | "msec" => Part((us % MINUTE_US).into(), 3),
        "microsecond" | "microseconds" | "usec" => Part((us % MINUTE_US).into(), 0),
        _ => return None,
    })
}

/// Returns a field of a local time.
fn of_local(field: &str, us: i64, kind: &str) -> Result<Part> {
    let at = utc(us);
    let date = at.date();
    let year = i128::from(date.year());
    let whole = |value: i128| Ok(Part(value, 0));
    match field {
        "epoch" => Ok(Part(us.into(), 6)),
        "year" | "years" => whole(year),
        "month" | "months" => whole(date.month().into()),
        "day" | "days" => whole(date.day().into()),
        "quarter" => whole(((date.month() - 1) / 3 + 1).into()),
        "dow" => whole(date.weekday().num_days_from_sunday().into()),
        "isodow" => whole(date.weekday().number_from_monday().into()),
        "doy" => whole(date.ordinal().into()),
        "week" | "weeks" => whole(date.iso_week().week().into()),
        "isoyear" => whole(date.iso_week().year().into()),
        "decade" => whole(year.div_euclid(10)),
        "century" => whole((year + 99).div_euclid(100)),
        "millennium" => whole((year + 999).div_euclid(1000)),
        "julian" => {
            let days = i128::from(us.div_euclid(DAY_US)) + 2_440_588;
            let part = i128::from(us.rem_euclid(DAY_US)) * 1_000_000 / i128::from(DAY_US);
            Ok(Part(days * 1_000_000 + part, 6))
        }
        _ => of_clock(field, us.rem_euclid(DAY_US))
            .ok_or_else(|| exec_datafusion_err!("unit {field:?} not recognized for type {kind}")),
    }
}

fn of_span(call: &Call<'_>, field: &str, row: usize) -> Result<Part> {
    let span = Span::of(call.interval(1, row)?);
    let whole = |value: i64| Ok(Part(value.into(), 0));
    match field {
        "epoch" => {
            let (years, months) = (span.months / 12, span.months % 12);
            let seconds = i128::from(years * YEAR_S + months * MONTH_S) + i128::from(span.days) * 86_400;
            Ok(Part(seconds * 1_000_000 + i128::from(span.us), 6))
        }
        "year" | "years" => whole(span.months / 12),
        "month" | "months" => whole(span.months % 12),
        "day" | "days" => whole(span.days),
        "quarter" => whole(span.months % 12 / 3 + 1),
        "decade" => whole(span.months / 120),
        "century" => whole(span.months / 1200),
        "millennium" => whole(span.months / 12_000),
        _ => of_clock(field, span.us)
            .ok_or_else(|| exec_datafusion_err!("unit {field:?} not recognized for type interval")),
    }
}
