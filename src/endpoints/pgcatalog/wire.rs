//! Values as bytes of the wire.

use super::io;
use super::names::Names;
use super::types::{self, Oid};
use super::value::Value;

/// 2000-01-01, from which `PostgreSQL` counts, in microseconds since 1970.
const EPOCH_US: i64 = 946_684_800_000_000;
const DAY_US: i64 = 86_400_000_000;

/// The type that a client is told: pseudo-types have no values on the wire.
pub(super) fn reported(kind: Oid) -> Oid {
    match kind {
        types::UNKNOWN | types::ANY | types::ANYARRAY => types::TEXT,
        kind => kind,
    }
}

/// A cell in text or binary; `None` is NULL.
pub(super) fn write(names: &Names<'_>, value: &Value, kind: Oid, binary: bool) -> Option<Vec<u8>> {
    if value.is_null() {
        return None;
    }
    let text = || io::format(names, value, kind).map(String::into_bytes);
    if binary { cell(names, value, kind).or_else(text) } else { text() }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "values were kept within their types, and lengths are those of rows in memory"
)]
fn cell(names: &Names<'_>, value: &Value, kind: Oid) -> Option<Vec<u8>> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(yes) => vec![u8::from(*yes)],
        Value::Int(number) => match kind {
            types::INT2 => (*number as i16).to_be_bytes().to_vec(),
            types::INT4 => (*number as i32).to_be_bytes().to_vec(),
            types::INT8 => number.to_be_bytes().to_vec(),
            types::NUMERIC => numeric(&number.to_string()),
            types::FLOAT8 => value.as_float()?.to_be_bytes().to_vec(),
            types::FLOAT4 => (value.as_float()? as f32).to_be_bytes().to_vec(),
            _ => u32::try_from(*number).ok()?.to_be_bytes().to_vec(),
        },
        Value::Float(number) => match kind {
            types::FLOAT4 => (*number as f32).to_be_bytes().to_vec(),
            types::NUMERIC => numeric(&io::format(names, value, kind)?),
            _ => number.to_be_bytes().to_vec(),
        },
        Value::Text(text) if kind == types::JSONB => [&[1], text.as_bytes()].concat(),
        Value::Text(text) => text.as_bytes().to_vec(),
        Value::Time(us) if kind == types::DATE => ((us - EPOCH_US).div_euclid(DAY_US) as i32).to_be_bytes().to_vec(),
        Value::Time(us) => (us - EPOCH_US).to_be_bytes().to_vec(),
        Value::Span(us) => [&us.to_be_bytes()[..], &[0; 8]].concat(),
        Value::Array(array) => {
            let item = names.elem(kind);
            let count = array.items.len() as i32;
            let dimensions = i32::from(count > 0);
            let has_null = i32::from(array.items.iter().any(Value::is_null));
            let mut bytes = [dimensions.to_be_bytes(), has_null.to_be_bytes(), item.to_be_bytes()].concat();
            if count > 0 {
                bytes.extend(count.to_be_bytes());
                bytes.extend((array.lower as i32).to_be_bytes());
            }
            for value in &array.items {
                part(names, value, item, &mut bytes);
            }
            bytes
        }
        Value::Record(row) => {
            let mut bytes = (row.len() as i32).to_be_bytes().to_vec();
            for value in row.iter() {
                let kind = io::type_of(value);
                bytes.extend(kind.to_be_bytes());
                part(names, value, kind, &mut bytes);
            }
            bytes
        }
    })
}

fn part(names: &Names<'_>, value: &Value, kind: Oid, bytes: &mut Vec<u8>) {
    match write(names, value, kind, true) {
        None => bytes.extend((-1_i32).to_be_bytes()),
        Some(cell) => {
            bytes.extend(i32::try_from(cell.len()).unwrap_or(i32::MAX).to_be_bytes());
            bytes.extend(cell);
        }
    }
}

/// A number in groups of four digits.
fn numeric(text: &str) -> Vec<u8> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (0x4000_u16, digits),
        None => (0, text),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return [0_u16, 0, 0xc000, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let after = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let groups = |text: &str| -> Vec<i16> {
        text.as_bytes()
            .chunks(4)
            .map(|chunk| chunk.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
            .collect()
    };
    let (before, after) = (groups(&padded), groups(&after));
    let weight = i16::try_from(before.len()).unwrap_or(0) - 1;
    let all = [before, after].concat();
    let mut bytes = i16::try_from(all.len()).unwrap_or(0).to_be_bytes().to_vec();
    bytes.extend(weight.to_be_bytes());
    bytes.extend(sign.to_be_bytes());
    bytes.extend(u16::try_from(fraction.len()).unwrap_or(0).to_be_bytes());
    all.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
    bytes
}
