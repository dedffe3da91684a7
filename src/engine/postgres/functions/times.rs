//! Functions of dates, times and intervals.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::Form;
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use crate::engine::postgres::values::interval::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, Span};
use crate::engine::postgres::values::stamp;
use crate::engine::postgres::zones::{self, Zone, utc};
use arrow::array::ArrayRef;
use chrono::{Datelike as _, NaiveDate};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use Kind::{Interval, Text, Timestamp, TimestampTz};

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("timezone", &TIMEZONE),
        Function::new("date_trunc", &DATE_TRUNC),
        Function::new("date_bin", &DATE_BIN),
        Function::new("age", &AGE),
    ]
}

static TIMEZONE: [Form; 4] = [
    Form::new(&[Text, TimestampTz], Timestamp, |call| {
        call.to_stamps(|row| Ok(Some(zones::zone(call.text(0, row)?)?.local(call.stamp(1, row)?))))
    }),
    Form::new(&[Text, Timestamp], TimestampTz, |call| {
        call.to_stamps(|row| Ok(Some(zones::zone(call.text(0, row)?)?.moment(call.stamp(1, row)?))))
    }),
    Form::new(&[Interval, TimestampTz], Timestamp, |call| {
        call.to_stamps(|row| Ok(Some(of_interval(call, row)?.local(call.stamp(1, row)?))))
    }),
    Form::new(&[Interval, Timestamp], TimestampTz, |call| {
        call.to_stamps(|row| Ok(Some(of_interval(call, row)?.moment(call.stamp(1, row)?))))
    }),
];

fn of_interval(call: &Call<'_>, row: usize) -> Result<Zone> {
    let span = Span::of(call.interval(0, row)?);
    match i32::try_from(span.us / SECOND_US) {
        Ok(seconds) if span.months == 0 && span.days == 0 && seconds.abs() < 86_400 => Ok(Zone::fixed(seconds)),
        _ => exec_err!("interval time zone must not include months or days"),
    }
}

static DATE_TRUNC: [Form; 4] = [
    Form::new(&[Text, TimestampTz], TimestampTz, |call| {
        call.to_stamps(|row| truncated_moment(call.text(0, row)?, call.stamp(1, row)?, call.zone))
    }),
    Form::new(&[Text, TimestampTz, Text], TimestampTz, |call| {
        call.to_stamps(|row| {
            truncated_moment(call.text(0, row)?, call.stamp(1, row)?, &zones::zone(call.text(2, row)?)?)
        })
    }),
    Form::new(&[Text, Timestamp], Timestamp, |call| {
        call.to_stamps(|row| truncated(&call.text(0, row)?.to_lowercase(), call.stamp(1, row)?).map(Some))
    }),
    Form::new(&[Text, Interval], Interval, |call| {
        call.to_intervals(|row| {
            truncated_span(&call.text(0, row)?.to_lowercase(), Span::of(call.interval(1, row)?))?.value().map(Some)
        })
    }),
];

fn truncated_moment(unit: &str, us: i64, zone: &Zone) -> Result<Option<i64>> {
    let unit = unit.to_lowercase();
    match of_clock_unit(&unit) {
        // Offsets do not change within an hour, but some are not whole hours.
        Some(by) => {
            let offset = i64::from(zone.offset_at(us)) * SECOND_US;
            Ok(Some((us + offset).div_euclid(by) * by - offset))
        }
        None => truncated(&unit, zone.local(us)).map(|local| Some(zone.moment(local))),
    }
}

fn of_clock_unit(unit: &str) -> Option<i64> {
    Some(match unit {
        "microsecond" | "microseconds" => 1,
        "millisecond" | "milliseconds" => 1000,
        "second" | "seconds" => SECOND_US,
        "minute" | "minutes" => MINUTE_US,
        "hour" | "hours" => HOUR_US,
        _ => return None,
    })
}

/// Returns the local time at which the unit began.
fn truncated(unit: &str, us: i64) -> Result<i64> {
    if let Some(by) = of_clock_unit(unit) {
        return Ok(us.div_euclid(by) * by);
    }
    let date = utc(us).date();
    let first_of = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1);
    let year = date.year();
    let begin = match unit {
        "day" | "days" => Some(date),
        "week" | "weeks" => date.checked_sub_days(chrono::Days::new(date.weekday().num_days_from_monday().into())),
        "month" | "months" => first_of(year, date.month()),
        "quarter" | "quarters" => first_of(year, (date.month() - 1) / 3 * 3 + 1),
        "year" | "years" => first_of(year, 1),
        "decade" | "decades" => first_of(year.div_euclid(10) * 10, 1),
        "century" | "centuries" => first_of((year - 1).div_euclid(100) * 100 + 1, 1),
        "millennium" | "millenniums" => first_of((year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => return exec_err!("unit {unit:?} not recognized for type timestamp"),
    };
    let begin = begin.ok_or_else(|| exec_datafusion_err!("timestamp out of range"))?;
    Ok(i64::from(stamp::days_since_epoch(begin)) * DAY_US)
}

fn truncated_span(unit: &str, span: Span) -> Result<Span> {
    let months = |by: i64| Span { months: span.months / by * by, ..Span::default() };
    if let Some(by) = of_clock_unit(unit) {
        return Ok(Span { us: span.us / by * by, ..span });
    }
    Ok(match unit {
        "day" | "days" => Span { us: 0, ..span },
        "month" | "months" => months(1),
        "quarter" | "quarters" => months(3),
        "year" | "years" => months(12),
        "decade" | "decades" => months(120),
        "century" | "centuries" => months(1200),
        "millennium" | "millenniums" => months(12_000),
        _ => return exec_err!("unit {unit:?} not supported for type interval"),
    })
}

static DATE_BIN: [Form; 4] = [
    Form::new(&[Interval, TimestampTz, TimestampTz], TimestampTz, binned),
    Form::new(&[Interval, Timestamp, Timestamp], Timestamp, binned),
    // PostgreSQL requires an origin; here it defaults to the epoch.
    Form::new(&[Interval, TimestampTz], TimestampTz, binned),
    Form::new(&[Interval, Timestamp], Timestamp, binned),
];

fn binned(call: &Call<'_>) -> Result<ArrayRef> {
    call.to_stamps(|row| {
        let span = Span::of(call.interval(0, row)?);
        if span.months != 0 {
            return exec_err!("timestamps cannot be binned into intervals containing months or years");
        }
        let stride = span.days.checked_mul(DAY_US).and_then(|days| days.checked_add(span.us)).unwrap_or(0);
        if stride <= 0 {
            return exec_err!("stride must be greater than zero");
        }
        let origin = if call.has(2) { call.stamp(2, row)? } else { 0 };
        let bin = call.stamp(1, row)?.saturating_sub(origin).div_euclid(stride);
        Ok(Some(origin.saturating_add(bin.saturating_mul(stride))))
    })
}

static AGE: [Form; 2] = [
    Form::new(&[TimestampTz, TimestampTz], Interval, |call| {
        call.to_intervals(|row| {
            age(call.zone.local(call.stamp(0, row)?), call.zone.local(call.stamp(1, row)?)).value().map(Some)
        })
    }),
    Form::new(&[Timestamp, Timestamp], Interval, |call| {
        call.to_intervals(|row| age(call.stamp(0, row)?, call.stamp(1, row)?).value().map(Some))
    }),
];

/// Returns the difference in years, months, days and time.
fn age(later: i64, earlier: i64) -> Span {
    if later < earlier {
        return age(earlier, later).negated();
    }
    let (one, other) = (utc(later), utc(earlier));
    let mut us = later.rem_euclid(DAY_US) - earlier.rem_euclid(DAY_US);
    let mut days = i64::from(one.day()) - i64::from(other.day());
    let month = |at: chrono::NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
    let mut months = month(one) - month(other);
    if us < 0 {
        us += DAY_US;
        days -= 1;
    }
    if days < 0 {
        days += days_of_month(other.date());
        months -= 1;
    }
    Span { months, days, us }
}

fn days_of_month(date: NaiveDate) -> i64 {
    let next = if date.month() == 12 {
        NaiveDate::from_ymd_opt(date.year() + 1, 1, 1)
    } else {
        NaiveDate::from_ymd_opt(date.year(), date.month() + 1, 1)
    };
    next.and_then(|next| next.pred_opt()).map_or(30, |last| last.day().into())
}
