//! Formats numbers like Prometheus' own exposition, so that `le` labels equal those of the Collector.

use std::io::Write as _;

/// Appends an integer.
pub(super) fn push_count(out: &mut Vec<u8>, mut count: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(count % 10).unwrap_or_default();
        count /= 10;
        if count == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number like Go's shortest `%g`: with an exponent below 1e-4 and from 1e6 on; `+Inf`, `-Inf`, `NaN`.
pub(super) fn push_number(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.abs() < 1e6 && value.fract() == 0.0 {
        if value < 0.0 {
            out.push(b'-');
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below a million")]
        push_count(out, value.abs() as u64);
    } else if value.abs() < 1e6 && value.abs() >= 1e-4 {
        let _to_memory = write!(out, "{value}");
    } else {
        let began = out.len();
        let _to_memory = write!(out, "{value:e}");
        exponent_of_two_digits(out, began);
    }
}

/// Turns `1e6` into `1e+06`.
fn exponent_of_two_digits(out: &mut Vec<u8>, began: usize) {
    let Some(sign) = out[began..].iter().position(|byte| *byte == b'e').map(|at| began + at + 1) else { return };
    if out.get(sign) != Some(&b'-') {
        out.insert(sign, b'+');
    }
    if out.len() - sign == 2 {
        out.insert(sign + 1, b'0');
    }
}

/// Appends an `OpenMetrics` float, which always has a point or an exponent.
pub(super) fn push_float(out: &mut Vec<u8>, value: f64) {
    let began = out.len();
    push_number(out, value);
    if value.is_finite() && !out[began..].iter().any(|byte| matches!(byte, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

/// Appends a time in ms as `OpenMetrics` seconds.
pub(super) fn push_seconds(out: &mut Vec<u8>, ms: i64) {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let _to_memory = write!(out, "{sign}{}.{:03}", ms / 1000, ms % 1000);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl Fn(&mut Vec<u8>, f64), value: f64) -> String {
        let mut out = b"x".to_vec();
        push(&mut out, value);
        String::from_utf8(out.split_off(1)).unwrap()
    }

    /// Expected values: the output of Go's `strconv.FormatFloat(f, 'g', -1, 64)`.
    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.5, "0.5"),
            (-7.0, "-7"),
            (-0.25, "-0.25"),
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (999_999.5, "999999.5"),
            (1e6, "1e+06"),
            (-1e6, "-1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (12_345_678.5, "1.23456785e+07"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(push_number, value), expected);
        }
        assert_eq!(text(push_float, 2.0), "2.0");
        assert_eq!(text(push_float, 1e6), "1e+06");
        assert_eq!(text(push_float, f64::INFINITY), "+Inf");
        for (count, expected) in [(0, "0"), (10, "10"), (u64::MAX, "18446744073709551615")] {
            assert_eq!(text(|out, _| push_count(out, count), 0.0), expected);
        }
    }
}
