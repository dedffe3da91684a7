//! Wire encoding of values.

use super::io;
use super::names::Names;
use super::types::{self, Oid};
use super::value::Value;
use crate::engine::postgres::read_number;

/// 2000-01-01, `PostgreSQL`'s epoch, in microseconds since 1970.
const EPOCH_US: i64 = 946_684_800_000_000;
const DAY_US: i64 = 86_400_000_000;

/// Returns the type reported to clients: pseudo-types cannot be sent.
pub(super) fn reported(kind: Oid) -> Oid {
    match kind {
        types::UNKNOWN | types::ANY | types::ANYARRAY => types::TEXT,
        kind => kind,
    }
}

/// Encodes a value as text or binary; `None` is NULL.
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
            types::NUMERIC => numeric((*number).into(), 0),
            types::FLOAT8 => value.as_float()?.to_be_bytes().to_vec(),
            types::FLOAT4 => (value.as_float()? as f32).to_be_bytes().to_vec(),
            _ => u32::try_from(*number).ok()?.to_be_bytes().to_vec(),
        },
        Value::Float(number) => match kind {
            types::FLOAT4 => (*number as f32).to_be_bytes().to_vec(),
            types::NUMERIC => numeric_of(&io::format(names, value, kind)?),
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

/// Encodes the text of a number in binary form; NaN if it is not a finite number.
fn numeric_of(text: &str) -> Vec<u8> {
    match read_number(text) {
        Some((value, scale)) => numeric(value, scale),
        None => [0_u16, 0, 0xc000, 0].iter().flat_map(|word| word.to_be_bytes()).collect(),
    }
}

/// Encodes a number in groups of four digits, like `PostgreSQL`'s `numeric_send`.
pub(in crate::endpoints) fn numeric(value: i128, scale: i8) -> Vec<u8> {
    let scale = usize::try_from(scale).unwrap_or(0);
    // Groups are aligned at the decimal point.
    let padded = scale.next_multiple_of(4);
    let digits = format!("{}{}", value.unsigned_abs(), "0".repeat(padded - scale));
    let digits = format!("{digits:0>width$}", width = digits.len().next_multiple_of(4).max(padded));
    let groups: Vec<i16> = digits
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |all, digit| all * 10 + i16::from(digit - b'0')))
        .collect();
    let whole = groups.len() - padded / 4;
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let kept = &groups[first..last];
    let short = |number: usize| i16::try_from(number).unwrap_or(i16::MAX);
    let weight = if kept.is_empty() { 0 } else { short(whole) - short(first) - 1 };
    let mut bytes = Vec::with_capacity(8 + kept.len() * 2);
    bytes.extend(short(kept.len()).to_be_bytes());
    bytes.extend(weight.to_be_bytes());
    bytes.extend(if value < 0 { 0x4000_u16 } else { 0 }.to_be_bytes());
    bytes.extend(short(scale).to_be_bytes());
    kept.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups calculated by hand: 12345.678 is 1 | 2345 . 6780, and -0.05 is 0500 with weight -1.
    #[test]
    fn numbers_go_in_groups() {
        let parts = |value, scale| -> Vec<i16> {
            numeric(value, scale).as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect()
        };
        assert_eq!(parts(12_345_678, 3), [3, 1, 0, 3, 1, 2345, 6780]);
        assert_eq!(parts(-5, 2), [1, -1, 0x4000, 2, 500]);
        assert_eq!(parts(30_000, 0), [1, 1, 0, 0, 3]);
        assert_eq!(parts(0, 2), [0, 0, 0, 2]);
        assert_eq!(parts(12, 6), [1, -2, 0, 6, 1200]);
    }
}
