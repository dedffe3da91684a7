//! Numbers with units: parsed as people write them, and formatted for people.

/// Units of time in milliseconds, longest names first.
const TIMES_MS: [(&str, f64); 8] = [
    ("ms", 1.0),
    ("us", 0.001),
    ("µs", 0.001),
    ("ns", 0.000_001),
    ("s", 1000.0),
    ("m", 60_000.0),
    ("h", 3_600_000.0),
    ("d", 86_400_000.0),
];

/// Units of size in bytes, longest names first; case-insensitive.
const SIZES_BYTES: [(&str, f64); 7] = [
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("kb", 1000.0),
    ("mb", 1_000_000.0),
    ("gb", 1_000_000_000.0),
    ("b", 1.0),
];

/// Format that [`duration_ms`] accepts, for messages.
pub const DURATION: &str = "a duration such as 200ms, 5s, 5m, 2h or 30d";
/// Format that [`size_bytes`] accepts, for messages.
pub const SIZE: &str = "a size such as 500kb, 2mb or 64MiB";
/// Format that [`share_percent`] accepts, for messages.
pub const SHARE: &str = "a share such as 0.1% or 0.001";

/// Parses a duration to milliseconds; several parts (`1m30s`) and spaces between them are allowed. Returns `None` for anything
/// else, including a number without a unit.
#[must_use]
pub fn duration_ms(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let behind = rest[digits..].trim_start();
        let (unit, ms) = TIMES_MS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        *sum.get_or_insert(0.0) += number * ms;
        rest = behind[unit.len()..].trim_start();
    }
    sum
}

/// Parses a duration to whole milliseconds.
#[must_use]
pub fn duration_whole_ms(text: &str) -> Option<i64> {
    let ms = duration_ms(text)?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie within i64")]
    (ms.is_finite() && ms < 9e15).then(|| ms.round() as i64)
}

/// Parses a duration to a [`std::time::Duration`].
#[must_use]
pub fn duration(text: &str) -> Option<std::time::Duration> {
    std::time::Duration::try_from_secs_f64(duration_ms(text)? / 1000.0).ok()
}

/// Parses a size to bytes; a plain number is in bytes.
#[must_use]
pub fn size_bytes(text: &str) -> Option<f64> {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(bytes) = text.parse::<f64>() {
        return (bytes >= 0.0).then_some(bytes);
    }
    let (unit, bytes) = SIZES_BYTES.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: f64 = text[..text.len() - unit.len()].trim().parse().ok()?;
    (number >= 0.0).then_some(number * bytes)
}

/// Parses a share to percent: `0.1%` and `0.001` are both 0.1. Plain numbers above 1 are invalid, because they could be meant
/// as percent.
#[must_use]
pub fn share_percent(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, scale, most) = match text.strip_suffix('%') {
        Some(number) => (number.trim(), 1.0, 100.0),
        None => (text, 100.0, 1.0),
    };
    let number: f64 = number.parse().ok()?;
    (0.0..=most).contains(&number).then_some(number * scale)
}

/// Formats a value with its unit for people: `183 ms`, `2.4 s`, `99.92 %`, `1.5 MB`.
#[must_use]
pub fn human(value: f64, unit: &str) -> String {
    match unit {
        "ms" => human_ms(value),
        "s" => human_ms(value * 1000.0),
        "By" => human_bytes(value),
        "%" => format!("{} %", percent(value)),
        "" | "1" => human_count(value),
        // The surrounding sentence names what is counted (UCUM's annotation).
        other if other.starts_with('{') => human_count(value),
        other => format!("{} {other}", human_count(value)),
    }
}

/// Formats a duration for people.
#[must_use]
pub fn human_ms(ms: f64) -> String {
    let size = ms.abs();
    match size {
        _ if size >= 2.0 * 86_400_000.0 => format!("{} d", short(ms / 86_400_000.0)),
        _ if size >= 2.0 * 3_600_000.0 => format!("{} h", short(ms / 3_600_000.0)),
        _ if size >= 2.0 * 60_000.0 => format!("{} min", short(ms / 60_000.0)),
        _ if size >= 1000.0 => format!("{} s", short(ms / 1000.0)),
        _ if size >= 1.0 || ms == 0.0 => format!("{} ms", short(ms)),
        _ => format!("{} µs", short(ms * 1000.0)),
    }
}

/// Formats a size for people, in powers of ten as for disks and networks.
#[must_use]
pub fn human_bytes(bytes: f64) -> String {
    for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] {
        if bytes.abs() >= size {
            return format!("{} {unit}", short(bytes / size));
        }
    }
    format!("{} B", short(bytes))
}

/// Formats a count for people: `950`, `12.4 k`, `3.1 M`.
#[must_use]
pub fn human_count(count: f64) -> String {
    for (unit, size) in [("G", 1e9), ("M", 1e6), ("k", 1e4)] {
        if count.abs() >= size {
            let size = if unit == "k" { 1e3 } else { size };
            return format!("{} {unit}", short(count / size));
        }
    }
    short(count)
}

/// Formats a share. Near 100 % it keeps the digits of the remainder, so that only exactly 100 % is shown as `100`.
fn percent(value: f64) -> String {
    if value <= 99.0 || value >= 100.0 {
        return short(value);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 6")]
    let digits = (-(100.0 - value).log10()).ceil().clamp(0.0, 6.0) as usize;
    trimmed(&format!("{value:.digits$}"))
}

/// Formats three significant digits, without trailing zeros.
pub(super) fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    trimmed(&format!("{value:.digits$}"))
}

fn trimmed(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration_ms("200ms"), Some(200.0));
        assert_eq!(duration_ms("1m30s"), Some(90_000.0));
        assert_eq!(duration_ms("30d"), Some(2_592_000_000.0));
        assert_eq!(duration_ms("1.5h"), Some(5_400_000.0));
        assert_eq!(duration_ms("200 ms"), Some(200.0));
        assert_eq!(duration_ms("1 m 30 s"), Some(90_000.0));
        for none in ["", "5", "s", "5 parsecs", "5m5", "5 5m", "5 ", "-5s", "1..5s"] {
            assert_eq!(duration_ms(none), None, "{none:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size_bytes("500kb"), Some(500_000.0));
        assert_eq!(size_bytes("2MB"), Some(2_000_000.0));
        assert_eq!(size_bytes("64MiB"), Some(67_108_864.0));
        assert_eq!(size_bytes("17"), Some(17.0));
        assert_eq!(size_bytes("many"), None);
    }

    #[test]
    fn shares() {
        assert_eq!(share_percent("0.1%"), Some(0.1));
        assert_eq!(share_percent("0.001"), Some(0.1));
        assert_eq!(share_percent("99.9%"), Some(99.9));
        assert_eq!(share_percent("5"), None);
        assert_eq!(share_percent("101%"), None);
    }

    #[test]
    fn people_read_three_digits_and_a_unit() {
        assert_eq!(human(183.4, "ms"), "183 ms");
        assert_eq!(human(2400.0, "ms"), "2.4 s");
        assert_eq!(human(0.25, "ms"), "250 µs");
        assert_eq!(human(99.917, "%"), "99.92 %");
        assert_eq!(human(99.95, "%"), "99.95 %");
        assert_eq!(human(99.999, "%"), "99.999 %");
        assert_eq!(human(99.5, "%"), "99.5 %");
        assert_eq!(human(100.0, "%"), "100 %");
        assert_eq!(human(1_500_000.0, "By"), "1.5 MB");
        assert_eq!(human(12_400.0, "1"), "12.4 k");
        assert_eq!(human(7.0, "{connection}"), "7");
    }
}
