//! Removes the user from URLs, and formats them like Go's `net/url`.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

/// Part of a URL: the characters to escape differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Host,
    Zone,
    Path,
    Fragment,
}

/// Returns a URL without user and password; text that is not a URL is returned unchanged.
pub(super) fn without_user(url: &str) -> String {
    rewrite(url).unwrap_or_else(|| url.to_owned())
}

fn rewrite(url: &str) -> Option<String> {
    let (before, fragment) = url.split_once('#').unwrap_or((url, ""));
    if before.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return None;
    }
    let written = if before == "*" { before.to_owned() } else { write(before)? };
    if fragment.is_empty() {
        return Some(written);
    }
    Some(format!("{written}#{}", again(fragment, Part::Fragment)?))
}

fn write(url: &str) -> Option<String> {
    let (scheme, rest) = scheme(url)?;
    let scheme = scheme.to_lowercase();
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let head = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    if !rest.starts_with('/') && !scheme.is_empty() {
        // An opaque URL: no path and no host, even if nothing follows.
        return Some(format!("{head}{rest}{query}"));
    }
    if !rest.starts_with('/') && rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
        return None;
    }
    let hosted = rest.starts_with("//") && (!scheme.is_empty() || !rest.starts_with("///"));
    if !hosted {
        let path = again(rest, Part::Path)?;
        // Turns what would look like a scheme into a path.
        let colon = scheme.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':'));
        return Some(format!("{head}{}{path}{query}", if colon { "./" } else { "" }));
    }
    let authority = rest[2..].split('/').next().unwrap_or_default();
    let host = host(&scheme, authority)?;
    let path = again(&rest[2 + authority.len()..], Part::Path)?;
    let slashes = if host.is_empty() && path.is_empty() { "" } else { "//" };
    if host.is_empty() && scheme.is_empty() {
        return Some(format!("{path}{query}"));
    }
    Some(format!("{head}{slashes}{}{path}{query}", escape(&host, Part::Host)))
}

fn scheme(url: &str) -> Option<(&str, &str)> {
    for (index, byte) in url.bytes().enumerate() {
        match byte {
            byte if byte.is_ascii_alphabetic() => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return None,
            b':' => return Some((&url[..index], &url[index + 1..])),
            _ => break,
        }
    }
    Some(("", url))
}

/// Returns the host of an authority, unescaped.
fn host(scheme: &str, authority: &str) -> Option<Vec<u8>> {
    let Some((user, host)) = authority.rsplit_once('@') else { return host_alone(scheme, authority) };
    let valid = user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte));
    let host = host_alone(scheme, host)?;
    (valid && unescape(user, Part::User).is_some()).then_some(host)
}

fn host_alone(scheme: &str, host: &str) -> Option<Vec<u8>> {
    let port = |text: &str| {
        text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match host.rfind('[') {
        Some(0) => {
            let end = host.rfind(']')?;
            if !port(&host[end + 1..]) {
                return None;
            }
            let name = &host[1..end];
            let zone = name.find("%25").unwrap_or(name.len());
            let address = unescape(&name[..zone], Part::Host)?;
            let zoned = unescape(&name[zone..], Part::Zone)?;
            std::str::from_utf8(&address).ok()?.parse::<Ipv6Addr>().ok()?;
            Some([b"[", &address[..], &zoned[..], b"]", &host.as_bytes()[end + 1..]].concat())
        }
        Some(_) => None,
        None => {
            let strict = matches!(scheme, "http" | "https");
            let colon = if strict { host.find(':') } else { host.rfind(':') };
            if colon.is_some_and(|colon| !port(&host[colon..])) { None } else { unescape(host, Part::Host) }
        }
    }
}

/// Returns the text as written if it is escaped correctly, else escapes it again.
fn again(raw: &str, part: Part) -> Option<String> {
    let text = unescape(raw, part)?;
    let allowed = |byte: u8| b"!$&'()*+,;=:@[]%".contains(&byte) || plain(byte, part);
    if raw.bytes().all(allowed) { Some(raw.to_owned()) } else { Some(escape(&text, part)) }
}

fn plain(byte: u8, part: Part) -> bool {
    let hosted = matches!(part, Part::Host | Part::Zone);
    let fragment = part == Part::Fragment;
    match byte {
        b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b'=' | b',' | b';' => true,
        b':' => part != Part::User,
        b'@' | b'/' => part == Part::Path || fragment,
        b'?' => fragment,
        b'!' | b'(' | b')' | b'*' => hosted || fragment,
        b'\'' | b'[' | b']' | b'<' | b'>' | b'"' => hosted,
        byte => byte.is_ascii_alphanumeric(),
    }
}

fn escape(text: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if plain(byte, part) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Unescapes a text; `None` if an escape is malformed or a character is not allowed in a host.
fn unescape(text: &str, part: Part) -> Option<Vec<u8>> {
    let hosted = matches!(part, Part::Host | Part::Zone);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        if byte != b'%' {
            if hosted && byte < 0x80 && !plain(byte, part) {
                return None;
            }
            out.push(byte);
            index += 1;
            continue;
        }
        let digits =
            text.get(index + 1..index + 3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let value = u8::from_str_radix(digits, 16).ok()?;
        let wrong = match part {
            Part::Host => value < 0x80 && digits != "25",
            Part::Zone => digits != "25" && value != b' ' && !plain(value, Part::Host),
            _ => false,
        };
        if wrong {
            return None;
        }
        out.push(value);
        index += 3;
    }
    Some(out)
}
