//! Time zones by `PostgreSQL`'s names, and their changes of offset.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_datafusion_err};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Abbreviations that `PostgreSQL` accepts, with offsets in hours.
const SHORT: [(&str, i32); 14] = [
    ("utc", 0),
    ("gmt", 0),
    ("z", 0),
    ("zulu", 0),
    ("ut", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("cest", 2),
];
/// Maximum length of a zone name in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A time zone.
#[derive(Clone)]
pub struct Zone {
    name: Arc<str>,
    clock: Clock,
}

#[derive(Clone, Copy)]
enum Clock {
    Of(Tz),
    /// Seconds east of Greenwich.
    Fixed(i32),
}

impl Zone {
    /// Returns UTC.
    #[must_use]
    pub fn utc() -> Zone {
        Zone::fixed(0)
    }

    /// Creates a zone with a fixed offset in seconds east of Greenwich.
    pub(crate) fn fixed(seconds: i32) -> Zone {
        let (sign, abs) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
        let name = match (abs / 3600, abs / 60 % 60, abs % 60) {
            (0, 0, 0) => "UTC".to_owned(),
            (hours, 0, 0) => format!("{sign}{hours:02}"),
            (hours, minutes, 0) => format!("{sign}{hours:02}:{minutes:02}"),
            (hours, minutes, seconds) => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        };
        Zone { name: name.into(), clock: Clock::Fixed(seconds) }
    }

    /// Finds a zone by name, by abbreviation, or by POSIX offset, which counts hours west.
    pub(crate) fn named(name: &str) -> Option<Zone> {
        let name = name.trim();
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return None;
        }
        if let Some((_, hours)) = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)) {
            return Some(Zone::fixed(hours * 3600));
        }
        if let Some(seconds) = offset(name) {
            return Some(Zone::fixed(-seconds));
        }
        let known = || chrono_tz::TZ_VARIANTS.iter().find(|known| known.name().eq_ignore_ascii_case(name)).copied();
        let zone = name.parse::<Tz>().ok().or_else(known)?;
        Some(Zone { name: zone.name().into(), clock: Clock::Of(zone) })
    }

    /// Parses a zone like `SET timezone`, where a plain number is hours east. Returns `None` for unknown zones.
    #[must_use]
    pub fn set(value: &str) -> Option<Zone> {
        let value = value.trim();
        if matches!(value.to_lowercase().as_str(), "default" | "local") {
            return Some(Zone::utc());
        }
        match value.parse::<f64>() {
            #[expect(clippy::cast_possible_truncation, reason = "between -24 and 24 hours")]
            Ok(hours) if hours.abs() < 24.0 => Some(Zone::fixed((hours * 3600.0) as i32)),
            Ok(_) => None,
            Err(_) => Zone::named(value),
        }
    }

    /// Returns the offset at an instant, in seconds east of Greenwich.
    pub(crate) fn offset_at(&self, us: i64) -> i32 {
        match self.clock {
            Clock::Fixed(seconds) => seconds,
            Clock::Of(zone) => zone.offset_from_utc_datetime(&utc(us)).fix().local_minus_utc(),
        }
    }

    /// Returns the abbreviation at an instant, as `to_char` shows it.
    pub(crate) fn short_at(&self, us: i64) -> String {
        match self.clock {
            Clock::Fixed(_) => (*self.name).to_owned(),
            Clock::Of(zone) => zone.from_utc_datetime(&utc(us)).format("%Z").to_string(),
        }
    }

    /// Converts an instant to local time.
    pub(crate) fn local(&self, us: i64) -> i64 {
        us.saturating_add(i64::from(self.offset_at(us)) * 1_000_000)
    }

    /// Converts a local time to an instant. Repeated local times are read as standard time; skipped ones use the offset before
    /// the change.
    pub(crate) fn moment(&self, local_us: i64) -> i64 {
        let seconds = match self.clock {
            Clock::Fixed(seconds) => seconds,
            Clock::Of(zone) => of_local(zone, utc(local_us)),
        };
        local_us.saturating_sub(i64::from(seconds) * 1_000_000)
    }
}

fn of_local(zone: Tz, local: NaiveDateTime) -> i32 {
    let of = |local: &NaiveDateTime| match zone.offset_from_local_datetime(local) {
        MappedLocalTime::Single(offset) => Some(offset.fix().local_minus_utc()),
        MappedLocalTime::Ambiguous(one, other) => Some(one.fix().local_minus_utc().min(other.fix().local_minus_utc())),
        MappedLocalTime::None => None,
    };
    // Clock changes skip up to three hours, or a day at the date line.
    of(&local).or_else(|| of(&(local - TimeDelta::hours(3)))).or_else(|| of(&(local - TimeDelta::days(1)))).unwrap_or(0)
}

/// Converts microseconds since the epoch to date and time.
pub(crate) fn utc(us: i64) -> NaiveDateTime {
    DateTime::from_timestamp_micros(us).unwrap_or_default().naive_utc()
}

/// Finds a zone by name, or returns an error.
pub(crate) fn zone(name: &str) -> Result<Zone> {
    Zone::named(name).ok_or_else(|| exec_datafusion_err!("time zone {name:?} not recognized"))
}

/// Parses `+02`, `-05:30`, `+0530` to seconds.
pub(crate) fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let parts: Vec<&str> = digits.split(':').collect();
    let number = |text: &str, most: i32| {
        let number = text.parse::<i32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.filter(|number| *number <= most)
    };
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours] if hours.len() <= 2 => (number(hours, 15)?, 0, 0),
        [both] if both.len() <= 4 => {
            let (hours, minutes) = both.split_at(both.len() - 2);
            (number(hours, 15)?, number(minutes, 59)?, 0)
        }
        [hours, minutes] => (number(hours, 15)?, number(minutes, 59)?, 0),
        [hours, minutes, seconds] => (number(hours, 15)?, number(minutes, 59)?, number(seconds, 59)?),
        _ => return None,
    };
    Some(sign * (hours * 3600 + minutes * 60 + seconds))
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
