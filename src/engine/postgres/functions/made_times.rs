//! Functions that construct times and intervals from fields, and that compare periods.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::Form;
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use crate::engine::postgres::operators::{moved, moved_moment};
use crate::engine::postgres::values::interval::{DAY_US, HOUR_US, MINUTE_US, Span, of_unit};
use crate::engine::postgres::values::stamp;
use crate::engine::postgres::zones;
use arrow::array::ArrayRef;
use arrow::datatypes::Date32Type;
use chrono::NaiveDate;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use std::cmp::Ordering;

use Kind::{Bool, Date, Float8, Int4, Interval, Text, Time, Timestamp, TimestampTz};

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("justify_hours", &JUSTIFY_HOURS),
        Function::new("justify_days", &JUSTIFY_DAYS),
        Function::new("justify_interval", &JUSTIFY),
        Function::new("make_interval", &MAKE_INTERVAL),
        Function::new("make_date", &MAKE_DATE),
        Function::new("make_time", &MAKE_TIME),
        Function::new("make_timestamp", &MAKE_TIMESTAMP),
        Function::new("make_timestamptz", &MAKE_TIMESTAMPTZ),
        Function::new("to_timestamp", &TO_TIMESTAMP),
        Function::new("to_date", &TO_DATE),
        Function::new("isfinite", &ISFINITE),
        Function::new("overlaps", &OVERLAPS),
    ]
}

static JUSTIFY_HOURS: [Form; 1] = [Form::new(&[Interval], Interval, |call| {
    call.to_intervals(|row| Span::of(call.interval(0, row)?).justify_hours().value().map(Some))
})];
static JUSTIFY_DAYS: [Form; 1] = [Form::new(&[Interval], Interval, |call| {
    call.to_intervals(|row| Span::of(call.interval(0, row)?).justify_days().value().map(Some))
})];
static JUSTIFY: [Form; 1] = [Form::new(&[Interval], Interval, |call| {
    call.to_intervals(|row| Span::of(call.interval(0, row)?).justify().value().map(Some))
})];

static MAKE_INTERVAL: [Form; 1] = [Form::new(&[Int4, Int4, Int4, Int4, Int4, Int4, Float8], Interval, |call| {
    call.to_intervals(|row| {
        let int = |at: usize| call.int(at, row);
        let seconds = of_unit(call.float(6, row)?, "second");
        let whole = Span {
            months: int(0)? * 12 + int(1)?,
            days: int(2)? * 7 + int(3)?,
            us: int(4)? * HOUR_US + int(5)? * MINUTE_US,
        };
        let span = seconds.and_then(|seconds| whole.plus(seconds));
        span.ok_or_else(|| exec_datafusion_err!("interval out of range"))?.value().map(Some)
    })
})];

/// Returns the days since the epoch for year, month and day arguments.
fn day(call: &Call<'_>, row: usize) -> Result<i32> {
    let (year, month, day) = (call.int(0, row)?, call.int(1, row)?, call.int(2, row)?);
    let part = |value: i64| u32::try_from(value).unwrap_or(0);
    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, part(month), part(day)));
    if let Some(date) = date.filter(|_| year != 0) {
        Ok(stamp::days_since_epoch(date))
    } else {
        exec_err!("date field value out of range: {year}-{month:02}-{day:02}")
    }
}

/// Returns the microseconds of hour, minute and second arguments.
fn clock(call: &Call<'_>, from: usize, row: usize) -> Result<i64> {
    let (hour, minute, second) = (call.int(from, row)?, call.int(from + 1, row)?, call.float(from + 2, row)?);
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&second) {
        return exec_err!("time field value out of range: {hour:02}:{minute:02}:{second:02}");
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most sixty seconds")]
    Ok(hour * HOUR_US + minute * MINUTE_US + (second * 1e6).round() as i64)
}

static MAKE_DATE: [Form; 1] =
    [Form::new(&[Int4, Int4, Int4], Date, |call| call.to::<Date32Type>(|row| day(call, row).map(Some)))];
static MAKE_TIME: [Form; 1] =
    [Form::new(&[Int4, Int4, Float8], Time, |call| call.to_times(|row| clock(call, 0, row).map(Some)))];
static MAKE_TIMESTAMP: [Form; 1] = [Form::new(&[Int4, Int4, Int4, Int4, Int4, Float8], Timestamp, |call| {
    call.to_stamps(|row| Ok(Some(i64::from(day(call, row)?) * DAY_US + clock(call, 3, row)?)))
})];
static MAKE_TIMESTAMPTZ: [Form; 2] = [
    Form::new(&[Int4, Int4, Int4, Int4, Int4, Float8], TimestampTz, |call| {
        call.to_stamps(|row| Ok(Some(call.zone.moment(i64::from(day(call, row)?) * DAY_US + clock(call, 3, row)?))))
    }),
    Form::new(&[Int4, Int4, Int4, Int4, Int4, Float8, Text], TimestampTz, |call| {
        call.to_stamps(|row| {
            let local = i64::from(day(call, row)?) * DAY_US + clock(call, 3, row)?;
            Ok(Some(zones::zone(call.text(6, row)?)?.moment(local)))
        })
    }),
];

static OVERLAPS: [Form; 4] = [
    Form::new(&[TimestampTz, TimestampTz, TimestampTz, TimestampTz], Bool, |call| overlaps(call, end_stamp)),
    Form::new(&[Timestamp, Timestamp, Timestamp, Timestamp], Bool, |call| overlaps(call, end_stamp)),
    Form::new(&[TimestampTz, Interval, TimestampTz, Interval], Bool, |call| {
        overlaps(call, |call, at, row| {
            moved_moment(call.stamp(at - 1, row)?, Span::of(call.interval(at, row)?), call.zone)
        })
    }),
    Form::new(&[Timestamp, Interval, Timestamp, Interval], Bool, |call| {
        overlaps(call, |call, at, row| moved(call.stamp(at - 1, row)?, Span::of(call.interval(at, row)?)))
    }),
];

fn end_stamp(call: &Call<'_>, at: usize, row: usize) -> Result<i64> {
    call.stamp(at, row)
}

/// Returns whether two periods overlap; a period that ends when the other begins does not.
fn overlaps(call: &Call<'_>, end: fn(&Call<'_>, usize, usize) -> Result<i64>) -> Result<ArrayRef> {
    call.to_bools(|row| {
        let period = |at: usize| {
            let (one, other) = (call.stamp(at, row)?, end(call, at + 1, row)?);
            Ok::<_, datafusion::common::DataFusionError>((one.min(other), one.max(other)))
        };
        let ((begin, end), (other_begin, other_end)) = (period(0)?, period(2)?);
        Ok(Some(match begin.cmp(&other_begin) {
            Ordering::Equal => true,
            Ordering::Less => other_begin < end,
            Ordering::Greater => begin < other_end,
        }))
    })
}

static TO_TIMESTAMP: [Form; 2] = [
    Form::new(&[Float8], TimestampTz, |call| {
        call.to_stamps(|row| {
            let us = call.float(0, row)? * 1e6;
            #[expect(clippy::cast_possible_truncation, reason = "bounded to the years that are known")]
            if us.is_finite() && us.abs() < 8e18 {
                Ok(Some(us.round_ties_even() as i64))
            } else {
                exec_err!("timestamp out of range")
            }
        })
    }),
    Form::new(&[Text, Text], TimestampTz, |call| {
        call.to_stamps(|row| {
            let local = super::from_char::read(call.text(0, row)?, call.text(1, row)?)?;
            Ok(Some(call.zone.moment(local)))
        })
    }),
];
static TO_DATE: [Form; 1] = [Form::new(&[Text, Text], Date, |call| {
    call.to::<Date32Type>(|row| {
        stamp::days_of(super::from_char::read(call.text(0, row)?, call.text(1, row)?)?).map(Some)
    })
})];
static ISFINITE: [Form; 2] = [
    Form::new(&[TimestampTz], Bool, |call| call.to_bools(|_| Ok(Some(true)))),
    Form::new(&[Interval], Bool, |call| call.to_bools(|_| Ok(Some(true)))),
];
