//! Words that identify one of many things: numbers, UUIDs, digests.

/// Placeholder for an id.
const ID: &str = "{id}";
/// Minimum number of hex digits of an id within a name; shorter ones may be words.
const HEX_MIN: usize = 16;

/// Returns whether a part of a path can only be an id.
pub(super) fn is_id(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = || part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_word = || part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    digits > 0
        && (digits == part.len()
            || (part.len() >= 8 && is_hex())
            || (part.len() >= HEX_MIN && digits >= 4 && is_word()))
}

/// Replaces UUIDs and digests in a name by `{id}`; returns `None` if there are none.
pub(super) fn folded(name: &str) -> Option<String> {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    let bytes = name.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        if !is_part(bytes[at]) {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().position(|byte| !is_part(*byte)).unwrap_or(bytes.len() - at);
        let run = &name[at..end];
        let bare = run.trim_matches('-');
        let hex = bare.bytes().filter(u8::is_ascii_hexdigit).count();
        if hex >= HEX_MIN && bare.bytes().any(|byte| byte.is_ascii_digit()) {
            let start = at + (run.len() - run.trim_start_matches('-').len());
            out.push_str(&name[copied..start]);
            out.push_str(ID);
            copied = start + bare.len();
        }
        at = end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&name[copied..]);
    Some(out)
}
