//! Keys of values.

/// Ratio of consecutive keys.
pub(super) const GAMMA: f64 = 1.0 + 2.0 / 128.0;
/// Its natural logarithm.
pub(super) const LN_GAMMA: f64 = 0.015_504_186_535_965_254;
/// The key of 1, chosen such that the smallest value not treated as zero has the key 1.
pub(super) const BIAS: i32 = 1338;
/// The greatest key of a finite value.
pub(super) const MAX: i32 = 32_766;
/// The key of greater values.
const INFINITE: i32 = 32_767;

/// γ to an exponent by repeated squaring, as in the Agent.
fn power(exponent: i32) -> f64 {
    let (mut result, mut factor, mut left) = (1.0, GAMMA, exponent.unsigned_abs());
    while left > 0 {
        if left & 1 == 1 {
            result *= factor;
        }
        factor *= factor;
        left >>= 1;
    }
    if exponent < 0 { 1.0 / result } else { result }
}

/// Returns the smallest value of a key.
pub(super) fn low(key: i32) -> f64 {
    match key {
        ..0 => -low(-key),
        0 => 0.0,
        INFINITE.. => f64::INFINITY,
        _ => power(key - BIAS),
    }
}

/// Returns the key of a value: the nearest on the logarithmic scale.
pub(super) fn of(value: f64) -> i32 {
    if value < 0.0 {
        return -of(-value);
    }
    if value < power(1 - BIAS) {
        return 0;
    }
    let exponent = (value.ln() / LN_GAMMA).round_ties_even();
    if !exponent.is_finite() {
        // NaN and infinities are never bounds with counts.
        return 1;
    }
    #[expect(clippy::cast_possible_truncation, reason = "logarithms of finite numbers are small")]
    let key = exponent as i32 + BIAS;
    if key > MAX { INFINITE } else { key.max(1) }
}

/// Returns the key of a value, limited to keys of finite values.
pub(super) fn finite(value: f64) -> i32 {
    of(value).clamp(-MAX, MAX)
}
