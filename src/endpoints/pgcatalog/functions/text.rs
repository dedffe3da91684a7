//! Text functions.

use super::signature::{Builtin, int, lax, strict, text};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::io;
use crate::endpoints::pgcatalog::names;
use crate::endpoints::pgcatalog::statement::Statement;
use crate::endpoints::pgcatalog::types::{ANY, ANYARRAY, BOOL, BYTEA, INT4, TEXT, TEXT_ARRAY};
use crate::endpoints::pgcatalog::value::Value;
use crate::engine::postgres;
use crate::model::hex::hex;
use regex::Regex;

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict("length", &[TEXT], INT4, chars),
    strict("char_length", &[TEXT], INT4, chars),
    strict("character_length", &[TEXT], INT4, chars),
    strict("octet_length", &[TEXT], INT4, |_, a| Ok(number(text(a, 0)?.len()))),
    strict("lower", &[TEXT], TEXT, |_, a| Ok(text(a, 0)?.to_lowercase().into())),
    strict("upper", &[TEXT], TEXT, |_, a| Ok(text(a, 0)?.to_uppercase().into())),
    strict("initcap", &[TEXT], TEXT, |_, a| Ok(initcap(text(a, 0)?).into())),
    strict("reverse", &[TEXT], TEXT, |_, a| Ok(text(a, 0)?.chars().rev().collect::<String>().into())),
    strict("substring", &[TEXT, INT4, INT4], TEXT, substring).optional(1),
    strict("substr", &[TEXT, INT4, INT4], TEXT, substring).optional(1),
    strict("substring", &[TEXT, TEXT], TEXT, |run, a| {
        let found = regex(run, text(a, 1)?, "")?;
        let captured = found.captures(text(a, 0)?);
        Ok(captured.and_then(|all| all.get(1).or(all.get(0)).map(|part| part.as_str().to_owned())).into())
    }),
    strict("left", &[TEXT, INT4], TEXT, |_, a| {
        let (all, count) = (text(a, 0)?, int(a, 1)?);
        let length = i64::try_from(all.chars().count()).unwrap_or(i64::MAX);
        let keep = if count < 0 { length.saturating_add(count) } else { count };
        Ok(all.chars().take(usize::try_from(keep).unwrap_or(0)).collect::<String>().into())
    }),
    strict("right", &[TEXT, INT4], TEXT, |_, a| {
        let (all, count) = (text(a, 0)?, int(a, 1)?);
        let length = i64::try_from(all.chars().count()).unwrap_or(i64::MAX);
        let skip = if count < 0 { count.saturating_neg() } else { length.saturating_sub(count) };
        Ok(all.chars().skip(usize::try_from(skip).unwrap_or(0)).collect::<String>().into())
    }),
    strict("strpos", &[TEXT, TEXT], INT4, |_, a| Ok(position(text(a, 0)?, text(a, 1)?))),
    strict("position", &[TEXT, TEXT], INT4, |_, a| Ok(position(text(a, 1)?, text(a, 0)?))),
    strict("starts_with", &[TEXT, TEXT], BOOL, |_, a| Ok(text(a, 0)?.starts_with(text(a, 1)?).into())),
    strict("replace", &[TEXT, TEXT, TEXT], TEXT, |_, a| {
        let (all, from, to) = (text(a, 0)?, text(a, 1)?, text(a, 2)?);
        if from.is_empty() { Ok(all.into()) } else { Ok(all.replace(from, to).into()) }
    }),
    strict("translate", &[TEXT, TEXT, TEXT], TEXT, |_, a| {
        let (from, to): (Vec<char>, Vec<char>) = (text(a, 1)?.chars().collect(), text(a, 2)?.chars().collect());
        let changed = text(a, 0)?.chars().filter_map(|c| match from.iter().position(|of| *of == c) {
            Some(place) => to.get(place).copied(),
            None => Some(c),
        });
        Ok(changed.collect::<String>().into())
    }),
    strict("trim", &[TEXT, TEXT], TEXT, |_, a| trim(a, true, true)).optional(1),
    strict("btrim", &[TEXT, TEXT], TEXT, |_, a| trim(a, true, true)).optional(1),
    strict("ltrim", &[TEXT, TEXT], TEXT, |_, a| trim(a, true, false)).optional(1),
    strict("rtrim", &[TEXT, TEXT], TEXT, |_, a| trim(a, false, true)).optional(1),
    strict("split_part", &[TEXT, TEXT, INT4], TEXT, |_, a| {
        let parts: Vec<&str> = text(a, 0)?.split(text(a, 1)?).collect();
        let place = int(a, 2)?;
        let place = if place < 0 { i64::try_from(parts.len()).unwrap_or_default() + place } else { place - 1 };
        Ok(usize::try_from(place).ok().and_then(|place| parts.get(place)).copied().unwrap_or_default().into())
    }),
    strict("repeat", &[TEXT, INT4], TEXT, |_, a| {
        let (all, count) = (text(a, 0)?, usize::try_from(int(a, 1)?).unwrap_or(0));
        Ok(all.repeat(count).into())
    }),
    strict("lpad", &[TEXT, INT4, TEXT], TEXT, |_, a| pad(a, true)).optional(1),
    strict("rpad", &[TEXT, INT4, TEXT], TEXT, |_, a| pad(a, false)).optional(1),
    strict("ascii", &[TEXT], INT4, |_, a| {
        Ok(Value::Int(text(a, 0)?.chars().next().map_or(0, |c| u32::from(c).into())))
    }),
    strict("chr", &[INT4], TEXT, |_, a| {
        let code = u32::try_from(int(a, 0)?).ok().and_then(char::from_u32);
        code.map(|c| c.to_string().into()).ok_or_else(|| Fault::new("22023", "chr: expected the code of a character"))
    }),
    strict("quote_ident", &[TEXT], TEXT, |_, a| Ok(names::quote(text(a, 0)?).into())),
    strict("quote_literal", &[ANY], TEXT, |run, a| Ok(literal(&plain(run, &a[0])).into())),
    lax("quote_nullable", &[ANY], TEXT, |run, a| {
        Ok(if a[0].is_null() { "NULL".into() } else { literal(&plain(run, &a[0])).into() })
    }),
    lax("concat", &[ANY], TEXT, |run, a| Ok(a.iter().map(|value| plain(run, value)).collect::<String>().into()))
        .variadic(),
    lax("concat_ws", &[TEXT, ANY], TEXT, |run, a| {
        let Some(between) = a[0].as_text() else { return Ok(Value::Null) };
        let parts: Vec<String> =
            a[1..].iter().filter(|value| !value.is_null()).map(|value| plain(run, value)).collect();
        Ok(parts.join(between).into())
    })
    .variadic(),
    lax("format", &[TEXT, ANY], TEXT, format).variadic().optional(1),
    strict("regexp_replace", &[TEXT, TEXT, TEXT, TEXT], TEXT, |run, a| {
        let flags = a.get(3).and_then(Value::as_text).unwrap_or_default();
        let found = regex(run, text(a, 1)?, flags)?;
        let with = text(a, 2)?.replace('$', "$$");
        let with = Regex::new(r"\\(\d)").map_or(with.clone(), |of| of.replace_all(&with, "$${$1}").into_owned());
        let with = with.replace("\\&", "${0}");
        let changed =
            if flags.contains('g') { found.replace_all(text(a, 0)?, &with) } else { found.replace(text(a, 0)?, &with) };
        Ok(changed.into_owned().into())
    })
    .optional(1),
    strict("regexp_match", &[TEXT, TEXT, TEXT], TEXT_ARRAY, |run, a| {
        let flags = a.get(2).and_then(Value::as_text).unwrap_or_default();
        let found = regex(run, text(a, 1)?, flags)?;
        Ok(found.captures(text(a, 0)?).map_or(Value::Null, |captured| groups(&captured)))
    })
    .optional(1),
    strict("encode", &[TEXT, TEXT], TEXT, |_, a| encode(text(a, 0)?.as_bytes(), text(a, 1)?)),
    strict("convert_to", &[TEXT, TEXT], BYTEA, |_, a| Ok(a[0].clone())),
    strict("convert_from", &[BYTEA, TEXT], TEXT, |_, a| Ok(a[0].clone())),
    strict("parse_ident", &[TEXT, BOOL], TEXT_ARRAY, |_, a| {
        let parts = names::parts(text(a, 0)?).ok_or_else(|| Fault::new("22023", "string is not a valid identifier"))?;
        Ok(Value::array(parts.into_iter().map(Value::from).collect()))
    })
    .optional(1),
    strict("string_to_array", &[TEXT, TEXT, TEXT], TEXT_ARRAY, |_, a| {
        let (all, by) = (text(a, 0)?, text(a, 1)?);
        if all.is_empty() {
            return Ok(Value::array(Vec::new()));
        }
        let nothing = a.get(2).and_then(Value::as_text);
        let item = |part: &str| if Some(part) == nothing { Value::Null } else { part.into() };
        let parts = if by.is_empty() { vec![item(all)] } else { all.split(by).map(item).collect() };
        Ok(Value::array(parts))
    })
    .optional(1),
    strict("array_to_string", &[ANYARRAY, TEXT, TEXT], TEXT, |run, a| {
        let Some(array) = a[0].as_array() else { return Ok(Value::Null) };
        let nothing = a.get(2).and_then(Value::as_text);
        let part = |value: &Value| if value.is_null() { nothing.map(str::to_owned) } else { Some(plain(run, value)) };
        Ok(array.items.iter().filter_map(part).collect::<Vec<_>>().join(text(a, 1)?).into())
    })
    .optional(1),
];

fn chars(_: &Statement<'_>, a: &[Value]) -> Result<Value> {
    Ok(number(text(a, 0)?.chars().count()))
}

fn number(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Formats a value as text, by its own type.
fn plain(run: &Statement<'_>, value: &Value) -> String {
    io::format(&run.names(), value, io::type_of(value)).unwrap_or_default()
}

fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

fn initcap(text: &str) -> String {
    let mut begins = true;
    let letter = |c: char| {
        let changed = if begins { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        begins = !c.is_alphanumeric();
        changed
    };
    text.chars().map(letter).collect()
}

fn substring(_: &Statement<'_>, a: &[Value]) -> Result<Value> {
    let from = int(a, 1)?;
    let to = match a.get(2) {
        Some(_) => {
            let count = int(a, 2)?;
            if count < 0 {
                return Err(Fault::new("22011", "negative substring length not allowed"));
            }
            from.saturating_add(count)
        }
        None => i64::MAX,
    };
    let skip = usize::try_from(from.max(1) - 1).unwrap_or(0);
    let take = usize::try_from(to.saturating_sub(from.max(1)).max(0)).unwrap_or(0);
    Ok(text(a, 0)?.chars().skip(skip).take(take).collect::<String>().into())
}

fn position(all: &str, part: &str) -> Value {
    all.find(part).map_or(Value::Int(0), |at| number(all[..at].chars().count() + 1))
}

fn trim(a: &[Value], start: bool, end: bool) -> Result<Value> {
    let set: Vec<char> = a.get(1).and_then(Value::as_text).unwrap_or(" ").chars().collect();
    let mut trimmed = text(a, 0)?;
    if start {
        trimmed = trimmed.trim_start_matches(&set[..]);
    }
    if end {
        trimmed = trimmed.trim_end_matches(&set[..]);
    }
    Ok(trimmed.into())
}

fn pad(a: &[Value], left: bool) -> Result<Value> {
    let (all, width) = (text(a, 0)?, usize::try_from(int(a, 1)?).unwrap_or(0));
    let with = a.get(2).and_then(Value::as_text).unwrap_or(" ");
    let length = all.chars().count();
    if length >= width {
        return Ok(all.chars().take(width).collect::<String>().into());
    }
    let fill: String = with.chars().cycle().take(if with.is_empty() { 0 } else { width - length }).collect();
    Ok(if left { fill + all } else { all.to_owned() + &fill }.into())
}

fn format(run: &Statement<'_>, a: &[Value]) -> Result<Value> {
    let Some(pattern) = a[0].as_text() else { return Ok(Value::Null) };
    let (mut out, mut next) = (String::new(), 1);
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(|c| c.is_ascii_digit() || matches!(c, '$' | '-')) {
            digits.push(digit);
        }
        if let Some(place) = digits.strip_suffix('$').and_then(|place| place.parse().ok()) {
            next = place;
        }
        let kind = rest.next();
        if kind == Some('%') {
            out.push('%');
            continue;
        }
        let value = a.get(next).ok_or_else(|| Fault::new("22023", "too few arguments for format()"))?;
        next += 1;
        match kind {
            Some('s') => out.push_str(&plain(run, value)),
            Some('I') => out.push_str(&names::quote(&plain(run, value))),
            Some('L') if value.is_null() => out.push_str("NULL"),
            Some('L') => out.push_str(&literal(&plain(run, value))),
            _ => return Err(Fault::new("22023", "unrecognized format() type specifier")),
        }
    }
    Ok(out.into())
}

fn groups(captured: &regex::Captures<'_>) -> Value {
    let all = if captured.len() > 1 { 1..captured.len() } else { 0..1 };
    Value::array(all.map(|at| captured.get(at).as_ref().map(regex::Match::as_str).into()).collect())
}

fn encode(bytes: &[u8], form: &str) -> Result<Value> {
    use base64::Engine as _;
    match form {
        "hex" => Ok(hex(bytes).into()),
        "base64" => Ok(base64::engine::general_purpose::STANDARD.encode(bytes).into()),
        "escape" => Ok(String::from_utf8_lossy(bytes).into_owned().into()),
        other => Err(Fault::new("22023", format!("unrecognized encoding: \"{other}\""))),
    }
}

/// Compiles a pattern once per statement.
pub(in crate::endpoints::pgcatalog) fn regex(run: &Statement<'_>, pattern: &str, flags: &str) -> Result<Regex> {
    if let Some(known) = run.pattern(pattern, flags) {
        return Ok(known);
    }
    let built = postgres::pattern(pattern, flags).map_err(|error| Fault::of("2201B", &error))?;
    run.keep_pattern(pattern, flags, &built);
    Ok(built)
}

/// Returns whether a text matches a `LIKE` pattern with `%` and `_`.
pub(in crate::endpoints::pgcatalog) fn like(
    run: &Statement<'_>,
    text: &str,
    pattern: &str,
    ignore_case: bool,
) -> Result<bool> {
    let pattern = postgres::like_pattern(pattern).map_err(|error| Fault::of("22025", &error))?;
    Ok(regex(run, &pattern, if ignore_case { "i" } else { "" })?.is_match(text))
}
