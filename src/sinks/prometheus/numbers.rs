//! Numbers as Prometheus' own exposition prints them, so that `le` labels equal those of the Collector.

/// As Go's shortest `%g`: an exponent below 1e-4 and from 1e6 on; `+Inf`, `-Inf`, `NaN`.
pub(super) fn text_number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        // Adding zero turns a negative zero into a plain one.
        return format!("{}", value + 0.0);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// As `OpenMetrics` wants a float: never without a point or an exponent.
pub(super) fn open_metrics_number(value: f64) -> String {
    let mut text = text_number(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: what Go's `strconv.FormatFloat(f, 'g', -1, 64)` prints.
    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.5, "0.5"),
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (12_345_678.5, "1.23456785e+07"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e300, "1.5e+300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text_number(value), expected);
        }
        assert_eq!(open_metrics_number(2.0), "2.0");
        assert_eq!(open_metrics_number(1e6), "1e+06");
        assert_eq!(open_metrics_number(f64::INFINITY), "+Inf");
    }
}
