//! Parses parameters in binary form, like `PostgreSQL`'s `*_recv` functions.

use super::literals::{arrow_type, from_text, item_kind, item_type};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use pgwire::api::Type;

/// Days from 1970-01-01 to 2000-01-01, `PostgreSQL`'s epoch.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_US: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Parses a value; `None` if the bytes are invalid for the type.
pub(super) fn binary(wire: &Type, bytes: &[u8]) -> Option<ScalarValue> {
    if let Some(item) = item_type(wire) {
        return array(item, bytes);
    }
    Some(match arrow_type(wire) {
        DataType::Boolean => ScalarValue::Boolean(Some(*bytes.first()? != 0)),
        DataType::Int16 => ScalarValue::Int16(Some(i16::from_be_bytes(bytes.try_into().ok()?))),
        DataType::Int32 => ScalarValue::Int32(Some(i32::from_be_bytes(bytes.try_into().ok()?))),
        _ if is_oid(wire) => ScalarValue::Int64(Some(u32::from_be_bytes(bytes.try_into().ok()?).into())),
        DataType::Int64 => ScalarValue::Int64(Some(int8(bytes)?)),
        DataType::Float32 => ScalarValue::Float32(Some(f32::from_be_bytes(bytes.try_into().ok()?))),
        DataType::Float64 => ScalarValue::Float64(Some(f64::from_be_bytes(bytes.try_into().ok()?))),
        numeric @ DataType::Decimal128(..) => from_text(&numeric_text(bytes)?, &numeric)?,
        DataType::Date32 => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            ScalarValue::Date32(Some(days.checked_add(EPOCH_DAYS)?))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            ScalarValue::TimestampMicrosecond(Some(int8(bytes)?.checked_add(EPOCH_US)?), zone)
        }
        DataType::Time64(TimeUnit::Microsecond) => ScalarValue::Time64Microsecond(Some(int8(bytes)?)),
        DataType::Interval(IntervalUnit::MonthDayNano) => interval(bytes)?,
        DataType::Binary => ScalarValue::Binary(Some(bytes.to_vec())),
        _ => ScalarValue::from(std::str::from_utf8(text_of(wire, bytes)?).ok()?),
    })
}

/// Returns whether a type's binary form is an oid. Object names are then written as text.
fn is_oid(wire: &Type) -> bool {
    matches!(
        *wire,
        Type::OID
            | Type::XID
            | Type::CID
            | Type::REGCLASS
            | Type::REGTYPE
            | Type::REGPROC
            | Type::REGPROCEDURE
            | Type::REGOPER
            | Type::REGOPERATOR
            | Type::REGNAMESPACE
            | Type::REGROLE
            | Type::REGCOLLATION
    )
}

/// Returns the text of a text type; `jsonb` has a version byte before it.
fn text_of<'a>(wire: &Type, bytes: &'a [u8]) -> Option<&'a [u8]> {
    if *wire == Type::JSONB { bytes.strip_prefix(&[1]) } else { Some(bytes) }
}

fn int8(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

fn interval(bytes: &[u8]) -> Option<ScalarValue> {
    let (micros, rest) = bytes.split_first_chunk()?;
    let (days, rest) = rest.split_first_chunk()?;
    let months = i32::from_be_bytes(rest.try_into().ok()?);
    let nanos = i64::from_be_bytes(*micros).checked_mul(1000)?;
    let value = IntervalMonthDayNano::new(months, i32::from_be_bytes(*days), nanos);
    Some(ScalarValue::IntervalMonthDayNano(Some(value)))
}

/// Removes a big-endian number from the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// Formats a number as text: groups of four digits, the first multiplied by 10,000 to the power of `weight`.
fn numeric_text(mut bytes: &[u8]) -> Option<String> {
    let count = i16::from_be_bytes(take(&mut bytes)?);
    let weight = i16::from_be_bytes(take(&mut bytes)?);
    let sign = u16::from_be_bytes(take(&mut bytes)?);
    let scale = usize::from(u16::from_be_bytes(take(&mut bytes)?));
    if sign == 0xc000 {
        return Some("NaN".to_owned());
    }
    let groups: Vec<i16> = (0..count).map(|_| take(&mut bytes).map(i16::from_be_bytes)).collect::<Option<Vec<_>>>()?;
    if !(-100..=100).contains(&weight) || scale > 400 || groups.iter().any(|group| !(0..10_000).contains(group)) {
        return None;
    }
    let group = |at: i16| usize::try_from(at).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);
    let digits = |from: i16, to: i16| (from..=to).fold(String::new(), |text, at| text + &format!("{:04}", group(at)));
    let whole = digits(0, weight);
    let fraction_groups = i16::try_from(scale.div_ceil(4)).ok()?;
    let fraction = digits(weight + 1, weight + fraction_groups);
    let minus = if sign == 0x4000 { "-" } else { "" };
    let whole = Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let point = if scale > 0 { "." } else { "" };
    Some(format!("{minus}{whole}{point}{}", &fraction[..scale]))
}

/// Parses a one-dimensional array.
fn array(item: &Type, mut bytes: &[u8]) -> Option<ScalarValue> {
    let kind = item_kind(item);
    let dimensions = i32::from_be_bytes(take(&mut bytes)?);
    let _has_nulls: [u8; 4] = take(&mut bytes)?;
    let _item_oid: [u8; 4] = take(&mut bytes)?;
    let mut items = Vec::new();
    if dimensions == 1 {
        let count = i32::from_be_bytes(take(&mut bytes)?);
        let _first_index: [u8; 4] = take(&mut bytes)?;
        for _ in 0..count {
            let length = i32::from_be_bytes(take(&mut bytes)?);
            let Ok(length) = usize::try_from(length) else {
                items.push(ScalarValue::try_from(&kind).ok()?);
                continue;
            };
            let (value, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            items.push(binary(item, value)?.cast_to(&kind).ok()?);
        }
    } else if dimensions != 0 {
        return None;
    }
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&items, &kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(count: i16, weight: i16, sign: u16, scale: u16, groups: &[i16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(count.to_be_bytes());
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        groups.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
        bytes
    }

    /// Groups calculated by hand: 12345.678 is 1 | 2345 | 6780.
    #[test]
    fn numbers_of_groups() {
        assert_eq!(numeric_text(&numeric(3, 1, 0, 3, &[1, 2345, 6780])).as_deref(), Some("12345.678"));
        assert_eq!(numeric_text(&numeric(1, -1, 0x4000, 2, &[500])).as_deref(), Some("-0.05"));
        assert_eq!(numeric_text(&numeric(1, -2, 0, 6, &[12])).as_deref(), Some("0.000000"));
        assert_eq!(numeric_text(&numeric(1, 1, 0, 0, &[3])).as_deref(), Some("30000"));
        assert_eq!(numeric_text(&numeric(0, 0, 0, 0, &[])).as_deref(), Some("0"));
        assert_eq!(numeric_text(&numeric(0, 0, 0xc000, 0, &[])).as_deref(), Some("NaN"));
        assert_eq!(numeric_text(&numeric(2, 0, 0, 0, &[1])), None);
        assert_eq!(numeric_text(&numeric(1, i16::MAX, 0, 0, &[1])), None);
    }

    #[test]
    fn times_count_from_2000() {
        let timestamp = binary(&Type::TIMESTAMPTZ, &1_i64.to_be_bytes());
        assert_eq!(timestamp, Some(ScalarValue::TimestampMicrosecond(Some(946_684_800_000_001), Some("UTC".into()))));
        assert_eq!(binary(&Type::DATE, &0_i32.to_be_bytes()), Some(ScalarValue::Date32(Some(10_957))));
        assert_eq!(binary(&Type::TIMESTAMPTZ, &i64::MAX.to_be_bytes()), None);
        assert_eq!(binary(&Type::INT4, &[1, 2]), None);
    }

    #[test]
    fn arrays_of_one_dimension() {
        let mut bytes = Vec::new();
        for number in [1_i32, 1, 20, 2, 1, 8] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(7_i64.to_be_bytes());
        bytes.extend((-1_i32).to_be_bytes());
        let expected = [ScalarValue::Int64(Some(7)), ScalarValue::Int64(None)];
        let expected = ScalarValue::List(ScalarValue::new_list_nullable(&expected, &DataType::Int64));
        assert_eq!(binary(&Type::INT8_ARRAY, &bytes), Some(expected));
        assert_eq!(binary(&Type::INT8_ARRAY, &bytes[..bytes.len() - 6]), None);
        // A count larger than any message allocates no memory.
        bytes[12..16].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(binary(&Type::INT8_ARRAY, &bytes), None);
    }
}
