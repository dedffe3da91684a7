//! Numbers: parsing, formatting, rounding, and the scale of quotients.

use crate::engine::postgres::kinds::DIGITS;
use arrow::datatypes::i256;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};

/// Returns `PostgreSQL`'s error for an integer out of range.
pub(crate) fn out_of_range(kind: &str) -> DataFusionError {
    exec_datafusion_err!("{kind} out of range")
}

/// Formats a double as the shortest text that parses to the same value.
pub(crate) fn float_text(value: f64) -> String {
    shortest(value, format!("{value:e}"), 15)
}

/// Formats a four-byte float as the shortest text that parses to the same value.
pub(crate) fn real_text(value: f32) -> String {
    shortest(f64::from(value), format!("{value:e}"), 6)
}

/// Uses plain notation for exponents below `plain_below`.
fn shortest(value: f64, scientific: String, plain_below: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let plain: String = digits.chars().filter(|c| *c != '.').collect();
    if !(-4..plain_below).contains(&exponent) {
        let sign_of = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{digits}e{sign_of}{:02}", exponent.abs());
    }
    let whole = usize::try_from(exponent + 1).unwrap_or(0);
    if exponent < 0 {
        return format!("{sign}0.{}{plain}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0)));
    }
    if plain.len() <= whole {
        return format!("{sign}{plain}{}", "0".repeat(whole - plain.len()));
    }
    format!("{sign}{}.{}", &plain[..whole], &plain[whole..])
}

/// Formats a numeric with its scale.
pub(crate) fn number_text(value: i128, scale: i8) -> String {
    let Ok(scale) = usize::try_from(scale) else {
        return format!(
            "{value}{}",
            if value == 0 { String::new() } else { "0".repeat(usize::from(scale.unsigned_abs())) }
        );
    };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let (sign, point) = (if value < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
    format!("{sign}{whole}{point}{fraction}")
}

/// Returns a power of ten.
pub(crate) fn power_of_ten(power: u32) -> Option<i128> {
    10_i128.checked_pow(power)
}

/// Converts a numeric to another scale, rounding half away from zero.
pub(crate) fn rescaled(value: i128, from: i8, to: i8) -> Option<i128> {
    let by = power_of_ten(u32::from(from.abs_diff(to)));
    if to >= from {
        return value.checked_mul(by?).filter(|value| fits(*value));
    }
    Some(by.map_or(0, |by| divided(value, by)))
}

/// Divides, rounding half away from zero.
fn divided(value: i128, by: i128) -> i128 {
    let (quotient, rest) = (value / by, value % by);
    if rest.unsigned_abs() >= by.unsigned_abs().div_ceil(2) {
        quotient + if value < 0 { -1 } else { 1 }
    } else {
        quotient
    }
}

/// Returns whether a numeric has at most the maximum number of digits.
pub(crate) fn fits(value: i128) -> bool {
    power_of_ten(DIGITS.into()).is_none_or(|most| value.abs() < most)
}

/// Returns the error for a numeric with too many digits.
pub(crate) fn too_many_digits() -> DataFusionError {
    exec_datafusion_err!("value overflows numeric format: at most {DIGITS} digits are held")
}

/// Returns `left / right` with a scale.
pub(crate) fn quotient(left: (i128, i8), right: (i128, i8), scale: i8) -> Result<i128> {
    if right.0 == 0 {
        return exec_err!("division by zero");
    }
    let power = i32::from(scale) - i32::from(left.1) + i32::from(right.1);
    let ten = |power: u32| i256::from_i128(10).checked_pow(power);
    let (mut above, mut below) = (i256::from_i128(left.0), i256::from_i128(right.0));
    let by = ten(power.unsigned_abs()).ok_or_else(too_many_digits)?;
    let side = if power >= 0 { &mut above } else { &mut below };
    *side = side.checked_mul(by).ok_or_else(too_many_digits)?;
    rounded(above, below).ok_or_else(too_many_digits)
}

/// Divides, rounding half away from zero.
fn rounded(above: i256, below: i256) -> Option<i128> {
    let (whole, rest) = (above.checked_div(below)?, above.checked_rem(below)?);
    let is_negative = above.is_negative() != below.is_negative();
    let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
    let up = if twice >= below.wrapping_abs() { if is_negative { -1 } else { 1 } } else { 0 };
    whole.checked_add(i256::from_i128(up))?.to_i128().filter(|value| fits(*value))
}

/// Returns `left * right` with a scale.
pub(crate) fn product(left: (i128, i8), right: (i128, i8), scale: i8) -> Result<i128> {
    let wide = i256::from_i128(left.0).checked_mul(i256::from_i128(right.0)).ok_or_else(too_many_digits)?;
    let power = i32::from(left.1) + i32::from(right.1) - i32::from(scale);
    let by = i256::from_i128(10).checked_pow(power.unsigned_abs()).ok_or_else(too_many_digits)?;
    let value = if power >= 0 { rounded(wide, by) } else { wide.checked_mul(by).and_then(i256::to_i128) };
    value.filter(|value| fits(*value)).ok_or_else(too_many_digits)
}

/// Returns the scale of a quotient: at least sixteen significant digits, as in `PostgreSQL`'s `select_div_scale`.
pub(crate) fn quotient_scale(left: (i128, i8), right: (i128, i8)) -> i8 {
    let ((weight1, first1), (weight2, first2)) = (leading(left), leading(right));
    let weight = weight1 - weight2 - i32::from(first1 <= first2);
    let least = i32::from(left.1.max(right.1).max(0));
    i8::try_from((16 - weight * 4).max(least).clamp(0, i32::from(DIGITS) - 2)).unwrap_or(16)
}

/// Returns the weight of the first four-digit group, and that group.
fn leading(value: (i128, i8)) -> (i32, i128) {
    if value.0 == 0 {
        return (0, 0);
    }
    let digits = value.0.unsigned_abs().to_string();
    // Power of ten of the first digit.
    let power = i32::try_from(digits.len()).unwrap_or(0) - 1 - i32::from(value.1);
    let weight = power.div_euclid(4);
    let taken = usize::try_from(power - weight * 4 + 1).unwrap_or(1);
    let first: String = digits.chars().chain(std::iter::repeat('0')).take(taken).collect();
    (weight, first.parse().unwrap_or(0))
}

/// Returns the displayed scale of a quotient, derived from the quotient alone.
pub(crate) fn shown_scale(value: i128, scale: i8) -> i8 {
    let (mut weight, first) = leading((value, scale));
    if value == 0 {
        return scale.max(20);
    }
    // A power of ten is the quotient of two numbers with the same digits.
    if first == 1 && Some(value.abs()) == u32::try_from(i32::from(scale) + weight * 4).ok().and_then(power_of_ten) {
        weight -= 1;
    }
    // If fewer digits are stored, the missing ones are zeros.
    i8::try_from((16 - weight * 4).clamp(0, i32::from(scale.max(20)))).unwrap_or(scale)
}

/// Parses a number with optional point and exponent to value and scale.
pub(crate) fn read_number(text: &str) -> Option<(i128, i8)> {
    let text = text.trim();
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, digits) = match digits.split_at_checked(1)? {
        ("-", rest) => (true, rest),
        ("+", rest) => (false, rest),
        _ => (false, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value.checked_mul(10)?.checked_add(digit.to_digit(10)?.into())?;
    }
    let scale = i32::try_from(fraction.len()).ok()? - exponent;
    let value = if is_negative { -value } else { value };
    if scale < 0 {
        let value = value.checked_mul(power_of_ten(scale.unsigned_abs())?).filter(|value| fits(*value))?;
        return Some((value, 0));
    }
    let scale = i8::try_from(scale).ok().filter(|scale| *scale <= DIGITS.cast_signed())?;
    Some((value, scale)).filter(|(value, _)| fits(*value))
}

/// Converts a double to a numeric: the fifteen digits that are always exact, without trailing zeros.
pub(crate) fn of_float(value: f64) -> Option<(i128, i8)> {
    if !value.is_finite() {
        return None;
    }
    let (digits, exponent) = format!("{value:.14e}").split_once('e').map(|(d, e)| (d.to_owned(), e.to_owned()))?;
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let exponent: i32 = exponent.parse().ok()?;
    if exponent < -i32::from(DIGITS) + 16 {
        return Some((0, 0));
    }
    read_number(&format!("{digits}e{exponent}"))
}

/// Converts a numeric to a double.
pub(crate) fn to_float(value: i128, scale: i8) -> f64 {
    // Parsing the text gives the nearest double.
    number_text(value, scale).parse().unwrap_or(f64::NAN)
}

/// Converts a double to an integer within bounds, rounding half to even.
pub(crate) fn float_to_int(value: f64, (least, most): (i64, i64), kind: &str) -> Result<i64> {
    let rounded = value.round_ties_even();
    #[expect(clippy::cast_precision_loss, reason = "the bounds are compared below their own precision")]
    let within = rounded >= least as f64 && rounded < most as f64 + 1.0;
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
    if within { Ok(rounded as i64) } else { Err(out_of_range(kind)) }
}

/// Parses an integer.
pub(crate) fn read_int(text: &str, (least, most): (i64, i64), kind: &str) -> Result<i64> {
    let text = text.trim();
    let is_number = {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number {
        return exec_err!("invalid input syntax for type {kind}: {text:?}");
    }
    let value = text.parse::<i64>().ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| exec_datafusion_err!("value {text:?} is out of range for type {kind}"))
}

/// Parses a double.
pub(crate) fn read_float(text: &str) -> Result<f64> {
    let trimmed = text.trim();
    let value = match trimmed.to_lowercase().as_str() {
        "infinity" | "inf" | "+infinity" | "+inf" => Some(f64::INFINITY),
        "-infinity" | "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        other if other.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-')) => {
            other.parse().ok().filter(|value: &f64| value.is_finite())
        }
        _ => None,
    };
    value.ok_or_else(|| exec_datafusion_err!("invalid input syntax for type double precision: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts are the output of `PostgreSQL` 15.
    #[test]
    fn doubles_have_their_shortest_text() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568e+17"),
            (-0.0, "-0"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(float_text(value), expected);
        }
    }

    /// Expected values are the output of `SELECT 1.0/3, 10/3.0, 3/3.0, 1/8.00, 100000/7.0` in `PostgreSQL` 15.
    #[test]
    fn quotients_have_postgresqls_digits() {
        for (left, right, expected) in [
            ((10, 1), (3, 0), "0.33333333333333333333"),
            ((10, 0), (30, 1), "3.3333333333333333"),
            ((3, 0), (30, 1), "1.00000000000000000000"),
            ((1, 0), (800, 2), "0.12500000000000000000"),
            ((100_000, 0), (70, 1), "14285.714285714286"),
        ] {
            let scale = quotient_scale(left, right);
            assert_eq!(number_text(quotient(left, right, scale).unwrap(), scale), expected);
        }
    }

    #[test]
    fn numbers_are_read_and_rounded() {
        assert_eq!(read_number("-12.50"), Some((-1250, 2)));
        assert_eq!(read_number("1.5e3"), Some((1500, 0)));
        assert_eq!(read_number("1e-3"), Some((1, 3)));
        assert_eq!(read_number("."), None);
        assert_eq!(rescaled(-25, 1, 0), Some(-3));
        assert_eq!(rescaled(24, 1, 0), Some(2));
        assert_eq!(of_float(0.1), Some((1, 1)));
        assert_eq!(of_float(1234.5), Some((12_345, 1)));
    }
}
