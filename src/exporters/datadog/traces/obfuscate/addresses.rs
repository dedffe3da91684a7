//! Hides addresses of peers: their cardinality is too high for statistics.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// Addresses that are kept: this host, and the metadata services of clouds.
const KEPT: [&str; 5] = ["127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "169.254.170.2"];
const SCHEMES: [&str; 5] = ["dnspoll", "ftp", "file", "http", "https"];

/// Hides the addresses in a comma-separated list of peers, and removes duplicates.
pub(in crate::exporters::datadog) fn hide(peers: &str) -> String {
    let mut hidden: Vec<Cow<'_, str>> = Vec::new();
    for peer in peers.split(',').map(hide_one) {
        if !hidden.contains(&peer) {
            hidden.push(peer);
        }
    }
    hidden.join(",")
}

fn hide_one(peer: &str) -> Cow<'_, str> {
    let (prefix, rest) = prefix(peer);
    let (host, port) = host_and_port(rest).map_or((rest, ""), |(host, port)| (host, port));
    let Some(length) = address(host) else { return Cow::Borrowed(peer) };
    let (host, suffix) = host.split_at(length);
    if KEPT.contains(&host) {
        return Cow::Borrowed(peer);
    }
    let colon = if port.is_empty() { "" } else { ":" };
    Cow::Owned(format!("{prefix}blocked-ip-address{colon}{port}{suffix}"))
}

/// Returns a scheme, or the prefix of a name that a cloud derives from an address.
fn prefix(peer: &str) -> (&str, &str) {
    if let Some(rest) = peer.strip_prefix("ip-") {
        return ("ip-", rest);
    }
    for scheme in SCHEMES {
        let Some(begin) = peer.find(scheme) else { continue };
        let behind = &peer[begin + scheme.len()..];
        for slashes in [":///", "://"] {
            if behind.len() > slashes.len() && behind.starts_with(slashes) {
                let end = begin + scheme.len() + slashes.len();
                return (&peer[begin..end], &peer[end..]);
            }
        }
    }
    ("", peer)
}

fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (host, inner, outer) = match text.strip_prefix('[') {
        Some(_) => {
            let end = text.find(']').filter(|end| end + 1 == colon)?;
            (&text[1..end], 1, end + 1)
        }
        None => (&text[..colon], 0, 0),
    };
    let plain = inner == 1 || !host.contains(':');
    (plain && !text[inner..].contains('[') && !text[outer..].contains(']')).then(|| (host, &text[colon + 1..]))
}

/// Returns how many bytes of a host are an address; `None` if it is none.
fn address(host: &str) -> Option<usize> {
    if !host.starts_with(|letter: char| letter.is_ascii_hexdigit() || letter == ':') {
        return None;
    }
    match host.bytes().find(|byte| matches!(byte, b'.' | b'_' | b'-' | b':' | b'%'))? {
        b':' => {
            let (address, zone) = host.split_once('%').unwrap_or((host, "zone"));
            (!zone.is_empty() && address.parse::<Ipv6Addr>().is_ok()).then_some(host.len())
        }
        b'%' => None,
        separator => four(host.as_bytes(), separator),
    }
}

/// Returns how many bytes of a text are four numbers below 256.
fn four(text: &[u8], separator: u8) -> Option<usize> {
    let (mut value, mut digits, mut fields) = (0_u32, 0, 0);
    for (index, &byte) in text.iter().enumerate() {
        if byte.is_ascii_digit() {
            if digits == 1 && value == 0 {
                return None;
            }
            value = value * 10 + u32::from(byte - b'0');
            digits += 1;
            if value > 255 {
                return None;
            }
        } else if byte == separator {
            if index == 0 || index == text.len() - 1 || text[index - 1] == separator {
                return None;
            }
            if fields == 3 {
                return Some(index);
            }
            fields += 1;
            (value, digits) = (0, 0);
        } else {
            return (fields == 3 && digits > 0).then_some(index);
        }
    }
    (fields == 3).then_some(text.len())
}
