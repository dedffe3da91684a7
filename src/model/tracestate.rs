//! Sampling probability from the W3C trace state: `ot=th:8`, or the older `ot=p:1`.
//!
//! Parsed like the Collector's `pkg/sampling`, which its span-metrics connector and Datadog's Agent use: a trace state with any
//! error is ignored.

/// Number of hexadecimal digits of a threshold and of a random value.
const DIGITS: usize = 14;
/// Number of random values; the threshold is the number of rejected ones.
const ALL: u64 = 1 << 56;
/// Limits defined by W3C and OpenTelemetry.
const STATE_BYTES_MAX: usize = 1024;
const VALUE_BYTES_MAX: usize = 256;
const MEMBERS_MAX: usize = 31;

/// Returns how many spans a span with this trace state represents, as in the span-metrics connector: 1 without a threshold
/// (`th`) or if the trace state is invalid. The older `p` is ignored.
#[must_use]
pub fn weight(state: &str) -> f64 {
    // Fast path: nearly all trace states are empty.
    if state.is_empty() || !state.contains("ot=") {
        return 1.0;
    }
    let rejected = OpenTelemetry::of(state).and_then(|found| found.rejected);
    rejected.map_or(1.0, |rejected| float(ALL) / float(ALL - rejected))
}

/// Returns the probability with which the trace was kept; `None` if the trace state is invalid or does not contain it.
#[must_use]
pub fn probability(state: &str) -> Option<f64> {
    let found = OpenTelemetry::of(state)?;
    found.rejected.map(|rejected| float(ALL - rejected) / float(ALL)).or(found.power)
}

/// Rounds a weight to an integer: up with the probability of its fraction, so that sums are unbiased. `chance` provides the
/// random bits; the same bits give the same result.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, 1 or more, and at most 2^56")]
pub fn whole(weight: f64, chance: impl FnOnce() -> u64) -> u64 {
    // An invalid weight counts as 1.
    if !(1.0..=float(ALL)).contains(&weight) {
        return 1;
    }
    let (whole, fraction) = (weight.trunc() as u64, weight.fract());
    if fraction > 0.0 && float(chance() >> 11) / float(1 << 53) < fraction { whole + 1 } else { whole }
}

#[expect(clippy::cast_precision_loss, reason = "a weight, not a count")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Values of OpenTelemetry's `ot` member.
#[derive(Debug, Default)]
struct OpenTelemetry {
    rejected: Option<u64>,
    power: Option<f64>,
}

impl OpenTelemetry {
    /// Parses the last `ot` member of a trace state.
    fn of(state: &str) -> Option<OpenTelemetry> {
        if state.len() > STATE_BYTES_MAX {
            return None;
        }
        let mut found = OpenTelemetry::default();
        // A trailing comma does not start another member.
        let members = state.strip_suffix(',').unwrap_or(state);
        for (index, member) in members.split(',').enumerate() {
            if index >= MEMBERS_MAX {
                return None;
            }
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if !valid_key(key) || !valid_value(value) {
                return None;
            }
            if key == "ot" {
                found = OpenTelemetry::read(value)?;
            }
        }
        Some(found)
    }

    fn read(value: &str) -> Option<OpenTelemetry> {
        let mut found = OpenTelemetry::default();
        let mut powered = false;
        for member in value.split(';') {
            let (key, value) = member.split_once(':')?;
            let named = key.starts_with(|letter: char| letter.is_ascii_lowercase())
                && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            let valued = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
            if !named || !valued {
                return None;
            }
            match key {
                "rv" if value.len() != DIGITS => return None,
                "rv" => {
                    u64::from_str_radix(value, 16).ok()?;
                }
                "th" => found.rejected = Some(rejected(value)?),
                "p" if !powered => {
                    powered = true;
                    // 63 means that the trace was not sampled.
                    found.power =
                        value.parse::<u8>().ok().filter(|power| *power < 63).map(|power| 0.5_f64.powi(power.into()));
                }
                _ => {}
            }
        }
        Some(found)
    }
}

/// Returns how many random values a threshold rejects; trailing zeros are omitted in the text.
fn rejected(value: &str) -> Option<u64> {
    if value.len() > DIGITS {
        return None;
    }
    Some(u64::from_str_radix(value, 16).ok()? << (4 * (DIGITS - value.len())))
}

const fn key_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/')
}

fn valid_key(key: &str) -> bool {
    let rest = |text: &str| text.bytes().skip(1).all(key_byte);
    let begins = |text: &str| text.starts_with(|letter: char| letter.is_ascii_lowercase());
    if key.len() > VALUE_BYTES_MAX {
        return false;
    }
    match key.split_once('@') {
        None => begins(key) && rest(key),
        Some((tenant, system)) => {
            let tenant_begins = begins(tenant) || tenant.starts_with(|letter: char| letter.is_ascii_digit());
            let short = tenant.len() <= 241 && system.len() <= 14;
            short && tenant_begins && begins(system) && rest(tenant) && rest(system)
        }
    }
}

fn valid_value(value: &str) -> bool {
    let visible = |byte: u8| matches!(byte, 0x21..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    let ends = value.bytes().last().is_some_and(visible);
    ends && value.len() <= VALUE_BYTES_MAX && value.bytes().all(|byte| byte == b' ' || visible(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the OTEP on consistent sampling, th:c drops 0xc0…/2^56 = 3/4, so each kept span represents 4. The invalid cases are
    /// those that the Collector's `pkg/sampling` rejects.
    #[test]
    fn the_weight_follows_the_threshold() {
        for (state, expected) in [
            ("ot=th:c", 4.0),
            ("ot=th:c0", 4.0),
            ("ot=th:C", 4.0),
            ("ot=th:0", 1.0),
            ("ot=th:8;th:c", 4.0),
            ("ot=th:8,ot=th:c", 4.0),
            ("a=b, ot=rv:01234567890123;th:8", 2.0),
            ("a=b,\tot=th:8;x:y ,,", 2.0),
            ("ot=th:4", 4.0 / 3.0),
            ("ot=th:ffffffffffffff", 72_057_594_037_927_936.0),
            // One percent.
            ("ot=th:fd70a3d70a3d71", 100.0),
            ("", 1.0),
            ("ot=rv:01234567890123", 1.0),
            // The older `p`, and members of other vendors.
            ("ot=p:3;r:5", 1.0),
            ("dd=th:8", 1.0),
            ("ott=th:8", 1.0),
            // Invalid.
            ("ot=th:", 1.0),
            ("ot=th", 1.0),
            ("ot=th:xyz", 1.0),
            ("ot=th:+8", 1.0),
            ("ot=th:000000000000000", 1.0),
            ("ot=th:8;", 1.0),
            ("ot=;th:8", 1.0),
            ("ot=th:8;rv:1", 1.0),
            ("ot=th:8, x", 1.0),
            ("Vendor=1,ot=th:8", 1.0),
            ("ot=th:8; x:y", 1.0),
            ("ot=th:8,ot=", 1.0),
        ] {
            let found = weight(state);
            assert!((found - expected).abs() <= expected * 1e-12, "{state:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn a_trace_state_with_too_many_members_says_nothing() {
        let members = |count: usize| format!("{}ot=th:8", "a=b,".repeat(count - 1));
        assert_eq!([weight(&members(31)).to_bits(), weight(&members(32)).to_bits()], [2.0_f64, 1.0].map(f64::to_bits));
    }

    #[test]
    fn whole_weights_keep_their_sum() {
        let chances = |index: u64| move || index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let sum = |weight: f64| (0..10_000).map(|index| whole(weight, chances(index))).sum::<u64>();
        assert_eq!([sum(1.0), sum(4.0), sum(0.0), sum(f64::NAN)], [10_000, 40_000, 10_000, 10_000]);
        // 4/3 each, within the standard error of this many draws.
        let third = sum(4.0 / 3.0);
        assert!((13_200..13_470).contains(&third), "{third}");
        assert_eq!(whole(weight("ot=th:ffffffffffffff"), || 0), 1 << 56);
    }
}
