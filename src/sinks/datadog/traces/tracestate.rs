//! The share of traces that were kept, where the sender says so in the W3C trace state (`ot=th:8`, or `ot=p:1` of old).

/// Hexadecimal digits of a threshold.
const DIGITS: usize = 14;
const ALL: u64 = 1 << 56;

/// The probability that a trace was kept with; `None` where the trace state says nothing, or is none.
pub(super) fn probability(state: &str) -> Option<f64> {
    if state.len() > 1024 {
        return None;
    }
    let mut found = OpenTelemetry::default();
    for (index, member) in state.split(',').enumerate() {
        // An end behind the last comma is no member.
        let last = state.ends_with(',') && index == state.matches(',').count();
        if index >= 31 && !last {
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
    found.threshold.or(found.power)
}

/// What OpenTelemetry's own member says.
#[derive(Debug, Default)]
struct OpenTelemetry {
    threshold: Option<f64>,
    power: Option<f64>,
}

impl OpenTelemetry {
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
                "th" => found.threshold = Some(threshold(value)?),
                "p" if !powered => {
                    powered = true;
                    // 63 says that the trace was not kept at all.
                    found.power =
                        value.parse::<u8>().ok().filter(|power| *power < 63).map(|power| 0.5_f64.powi(power.into()));
                }
                _ => {}
            }
        }
        Some(found)
    }
}

#[allow(clippy::cast_precision_loss)]
fn threshold(value: &str) -> Option<f64> {
    if value.len() > DIGITS {
        return None;
    }
    let rejected = u64::from_str_radix(value, 16).ok()? << (4 * (DIGITS - value.len()));
    Some((ALL - rejected) as f64 / ALL as f64)
}

const fn key_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/')
}

fn valid_key(key: &str) -> bool {
    let rest = |text: &str| text.bytes().skip(1).all(key_byte);
    let begins = |text: &str| text.starts_with(|letter: char| letter.is_ascii_lowercase());
    if key.len() > 256 {
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
    ends && value.len() <= 256 && value.bytes().all(|byte| byte == b' ' || visible(byte))
}
