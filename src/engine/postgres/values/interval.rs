//! Intervals of months, days and microseconds, parsed and formatted as in `PostgreSQL`.

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::{Result, exec_datafusion_err, exec_err};

pub(crate) const DAY_US: i64 = 86_400_000_000;
pub(crate) const HOUR_US: i64 = 3_600_000_000;
pub(crate) const MINUTE_US: i64 = 60_000_000;
pub(crate) const SECOND_US: i64 = 1_000_000;
/// Days of a month in calculations with a fixed length.
pub(crate) const MONTH_DAYS: i64 = 30;

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) months: i64,
    pub(crate) days: i64,
    pub(crate) us: i64,
}

impl Span {
    pub(crate) fn of(value: IntervalMonthDayNano) -> Span {
        Span { months: value.months.into(), days: value.days.into(), us: value.nanoseconds / 1000 }
    }

    pub(crate) fn us(us: i64) -> Span {
        Span { us, ..Span::default() }
    }

    /// Converts to Arrow's type, whose nanoseconds limit the time to 292 years; larger times are moved to days.
    pub(crate) fn value(self) -> Result<IntervalMonthDayNano> {
        let parts = (i32::try_from(self.months), i32::try_from(self.days), self.us.checked_mul(1000));
        match parts {
            (Ok(months), Ok(days), Some(nanos)) => Ok(IntervalMonthDayNano::new(months, days, nanos)),
            (Ok(months), Ok(days), None) => {
                let (more, us) = (self.us / DAY_US, self.us % DAY_US);
                let days = i64::from(days) + more;
                let days = i32::try_from(days).map_err(|_| exec_datafusion_err!("interval out of range"))?;
                Ok(IntervalMonthDayNano::new(months, days, us * 1000))
            }
            _ => exec_err!("interval out of range"),
        }
    }

    pub(crate) fn plus(self, other: Span) -> Option<Span> {
        Some(Span {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            us: self.us.checked_add(other.us)?,
        })
    }

    pub(crate) fn negated(self) -> Span {
        Span { months: -self.months, days: -self.days, us: self.us.saturating_neg() }
    }

    /// Multiplies by a number: fractions of months become days, with 30 days per month, and fractions of days become time.
    pub(crate) fn times(self, factor: f64) -> Option<Span> {
        self.scaled(|part| part * factor)
    }

    /// Divides by a number, with fractions as in [`Span::times`].
    pub(crate) fn over(self, divisor: f64) -> Option<Span> {
        self.scaled(|part| part / divisor)
    }

    fn scaled(self, by: impl Fn(f64) -> f64) -> Option<Span> {
        #[expect(clippy::cast_precision_loss, reason = "as PostgreSQL does, in doubles")]
        let (months, days, us) = (by(self.months as f64), by(self.days as f64), by(self.us as f64));
        if ![months, days, us].iter().all(|part| part.is_finite() && part.abs() < 9e18) {
            return None;
        }
        let micro = |value: f64| (value * 1e6).round_ties_even() / 1e6;
        let left_days = micro((months - months.trunc()) * 30.0);
        let mut whole_days = days.trunc() + left_days.trunc();
        let left = days - days.trunc() + left_days - left_days.trunc();
        let mut seconds = micro(left * 86_400.0);
        if seconds.abs() >= 86_400.0 {
            whole_days += (seconds / 86_400.0).trunc();
            seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let span = Span {
            months: months.trunc() as i64,
            days: whole_days as i64,
            us: (us + seconds * 1e6).round_ties_even() as i64,
        };
        Some(span)
    }

    /// Converts hours above 24 to days.
    pub(crate) fn justify_hours(self) -> Span {
        let mut span = Span { days: self.days + self.us / DAY_US, us: self.us % DAY_US, ..self };
        if span.days > 0 && span.us < 0 {
            span = Span { days: span.days - 1, us: span.us + DAY_US, ..span };
        } else if span.days < 0 && span.us > 0 {
            span = Span { days: span.days + 1, us: span.us - DAY_US, ..span };
        }
        span
    }

    /// Converts days above 30 to months.
    pub(crate) fn justify_days(self) -> Span {
        let mut span = Span { months: self.months + self.days / MONTH_DAYS, days: self.days % MONTH_DAYS, ..self };
        if span.months > 0 && span.days < 0 {
            span = Span { months: span.months - 1, days: span.days + MONTH_DAYS, ..span };
        } else if span.months < 0 && span.days > 0 {
            span = Span { months: span.months + 1, days: span.days - MONTH_DAYS, ..span };
        }
        span
    }

    /// Applies both conversions, and makes all signs equal.
    pub(crate) fn justify(self) -> Span {
        let mut span = Span { days: self.days + self.us / DAY_US, us: self.us % DAY_US, ..self };
        span = Span { months: span.months + span.days / MONTH_DAYS, days: span.days % MONTH_DAYS, ..span };
        let is_below = |span: &Span| span.days < 0 || (span.days == 0 && span.us < 0);
        let is_above = |span: &Span| span.days > 0 || (span.days == 0 && span.us > 0);
        if span.months > 0 && is_below(&span) {
            span = Span { months: span.months - 1, days: span.days + MONTH_DAYS, ..span };
        } else if span.months < 0 && is_above(&span) {
            span = Span { months: span.months + 1, days: span.days - MONTH_DAYS, ..span };
        }
        if span.days > 0 && span.us < 0 {
            span = Span { days: span.days - 1, us: span.us + DAY_US, ..span };
        } else if span.days < 0 && span.us > 0 {
            span = Span { days: span.days + 1, us: span.us - DAY_US, ..span };
        }
        span
    }

    /// Returns the length in microseconds with 30-day months.
    pub(crate) fn length_us(self) -> i128 {
        (i128::from(self.months) * i128::from(MONTH_DAYS) + i128::from(self.days)) * i128::from(DAY_US)
            + i128::from(self.us)
    }

    /// Formats `1 year 2 mons 3 days 04:05:06`.
    pub(crate) fn text(self) -> String {
        let (years, months) = (self.months / 12, self.months % 12);
        let (mut words, mut was_negative) = (Vec::new(), false);
        for (count, unit) in [(years, "year"), (months, "mon"), (self.days, "day")] {
            if count != 0 {
                let plus = if was_negative && count > 0 { "+" } else { "" };
                let plural = if count == 1 { "" } else { "s" };
                words.push(format!("{plus}{count} {unit}{plural}"));
                was_negative = count < 0;
            }
        }
        if self.us != 0 || words.is_empty() {
            let sign = if self.us < 0 {
                "-"
            } else if was_negative {
                "+"
            } else {
                ""
            };
            words.push(format!("{sign}{}", clock(self.us.unsigned_abs())));
        }
        words.join(" ")
    }

    /// Parses `1 day 2 hours`, `-1:30`, `1 year ago`, `P1DT2H`.
    pub(crate) fn read(text: &str) -> Option<Span> {
        let text = text.trim();
        if let Some(iso) = text.strip_prefix('P') {
            return iso8601(iso);
        }
        let lower = text.to_lowercase();
        let (body, sign) = match lower.strip_suffix("ago") {
            Some(body) => (body, -1.0),
            None => (lower.as_str(), 1.0),
        };
        let mut span = Span::default();
        let mut words = words(body.trim_start_matches('@'))?.into_iter().peekable();
        words.peek()?;
        while let Some(word) = words.next() {
            let part = if let Some((years, months)) = year_month(&word) {
                Span { months: years * 12 + months, ..Span::default() }
            } else if word.contains(':') {
                Span::us(hours(&word)?)
            } else {
                let number: f64 = word.parse().ok()?;
                match words.next_if(|next| next.starts_with(|c: char| c.is_alphabetic())) {
                    Some(unit) => of_unit(number, &unit)?,
                    // A number without unit is days before a time, and seconds at the end.
                    None if words.peek().is_some_and(|next| next.contains(':')) => of_unit(number, "day")?,
                    None if words.peek().is_none() => of_unit(number, "second")?,
                    None => return None,
                }
            };
            span = span.plus(part)?;
        }
        Some(if sign < 0.0 { span.negated() } else { span })
    }
}

/// Formats `04:05:06.789`.
pub(crate) fn clock(us: u64) -> String {
    let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:06}").trim_end_matches('0').to_owned() };
    format!("{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Splits a text into numbers and words, even without spaces between them.
fn words(text: &str) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for chunk in text.split(|c: char| c.is_whitespace() || c == ',').filter(|chunk| !chunk.is_empty()) {
        let mut current = String::new();
        for c in chunk.chars() {
            let changes = current.chars().last().is_some_and(|last| last.is_alphabetic() != c.is_alphabetic());
            if changes {
                found.push(std::mem::take(&mut current));
            }
            current.push(c);
        }
        found.push(current);
    }
    let known = |word: &String| word.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | ':' | '-' | '+'));
    found.iter().all(known).then_some(found)
}

/// Parses `1-2` as one year and two months.
fn year_month(word: &str) -> Option<(i64, i64)> {
    let (sign, body) = match word.split_at_checked(1)? {
        ("-", rest) => (-1, rest),
        ("+", rest) => (1, rest),
        _ => (1, word),
    };
    let (years, months) = body.split_once('-')?;
    Some((sign * years.parse::<i64>().ok()?, sign * months.parse::<i64>().ok()?))
}

/// Parses `1:30`, `-01:02:03.5` to microseconds.
fn hours(word: &str) -> Option<i64> {
    let (sign, body) = match word.split_at_checked(1)? {
        ("-", rest) => (-1, rest),
        ("+", rest) => (1, rest),
        _ => (1, word),
    };
    let parts: Vec<&str> = body.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [minutes, seconds] if seconds.contains('.') => ("0", *minutes, *seconds),
        [hours, minutes] => (*hours, *minutes, "0"),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let minutes = minutes.parse::<i64>().ok().filter(|minutes| *minutes < 60)?;
    let seconds: f64 = seconds.parse().ok().filter(|seconds| (0.0..61.0).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "less than 61 seconds")]
    let seconds = (seconds * 1e6).round() as i64;
    let hours = hours.parse::<i64>().ok()?.checked_mul(HOUR_US)?;
    Some(sign * hours.checked_add(minutes * MINUTE_US)?.checked_add(seconds)?)
}

/// Returns a number of units. Fractions of months become days, fractions of days become time.
pub(crate) fn of_unit(number: f64, unit: &str) -> Option<Span> {
    let months = |count: f64| Span { months: 1, ..Span::default() }.times(number * count);
    let days = |count: f64| Span { days: 1, ..Span::default() }.times(number * count);
    let time = |us: i64| Span::us(us).times(number);
    match unit.trim_end_matches('.') {
        "millennium" | "millenniums" | "millennia" | "mil" | "mils" => months(12_000.0),
        "century" | "centuries" | "cent" | "c" => months(1200.0),
        "decade" | "decades" | "dec" | "decs" => months(120.0),
        "year" | "years" | "y" | "yr" | "yrs" => {
            // PostgreSQL rounds fractions of years to months.
            let count = (number * 12.0).round_ties_even();
            #[expect(clippy::cast_possible_truncation, reason = "bounded here")]
            (count.abs() < 1e9).then(|| Span { months: count as i64, ..Span::default() })
        }
        "quarter" | "quarters" | "qtr" => months(3.0),
        "month" | "months" | "mon" | "mons" => months(1.0),
        "week" | "weeks" | "w" => days(7.0),
        "day" | "days" | "d" => days(1.0),
        "hour" | "hours" | "h" | "hr" | "hrs" => time(HOUR_US),
        "minute" | "minutes" | "m" | "min" | "mins" => time(MINUTE_US),
        "second" | "seconds" | "s" | "sec" | "secs" => time(SECOND_US),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => time(1000),
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => time(1),
        _ => None,
    }
}

/// Parses the text after the `P` of ISO 8601.
fn iso8601(text: &str) -> Option<Span> {
    let (mut span, mut number, mut in_time) = (Span::default(), String::new(), false);
    for c in text.chars() {
        match c {
            'T' if number.is_empty() => in_time = true,
            '0'..='9' | '.' | '-' | '+' => number.push(c),
            unit => {
                let value: f64 = std::mem::take(&mut number).parse().ok()?;
                let unit = match (unit, in_time) {
                    ('Y', false) => "year",
                    ('M', false) => "month",
                    ('W', false) => "week",
                    ('D', false) => "day",
                    ('H', true) => "hour",
                    ('M', true) => "minute",
                    ('S', true) => "second",
                    _ => return None,
                };
                span = span.plus(of_unit(value, unit)?)?;
            }
        }
    }
    number.is_empty().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts, and the output of `SELECT interval '…'` in `PostgreSQL` 15.
    #[test]
    fn texts_are_read_and_written() {
        for (text, expected) in [
            ("1 day 2 hours", "1 day 02:00:00"),
            ("1.5 days", "1 day 12:00:00"),
            ("-1:30", "-01:30:00"),
            ("1 year 2 mons 3 days 04:05:06.5", "1 year 2 mons 3 days 04:05:06.5"),
            ("2 hours ago", "-02:00:00"),
            ("P1DT2H3M", "1 day 02:03:00"),
            ("1-2", "1 year 2 mons"),
            ("90", "00:01:30"),
            ("1 12:30", "1 day 12:30:00"),
            ("5m", "00:05:00"),
            ("-1 day +2 hours", "-1 days +02:00:00"),
            ("1.5 months", "1 mon 15 days"),
            ("0", "00:00:00"),
        ] {
            assert_eq!(Span::read(text).map(Span::text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "one day", "1 fortnight", "1 2", "1:99"] {
            assert_eq!(Span::read(text), None, "{text}");
        }
    }
}
