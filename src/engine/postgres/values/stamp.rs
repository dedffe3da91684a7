//! Dates and times, parsed and formatted as in `PostgreSQL` (`DateStyle` ISO, MDY).

use super::interval::{DAY_US, HOUR_US, MINUTE_US, clock};
use crate::engine::postgres::zones::{self, Zone, utc};
use crate::model::unix_time;
use chrono::{Datelike as _, NaiveDate, Timelike as _};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use std::time::SystemTime;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Days from year 1 to 1970.
const EPOCH_FROM_CE: i32 = 719_163;

/// Fields parsed from a text.
#[derive(Debug, Default)]
struct Read {
    date: Option<NaiveDate>,
    /// Microseconds of the day.
    time: Option<i64>,
    zone: Option<Zone>,
    /// Numbers and month that are separate tokens.
    numbers: Vec<String>,
    month: Option<u32>,
    is_afternoon: Option<bool>,
}

/// Parses a `timestamp` to microseconds since the epoch; a zone in the text is ignored, as in `PostgreSQL`.
pub(crate) fn read_timestamp(text: &str, zone: &Zone) -> Result<i64> {
    if let Some(us) = word(text, zone) {
        return Ok(zone.local(us?));
    }
    local(&read(text, "timestamp")?, text, "timestamp")
}

/// Parses a `timestamptz` to microseconds since the epoch; the session's zone applies if the text has none.
pub(crate) fn read_timestamptz(text: &str, zone: &Zone) -> Result<i64> {
    if let Some(us) = word(text, zone) {
        return us;
    }
    let kind = "timestamp with time zone";
    let read = read(text, kind)?;
    let local = local(&read, text, kind)?;
    Ok(read.zone.as_ref().unwrap_or(zone).moment(local))
}

/// Parses a date to days since the epoch.
pub(crate) fn read_date(text: &str, zone: &Zone) -> Result<i32> {
    let us = match word(text, zone) {
        Some(us) => zone.local(us?),
        None => local(&read(text, "date")?, text, "date")?,
    };
    days_of(us)
}

/// Parses a time to microseconds of the day.
pub(crate) fn read_time(text: &str) -> Result<i64> {
    let read = read(text, "time")?;
    read.time.ok_or_else(|| invalid(text, "time"))
}

fn local(read: &Read, text: &str, kind: &str) -> Result<i64> {
    let date = read.date.ok_or_else(|| invalid(text, kind))?;
    let days = i64::from(date.num_days_from_ce() - EPOCH_FROM_CE);
    Ok(days * DAY_US + read.time.unwrap_or(0))
}

fn invalid(text: &str, kind: &str) -> datafusion::common::DataFusionError {
    exec_datafusion_err!("invalid input syntax for type {kind}: {text:?}")
}

fn beyond(text: &str) -> datafusion::common::DataFusionError {
    exec_datafusion_err!("date/time field value out of range: {text:?}")
}

/// Parses special words, such as `now`, to an instant in UTC.
fn word(text: &str, zone: &Zone) -> Option<Result<i64>> {
    let now = || unix_time::micros(SystemTime::now());
    let midnight = |days: i64| {
        let day = zone.local(now()).div_euclid(DAY_US) + days;
        Ok(zone.moment(day * DAY_US))
    };
    Some(match text.trim().to_lowercase().as_str() {
        "now" => Ok(now()),
        "today" => midnight(0),
        "tomorrow" => midnight(1),
        "yesterday" => midnight(-1),
        "epoch" => Ok(0),
        "infinity" | "-infinity" => exec_err!("infinite times are not offered"),
        _ => return None,
    })
}

fn read(text: &str, kind: &str) -> Result<Read> {
    let mut found = Read::default();
    if text.len() > 128 || text.trim().is_empty() {
        return Err(invalid(text, kind));
    }
    for token in tokens(text) {
        take(&mut found, &token, text).unwrap_or_else(|| Err(invalid(text, kind)))?;
    }
    if let Some(afternoon) = found.is_afternoon {
        let time = found.time.ok_or_else(|| invalid(text, kind))?;
        let hour = time / HOUR_US;
        if !(1..=12).contains(&hour) {
            return Err(beyond(text));
        }
        found.time = Some(time % HOUR_US + (hour % 12 + if afternoon { 12 } else { 0 }) * HOUR_US);
    }
    if let Some(month) = found.month {
        let number = |at: usize| found.numbers.get(at).and_then(|number| number.parse::<i32>().ok());
        let (one, other) = number(0).zip(number(1)).ok_or_else(|| invalid(text, kind))?;
        // A number above 31 must be the year.
        let (day, year) = if one > 31 { (other, one) } else { (one, other) };
        found.date = Some(date(year, month, u32::try_from(day).unwrap_or(0)).ok_or_else(|| beyond(text))?);
    } else if !found.numbers.is_empty() {
        return Err(invalid(text, kind));
    }
    Ok(found)
}

/// Splits at spaces, commas, and the `T` between date and time.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for part in text.split(|c: char| c.is_whitespace() || c == ',').filter(|part| !part.is_empty()) {
        let begins_with_digit = part.starts_with(|c: char| c.is_ascii_digit());
        match part.split_once(['T', 't']) {
            Some((before, after))
                if begins_with_digit
                    && after.starts_with(|c: char| c.is_ascii_digit())
                    && before.ends_with(|c: char| c.is_ascii_digit()) =>
            {
                let compact = !after.contains(':');
                tokens.push(before.to_owned());
                tokens.push(if compact { format!("T{after}") } else { after.to_owned() });
            }
            _ => tokens.push(part.to_owned()),
        }
    }
    tokens
}

/// Parses one token; `None` if it is invalid.
fn take(found: &mut Read, token: &str, text: &str) -> Option<Result<()>> {
    let lower = token.to_lowercase();
    if let Some(compact) = token.strip_prefix('T').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        let end = compact.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(compact.len());
        let (digits, rest) = compact.split_at(end);
        let part = |from: usize| digits.get(from..from + 2).unwrap_or("00");
        let fraction = digits.get(6..).unwrap_or("");
        return clock_of(found, &format!("{}:{}:{}{fraction}{rest}", part(0), part(2), part(4)), text);
    }
    if token.contains(':') && token.starts_with(|c: char| c.is_ascii_digit()) {
        return clock_of(found, token, text);
    }
    if let Some(seconds) = zones::offset(token) {
        return set(&mut found.zone, Zone::fixed(seconds));
    }
    let separator = ['-', '/', '.'].into_iter().find(|c| token.matches(*c).count() == 2);
    if let Some(separator) = separator.filter(|_| token.starts_with(|c: char| c.is_ascii_digit())) {
        return of_parts(found, token, separator, text);
    }
    if token.bytes().all(|byte| byte.is_ascii_digit()) {
        if token.len() == 8 && found.date.is_none() {
            let (year, month, day) = (&token[..4], &token[4..6], &token[6..]);
            let date = date(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
            return Some(date.ok_or_else(|| beyond(text)).map(|date| found.date = Some(date)));
        }
        found.numbers.push(token.to_owned());
        return Some(Ok(()));
    }
    match lower.as_str() {
        "am" => return set(&mut found.is_afternoon, false),
        "pm" => return set(&mut found.is_afternoon, true),
        "ad" => return Some(Ok(())),
        _ => {}
    }
    if let Some(month) = month_named(&lower) {
        return set(&mut found.month, month);
    }
    if named(&DAYS, &lower).is_some() {
        return Some(Ok(()));
    }
    let zone = Zone::named(token)?;
    set(&mut found.zone, zone)
}

/// Returns the month, from 1, of a lower-case name, which can be abbreviated to three letters.
pub(in crate::engine::postgres) fn month_named(word: &str) -> Option<u32> {
    u32::try_from(named(&MONTHS, word)? + 1).ok()
}

fn named(names: &[&str], word: &str) -> Option<usize> {
    names.iter().position(|name| word.len() >= 3 && name.starts_with(word))
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<Result<()>> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(Ok(()))
}

/// Parses `2026-01-02`, `1/2/2026`, `2026-Jan-02`.
fn of_parts(found: &mut Read, token: &str, separator: char, text: &str) -> Option<Result<()>> {
    let parts: Vec<&str> = token.split(separator).collect();
    let [first, second, third] = parts.as_slice() else { return None };
    let lower = second.to_lowercase();
    let (year, month, day) = match month_named(&lower) {
        Some(month) => {
            let month = month.to_string();
            if first.len() > 2 {
                ((*first).to_owned(), month, (*third).to_owned())
            } else {
                ((*third).to_owned(), month, (*first).to_owned())
            }
        }
        None if first.len() > 2 => ((*first).to_owned(), (*second).to_owned(), (*third).to_owned()),
        None => ((*third).to_owned(), (*first).to_owned(), (*second).to_owned()),
    };
    let short = year.len() <= 2;
    let year: i32 = year.parse().ok()?;
    let year = match (short, year) {
        (true, 0..70) => year + 2000,
        (true, _) => year + 1900,
        _ => year,
    };
    let date = date(year, month.parse().ok()?, day.parse().ok()?).ok_or_else(|| beyond(text));
    match date {
        Ok(date) => set(&mut found.date, date),
        Err(error) => Some(Err(error)),
    }
}

fn date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, month, day)
}

/// Parses `02:20`, `02:20:03.5+02`, `02:20Z`, `2:20pm`.
fn clock_of(found: &mut Read, token: &str, text: &str) -> Option<Result<()>> {
    let end = token.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.')).unwrap_or(token.len());
    let (digits, rest) = token.split_at(end);
    let parts: Vec<&str> = digits.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] => (*hours, *minutes, "0"),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds: f64 = seconds.parse().ok()?;
    if hours > 24 || minutes > 59 || seconds > 60.0 || (hours == 24 && (minutes > 0 || seconds > 0.0)) {
        return Some(Err(beyond(text)));
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most sixty seconds")]
    let us = hours * HOUR_US + minutes * MINUTE_US + (seconds * 1e6).round() as i64;
    let taken = set(&mut found.time, us)?;
    match rest.to_lowercase().as_str() {
        "" => Some(taken),
        "am" => set(&mut found.is_afternoon, false),
        "pm" => set(&mut found.is_afternoon, true),
        _ => match zones::offset(rest) {
            Some(seconds) => set(&mut found.zone, Zone::fixed(seconds)),
            None => set(&mut found.zone, Zone::named(rest)?),
        },
    }
}

/// Returns the days since the epoch of a timestamp.
pub(crate) fn days_of(us: i64) -> Result<i32> {
    i32::try_from(us.div_euclid(DAY_US)).map_err(|_| exec_datafusion_err!("date out of range"))
}

/// Converts days since the epoch to a date.
pub(crate) fn civil(days: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(days.saturating_add(EPOCH_FROM_CE)).unwrap_or_default()
}

/// Converts a date to days since the epoch.
pub(crate) fn days_since_epoch(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH_FROM_CE
}

/// Formats `2026-01-02`.
pub(crate) fn date_text(days: i32) -> String {
    day_text(civil(days))
}

fn day_text(date: NaiveDate) -> String {
    let (year, bc) = if date.year() <= 0 { (1 - date.year(), " BC") } else { (date.year(), "") };
    format!("{year:04}-{:02}-{:02}{bc}", date.month(), date.day())
}

/// Formats `03:04:05.6`.
pub(crate) fn time_text(us: i64) -> String {
    clock(us.unsigned_abs())
}

/// Formats `2026-01-02 03:04:05.6`.
pub(crate) fn timestamp_text(us: i64) -> String {
    let at = utc(us);
    let micros = u64::from(at.num_seconds_from_midnight()) * 1_000_000 + u64::from(at.nanosecond() / 1000);
    format!("{} {}", day_text(at.date()), clock(micros))
}

/// Formats `2026-01-02 03:04:05.6+00`.
pub(crate) fn timestamptz_text(us: i64, zone: &Zone) -> String {
    let offset = zone.offset_at(us);
    format!("{}{}", timestamp_text(zone.local(us)), offset_text(offset))
}

/// Formats `+00`, `+05:30`.
pub(crate) fn offset_text(seconds: i32) -> String {
    let (sign, abs) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    match (abs / 3600, abs / 60 % 60, abs % 60) {
        (hours, 0, 0) => format!("{sign}{hours:02}"),
        (hours, minutes, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        (hours, minutes, seconds) => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts, and the output of `timestamptz '…'` in `PostgreSQL` 15 with the session in Berlin.
    #[test]
    fn moments_are_read() {
        let berlin = Zone::named("europe/berlin").unwrap();
        for (text, expected) in [
            ("2026-11-30 02:20", "2026-11-30 02:20:00+01"),
            ("2026-11-30T02:20:00Z", "2026-11-30 03:20:00+01"),
            ("2026-07-01", "2026-07-01 00:00:00+02"),
            ("20260102T030405", "2026-01-02 03:04:05+01"),
            ("Jan 2 2026 3:04 PM", "2026-01-02 15:04:00+01"),
            ("2026-01-02 03:00:00.123456+05:30", "2026-01-01 22:30:00.123456+01"),
            ("2026-01-02 03:00 America/New_York", "2026-01-02 09:00:00+01"),
            // A local time skipped by daylight saving, and a repeated one.
            ("2026-03-29 02:30", "2026-03-29 03:30:00+02"),
            ("2026-10-25 02:30", "2026-10-25 02:30:00+01"),
        ] {
            let us = read_timestamptz(text, &berlin).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(timestamptz_text(us, &berlin), expected, "{text}");
        }
        for text in ["", "yesterdays", "2026-13-01", "2026-02-30", "25:00", "2026-01-01 10:61"] {
            assert!(read_timestamptz(text, &berlin).is_err(), "{text}");
        }
    }
}
