//! Formats times as text.

const NANOS_A_SECOND: i64 = 1_000_000_000;

/// Formats a time in UTC with milliseconds: `2006-01-02T15:04:05.000Z`.
pub(super) fn text(unix_nano: i64) -> String {
    let (seconds, nanos) = (unix_nano.div_euclid(NANOS_A_SECOND), unix_nano.rem_euclid(NANOS_A_SECOND));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", nanos / 1_000_000)
}

/// Returns the date of a day since 1970: years start in March, so that a leap day comes last.
fn date(days: i64) -> (i64, i64, i64) {
    // From 1 March 0000; eras of 400 years are 146,097 days each.
    let day = days + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, of_month)
}
