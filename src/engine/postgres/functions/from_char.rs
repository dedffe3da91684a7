//! `to_timestamp` and `to_date` with a format pattern.

use super::to_char::word_of;
use crate::engine::postgres::values::interval::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use crate::engine::postgres::values::stamp::{days_since_epoch, month_named};
use chrono::{NaiveDate, Weekday};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

#[derive(Default)]
struct Read {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    iso: (Option<i32>, Option<u32>, Option<u32>),
    hour: i64,
    is_afternoon: Option<bool>,
    us: i64,
    offset: i64,
}

/// Parses a text by a pattern to microseconds since the epoch.
pub(super) fn read(text: &str, pattern: &str) -> Result<i64> {
    let (mut rest, mut format, mut found) = (text.trim_start(), pattern, Read::default());
    while let Some(c) = format.chars().next() {
        if let Some(body) = format.strip_prefix("FM").or_else(|| format.strip_prefix("FX")) {
            format = body;
            continue;
        }
        if let Some(body) = format.strip_prefix('"') {
            let end = body.find('"').unwrap_or(body.len());
            let skipped: usize = rest.chars().take(body[..end].chars().count()).map(char::len_utf8).sum();
            rest = &rest[skipped..];
            format = body.get(end + 1..).unwrap_or("");
            continue;
        }
        if let Some(word) = word_of(format) {
            format = &format[word.len()..];
            rest = rest.trim_start();
            if rest.is_empty() {
                break;
            }
            // Adjacent fields without a separator are split by their number of digits.
            let joined = word_of(format).is_some();
            rest = part(&mut found, &word.to_uppercase(), rest, joined)?;
            continue;
        }
        format = &format[c.len_utf8()..];
        if let Some(next) = rest.chars().next().filter(|next| !next.is_alphanumeric()) {
            rest = &rest[next.len_utf8()..];
        }
    }
    total(&found, text)
}

fn total(found: &Read, text: &str) -> Result<i64> {
    let beyond = || exec_datafusion_err!("date/time field value out of range: {text:?}");
    let year = found.year.unwrap_or(1);
    let date = match (found.iso, found.day_of_year) {
        ((Some(year), week, day), _) => {
            let weekday = Weekday::try_from(u8::try_from(day.unwrap_or(1).saturating_sub(1)).unwrap_or(0))
                .unwrap_or(Weekday::Mon);
            NaiveDate::from_isoywd_opt(year, week.unwrap_or(1), weekday)
        }
        (_, Some(day)) => NaiveDate::from_yo_opt(year, day),
        _ => NaiveDate::from_ymd_opt(year, found.month.unwrap_or(1), found.day.unwrap_or(1)),
    };
    let hour = match found.is_afternoon {
        Some(afternoon) => found.hour % 12 + if afternoon { 12 } else { 0 },
        None => found.hour,
    };
    if hour > 24 {
        return Err(beyond());
    }
    let days = i64::from(days_since_epoch(date.ok_or_else(beyond)?));
    Ok(days * DAY_US + hour * HOUR_US + found.us - found.offset * SECOND_US)
}

/// Parses one field and returns the rest of the text.
fn part<'a>(found: &mut Read, word: &str, text: &'a str, joined: bool) -> Result<&'a str> {
    let most = match word {
        "YYYY" | "IYYY" if joined => 4,
        "YYYY" | "IYYY" | "SSSS" | "SSSSS" | "J" => 9,
        "YYY" | "IYY" | "MS" | "DDD" | "IDDD" => 3,
        "US" => 6,
        "Y" | "I" | "D" | "ID" | "Q" | "W" => 1,
        _ => 2,
    };
    match word {
        "MONTH" | "MON" => return month(found, text),
        "DAY" | "DY" => {
            return Ok(text.trim_start_matches(char::is_alphabetic));
        }
        "AM" | "PM" | "A.M." | "P.M." => {
            let end = text.char_indices().nth(word.len()).map_or(text.len(), |(at, _)| at);
            let (taken, rest) = text.split_at(end);
            found.is_afternoon = Some(taken.to_lowercase().starts_with('p'));
            return Ok(rest);
        }
        "TZH" => {
            let sign = if text.starts_with('-') { -1 } else { 1 };
            let (value, _, rest) = number(text.trim_start_matches(['+', '-']), 2)?;
            found.offset += sign * value * 3600;
            return Ok(rest);
        }
        "TZM" => {
            let (value, _, rest) = number(text, 2)?;
            found.offset += if found.offset < 0 { -value * 60 } else { value * 60 };
            return Ok(rest);
        }
        "OF" | "TZ" => return exec_err!("formatting field {word:?} is only supported in to_char"),
        _ => {}
    }
    let places = word.strip_prefix("FF").and_then(|places| places.parse().ok());
    let (value, length, rest) = number(text, places.unwrap_or(most))?;
    let small = u32::try_from(value).unwrap_or(u32::MAX);
    let year = i32::try_from(value).unwrap_or(i32::MAX);
    let short = |year: i32| if year < 70 { year + 2000 } else { year + 1900 };
    match word {
        "YYYY" | "Y,YYY" => found.year = Some(if length <= 2 { short(year) } else { year }),
        "YYY" | "YY" | "Y" => found.year = Some(if length <= 2 { short(year) } else { year + 2000 }),
        "IYYY" => found.iso.0 = Some(year),
        "IYY" | "IY" | "I" => found.iso.0 = Some(short(year)),
        "IW" => found.iso.1 = Some(small),
        "ID" => found.iso.2 = Some(small),
        "MM" => found.month = Some(small),
        "DD" => found.day = Some(small),
        "DDD" => found.day_of_year = Some(small),
        "HH24" | "HH" => found.hour = value,
        "HH12" => {
            if !(1..=12).contains(&value) {
                return exec_err!("hour {value:?} is invalid for the 12-hour clock");
            }
            found.hour = value % 12;
        }
        "MI" => found.us += value * MINUTE_US,
        "SS" | "SSSS" | "SSSSS" => found.us += value * SECOND_US,
        "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let places = u32::try_from(length.min(6)).unwrap_or(6);
            found.us += value * 10_i64.pow(6 - places);
        }
        _ => {}
    }
    Ok(rest)
}

fn number(text: &str, most: usize) -> Result<(i64, usize, &str)> {
    let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    if let Ok(value) = digits.parse() {
        Ok((value, end, rest))
    } else {
        exec_err!("invalid value {:?}: expected a number", text.chars().take(10).collect::<String>())
    }
}

fn month<'a>(found: &mut Read, text: &'a str) -> Result<&'a str> {
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let word = word.to_lowercase();
    if let Some(month) = month_named(&word) {
        found.month = Some(month);
        Ok(rest)
    } else {
        exec_err!("invalid value {word:?} for \"Month\"")
    }
}
