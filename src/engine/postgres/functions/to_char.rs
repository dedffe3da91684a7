//! `to_char` of times and intervals.

use super::to_char_number;
use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::Form;
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use crate::engine::postgres::values::interval::{HOUR_US, MINUTE_US, SECOND_US, Span};
use crate::engine::postgres::values::stamp::offset_text;
use crate::engine::postgres::zones::{Zone, utc};
use arrow::array::ArrayRef;
use chrono::{Datelike as _, NaiveDate, Timelike as _};
use datafusion::common::Result;

use Kind::{Float4, Float8, Int4, Int8, Interval, Numeric, Text, Timestamp, TimestampTz};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Fields of a pattern; longer ones before their prefixes.
pub(super) const WORDS: [&str; 78] = [
    "Y,YYY", "A.D.", "a.d.", "B.C.", "b.c.", "A.M.", "a.m.", "P.M.", "p.m.", "MONTH", "Month", "month", "SSSSS",
    "SSSS", "YYYY", "yyyy", "IYYY", "iyyy", "IDDD", "iddd", "HH24", "hh24", "HH12", "hh12", "YYY", "yyy", "IYY", "iyy",
    "MON", "Mon", "mon", "DAY", "Day", "day", "DDD", "ddd", "TZH", "tzh", "TZM", "tzm", "FF1", "FF2", "FF3", "FF4",
    "FF5", "FF6", "HH", "hh", "MI", "mi", "MM", "mm", "MS", "ms", "SS", "ss", "US", "us", "YY", "yy", "IY", "iy", "DD",
    "dd", "DY", "Dy", "dy", "ID", "id", "IW", "iw", "WW", "ww", "CC", "cc", "AM", "am", "PM",
];
const WORDS_SHORT: [&str; 21] =
    ["pm", "AD", "ad", "BC", "bc", "TZ", "tz", "OF", "RM", "rm", "Y", "y", "I", "D", "d", "W", "w", "Q", "q", "J", "j"];

pub(super) fn all() -> Vec<Function> {
    vec![Function::new("to_char", &TO_CHAR)]
}

static TO_CHAR: [Form; 8] = [
    Form::new(&[TimestampTz, Text], Text, |call| {
        call.to_texts(|row| {
            let us = call.stamp(0, row)?;
            Ok(Some(filled(call.text(1, row)?, &Moment::new(call.zone.local(us), Some((call.zone, us))))))
        })
    }),
    Form::new(&[Timestamp, Text], Text, |call| {
        call.to_texts(|row| Ok(Some(filled(call.text(1, row)?, &Moment::new(call.stamp(0, row)?, None)))))
    }),
    Form::new(&[Interval, Text], Text, |call| {
        call.to_texts(|row| Ok(Some(filled(call.text(1, row)?, &Moment::of(Span::of(call.interval(0, row)?))))))
    }),
    Form::new(&[Int4, Text], Text, of_ints),
    Form::new(&[Int8, Text], Text, of_ints),
    Form::new(&[Numeric, Text], Text, |call| {
        call.to_texts(|row| to_char_number::filled(call.text(1, row)?, call.number(0, row)?, call.scale(0)).map(Some))
    }),
    Form::new(&[Float8, Text], Text, |call| {
        call.to_texts(|row| to_char_number::of_float(call.text(1, row)?, call.float(0, row)?).map(Some))
    }),
    Form::new(&[Float4, Text], Text, |call| {
        let wide = arrow::compute::cast(&call.args[0], &arrow::datatypes::DataType::Float64)?;
        let wide = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&wide).clone();
        call.to_texts(|row| to_char_number::of_float(call.text(1, row)?, wide.value(row)).map(Some))
    }),
];

fn of_ints(call: &Call<'_>) -> Result<ArrayRef> {
    call.to_texts(|row| to_char_number::filled(call.text(1, row)?, call.int(0, row)?.into(), 0).map(Some))
}

/// Values that a pattern can display.
struct Moment<'a> {
    date: Option<NaiveDate>,
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    us_of_hour: i64,
    zone: Option<(&'a Zone, i64)>,
}

impl<'a> Moment<'a> {
    fn new(local: i64, zone: Option<(&'a Zone, i64)>) -> Moment<'a> {
        let at = utc(local);
        Moment {
            date: Some(at.date()),
            years: at.year().into(),
            months: at.month().into(),
            days: at.day().into(),
            hours: at.hour().into(),
            us_of_hour: local.rem_euclid(HOUR_US),
            zone,
        }
    }

    fn of(span: Span) -> Moment<'a> {
        Moment {
            date: None,
            years: span.months / 12,
            months: span.months % 12,
            days: span.days,
            hours: span.us / HOUR_US,
            us_of_hour: span.us % HOUR_US,
            zone: None,
        }
    }
}

/// Returns the field at the beginning of a pattern.
pub(super) fn word_of(pattern: &str) -> Option<&'static str> {
    WORDS.iter().chain(&WORDS_SHORT).copied().find(|word| pattern.starts_with(word))
}

fn filled(pattern: &str, moment: &Moment<'_>) -> String {
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let body = &rest[1..];
            let end = body.find('"').unwrap_or(body.len());
            text.push_str(&body[..end].replace('\\', ""));
            rest = body.get(end + 1..).unwrap_or("");
            continue;
        }
        if c == '\\' {
            rest = &rest[1..];
            if let Some(next) = rest.chars().next() {
                text.push(next);
                rest = &rest[next.len_utf8()..];
            }
            continue;
        }
        let fills = rest.starts_with("FM") || rest.starts_with("fm");
        let body = if fills { &rest[2..] } else { rest };
        let body = body.strip_prefix("FX").or_else(|| body.strip_prefix("TM")).unwrap_or(body);
        let Some(word) = word_of(body) else {
            if fills {
                rest = body;
            } else {
                text.push(c);
                rest = &rest[c.len_utf8()..];
            }
            continue;
        };
        let shown = shown(word, moment, fills);
        rest = &body[word.len()..];
        let ordinal = rest.get(..2).filter(|next| next.eq_ignore_ascii_case("th"));
        if let Some(next) = ordinal.filter(|_| shown.ends_with(|c: char| c.is_ascii_digit())) {
            let end = to_char_number::ordinal(&shown);
            text.push_str(&shown);
            text.push_str(&if next == "TH" { end.to_uppercase() } else { end.to_owned() });
            rest = &rest[2..];
        } else {
            text.push_str(&shown);
        }
    }
    text
}

fn digits(value: i64, width: usize, fills: bool) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let number = value.unsigned_abs().to_string();
    if fills { format!("{sign}{number}") } else { format!("{sign}{number:0>width$}") }
}

fn name(name: &str, word: &str, width: usize, fills: bool) -> String {
    let name = if word.chars().nth(1).is_some_and(char::is_uppercase) {
        name.to_uppercase()
    } else if word.starts_with(char::is_uppercase) {
        name.to_owned()
    } else {
        name.to_lowercase()
    };
    if fills { name } else { format!("{name:<width$}") }
}

fn of_case(upper: &str, word: &str) -> String {
    if word.starts_with(char::is_uppercase) { upper.to_owned() } else { upper.to_lowercase() }
}

fn shown(word: &str, at: &Moment<'_>, fills: bool) -> String {
    let minutes = at.us_of_hour / MINUTE_US;
    let (seconds, us) = (at.us_of_hour / SECOND_US % 60, at.us_of_hour % SECOND_US);
    let date = at.date.unwrap_or_default();
    let has_date = at.date.is_some();
    let year = if has_date && at.years <= 0 { 1 - at.years } else { at.years };
    let iso = i64::from(date.iso_week().year());
    let twelve = |hours: i64| if hours % 12 == 0 { 12 } else { hours % 12 };
    let is_afternoon = at.hours.rem_euclid(24) >= 12;
    let fraction = |places: usize| format!("{us:06}").chars().take(places).collect::<String>();
    match word.to_uppercase().as_str() {
        "HH24" => digits(at.hours, 2, fills),
        "HH" | "HH12" => digits(twelve(at.hours), 2, fills),
        "MI" => digits(minutes, 2, fills),
        "SS" => digits(seconds, 2, fills),
        "MS" | "FF3" => fraction(3),
        "US" | "FF6" => fraction(6),
        "FF1" => fraction(1),
        "FF2" => fraction(2),
        "FF4" => fraction(4),
        "FF5" => fraction(5),
        "SSSS" | "SSSSS" => digits(at.hours * 3600 + at.us_of_hour / SECOND_US, 1, true),
        "AM" | "PM" => of_case(if is_afternoon { "PM" } else { "AM" }, word),
        "A.M." | "P.M." => of_case(if is_afternoon { "P.M." } else { "A.M." }, word),
        "AD" | "BC" => of_case(if at.years > 0 { "AD" } else { "BC" }, word),
        "A.D." | "B.C." => of_case(if at.years > 0 { "A.D." } else { "B.C." }, word),
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "YYYY" => digits(year, 4, fills),
        "YYY" => digits(year % 1000, 3, fills),
        "YY" => digits(year % 100, 2, fills),
        "Y" => digits(year % 10, 1, fills),
        "IYYY" => digits(iso, 4, fills),
        "IYY" => digits(iso % 1000, 3, fills),
        "IY" => digits(iso % 100, 2, fills),
        "I" => digits(iso % 10, 1, fills),
        "CC" => digits((year + 99) / 100, 2, fills),
        "MM" => digits(at.months, 2, fills),
        "MONTH" if has_date => name(MONTHS[month(date)], word, 9, fills),
        "MON" if has_date => name(&MONTHS[month(date)][..3], word, 3, fills),
        "RM" if has_date => {
            let roman = of_case(ROMAN[month(date)], word);
            if fills { roman } else { format!("{roman:<4}") }
        }
        "DAY" if has_date => name(DAYS[weekday(date)], word, 9, fills),
        "DY" if has_date => name(&DAYS[weekday(date)][..3], word, 3, fills),
        "DDD" => digits(if has_date { date.ordinal().into() } else { at.days }, 3, fills),
        "IDDD" => {
            digits(i64::from(date.iso_week().week() - 1) * 7 + i64::from(date.weekday().number_from_monday()), 3, fills)
        }
        "DD" => digits(at.days, 2, fills),
        "D" => digits(i64::from(date.weekday().num_days_from_sunday()) + 1, 1, fills),
        "ID" => digits(date.weekday().number_from_monday().into(), 1, fills),
        "W" => digits((at.days - 1) / 7 + 1, 1, fills),
        "WW" => digits((i64::from(date.ordinal()) - 1) / 7 + 1, 2, fills),
        "IW" => digits(date.iso_week().week().into(), 2, fills),
        "Q" => digits((i64::from(date.month()) - 1) / 3 + 1, 1, fills),
        "J" => digits(i64::from(crate::engine::postgres::values::stamp::days_since_epoch(date)) + 2_440_588, 1, fills),
        "TZ" => at.zone.map_or_else(String::new, |(zone, us)| of_case(&zone.short_at(us), word)),
        "TZH" => {
            let hours = at.zone.map_or(0, |(zone, us)| zone.offset_at(us) / 3600);
            format!("{}{:02}", if hours < 0 { '-' } else { '+' }, hours.abs())
        }
        "TZM" => digits(at.zone.map_or(0, |(zone, us)| i64::from(zone.offset_at(us) / 60 % 60).abs()), 2, fills),
        "OF" => at.zone.map_or_else(|| "+00".to_owned(), |(zone, us)| offset_text(zone.offset_at(us))),
        _ => String::new(),
    }
}

fn month(date: NaiveDate) -> usize {
    usize::try_from(date.month0()).unwrap_or(0)
}

fn weekday(date: NaiveDate) -> usize {
    usize::try_from(date.weekday().num_days_from_sunday()).unwrap_or(0)
}
