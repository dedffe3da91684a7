//! Exact parsing of JSON numbers: `1.796e18` is an integer, and 64-bit integers exceed the precision of doubles.

/// Parses an integer; returns `None` for other numbers and for those that no field can hold.
///
/// Accepts decimal points, trailing zeros and exponents, and a plus sign and leading zeros, which older senders write in
/// text.
pub(super) fn whole(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], exponent(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let (before, behind) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if before.is_empty() || !before.bytes().chain(behind.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The number of digits before the decimal point after applying the exponent.
    let point = i64::try_from(before.len()).ok()?.saturating_add(exponent);
    let mut value: i128 = 0;
    let mut place = 0;
    for byte in before.bytes().chain(behind.bytes()) {
        let digit = i128::from(byte - b'0');
        if place < point {
            value = value.checked_mul(10)?.checked_add(digit)?;
        } else if digit > 0 {
            return None;
        }
        place += 1;
    }
    while place < point && value > 0 {
        value = value.checked_mul(10)?;
        place += 1;
    }
    Some(if text.starts_with('-') { -value } else { value })
}

/// Parses an exponent; very large ones are clamped.
fn exponent(text: &str) -> Option<i64> {
    const MAX: i64 = i64::MAX / 4;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(MAX).min(MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

/// Parses a double; NaN and infinities are accepted by name. Numbers beyond the range of doubles are rejected.
pub(super) fn double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() || !text.bytes().any(|byte| byte.is_ascii_digit())).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_are_exact_in_every_notation() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("0.0e99999999999999999999", 0),
            ("1.796e18", 1_796_000_000_000_000_000),
            ("1796000000000000000.000", 1_796_000_000_000_000_000),
            ("1.7960000000000000001e19", 17_960_000_000_000_000_001),
            ("1.8446744073709551615E+19", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
            ("-92233720368547758080000e-4", i128::from(i64::MIN)),
            ("0.00000000000000000009223372036854775807e38", i128::from(i64::MAX)),
            ("9007199254740993", 9_007_199_254_740_993),
            ("120e-1", 12),
            ("+5", 5),
            ("007", 7),
        ] {
            assert_eq!(whole(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "-",
            "+-5",
            "1.5",
            "1e-1",
            "125e-2",
            "1e39",
            "1e999999999999999999999",
            ".5",
            "5.",
            "1e",
            "1e+",
            "0x1F",
            "1_000",
            " 1",
            "NaN",
            "--1",
            "1.2.3",
            "é",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// A number with its decimal point moved is the same number.
        #[test]
        fn the_place_of_the_point_makes_no_difference(number in any::<u64>(), places in 0..40_usize, zeros in 0..5_usize) {
            let digits = format!("{number:0>41}{}", "0".repeat(zeros));
            let (before, behind) = digits.split_at(digits.len() - places);
            let behind = if behind.is_empty() { String::new() } else { format!(".{behind}") };
            let exponent = i64::try_from(places).unwrap() - i64::try_from(zeros).unwrap();
            prop_assert_eq!(whole(&format!("{before}{behind}e{exponent}")), Some(i128::from(number)));
            prop_assert_eq!(whole(&format!("-{before}{behind}E{exponent:+}")), Some(-i128::from(number)));
        }
    }

    #[test]
    fn doubles_are_finite_or_named() {
        assert_eq!(
            (double("1e3"), double("-2.5"), double("1e999"), double("soon")),
            (Some(1000.0), Some(-2.5), None, None)
        );
        assert_eq!((double("Infinity"), double("-Infinity")), (Some(f64::INFINITY), Some(f64::NEG_INFINITY)));
        assert!(double("NaN").is_some_and(f64::is_nan));
    }
}
