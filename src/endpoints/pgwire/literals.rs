//! Parses parameters in text form.

use crate::engine::postgres::{Zone, array_items, read};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use pgwire::api::Type;
use postgres_types::Kind;

/// Parses a value; `None` if the text is invalid for the type.
pub(super) fn from_text(text: &str, kind: &DataType) -> Option<ScalarValue> {
    match kind {
        DataType::Utf8 => Some(ScalarValue::from(text)),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = match text.strip_prefix("\\x") {
                Some(hex) => from_hex(hex)?,
                None => text.as_bytes().to_vec(),
            };
            ScalarValue::Binary(Some(bytes)).cast_to(kind).ok()
        }
        DataType::Decimal128(38, 0) => decimal(text),
        DataType::List(item) => {
            let items = array_items(text)?;
            let items: Option<Vec<ScalarValue>> = items
                .into_iter()
                .map(|item_text| match item_text {
                    Some(text) => from_text(&text, item.data_type()),
                    None => ScalarValue::try_from(item.data_type()).ok(),
                })
                .collect();
            Some(ScalarValue::List(ScalarValue::new_list_nullable(&items?, item.data_type())))
        }
        kind => read(text, kind, &Zone::utc()),
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// Parses a number with the scale of its text.
fn decimal(text: &str) -> Option<ScalarValue> {
    let text = text.trim();
    let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if plain && text.len() <= 38 {
        let kind = DataType::Decimal128(38, i8::try_from(scale).ok()?);
        return ScalarValue::from(text).cast_to(&kind).ok().filter(|value| !value.is_null());
    }
    text.parse().ok().map(|number: f64| ScalarValue::Float64(Some(number)))
}

/// Returns the Arrow type in which a value of a wire type is parsed.
pub(super) fn arrow_type(wire: &Type) -> DataType {
    match *wire {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID | Type::XID | Type::CID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 0),
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::BYTEA => DataType::Binary,
        ref other => match item_type(other) {
            Some(item) => DataType::new_list(item_kind(item), true),
            None => DataType::Utf8,
        },
    }
}

/// Returns the element type of an array type.
pub(super) fn item_type(wire: &Type) -> Option<&Type> {
    if let Kind::Array(item) = wire.kind() { Some(item) } else { None }
}

/// Returns the Arrow type of array elements: numbers of one array can have different scales.
pub(super) fn item_kind(item: &Type) -> DataType {
    if *item == Type::NUMERIC { DataType::Float64 } else { arrow_type(item) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_their_type() {
        // 2026-01-02 is day 20,455 since the epoch.
        const DAY_US: i64 = 20_455 * 86_400_000_000;
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let at = |us| Some(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
        for text in ["2026-01-02", "2026-01-02 00:00:00", "2026-01-02T00:00:00Z", "2026-01-02 02:00:00+02:00"] {
            assert_eq!(from_text(text, &utc), at(DAY_US), "{text}");
        }
        assert_eq!(from_text("2026-01-02 00:00:00.000001+00", &utc), at(DAY_US + 1));
        assert_eq!(from_text("the day before", &utc), None);
        assert_eq!(from_text("t", &DataType::Boolean), Some(ScalarValue::Boolean(Some(true))));
        assert_eq!(from_text("7", &DataType::Int16), Some(ScalarValue::Int16(Some(7))));
        assert_eq!(from_text("seven", &DataType::Int16), None);
        assert_eq!(from_text("\\xdeAD", &DataType::Binary), Some(ScalarValue::Binary(Some(vec![0xde, 0xad]))));
        assert_eq!(from_text("\\xde0", &DataType::Binary), None);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let numeric = arrow_type(&Type::NUMERIC);
        assert_eq!(from_text("-1.50", &numeric), Some(ScalarValue::Decimal128(Some(-150), 38, 2)));
        assert_eq!(from_text("12", &numeric), Some(ScalarValue::Decimal128(Some(12), 38, 0)));
        assert_eq!(from_text("1e3", &numeric), Some(ScalarValue::Float64(Some(1000.0))));
        assert_eq!(from_text("one", &numeric), None);
    }

    #[test]
    fn arrays_are_taken_apart() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(array_items("{}"), Some(vec![]));
        assert_eq!(
            array_items(r#"{a,"b, \"c\"",NULL,"NULL"}"#),
            Some(vec![some("a"), some("b, \"c\""), None, some("NULL")])
        );
        for broken in ["a", "{a", "{a,}", "{{a}}", r#"{"a}"#, r#"{"a"b}"#] {
            assert_eq!(array_items(broken), None, "{broken}");
        }
        let read = from_text("{1,NULL}", &arrow_type(&Type::INT8_ARRAY)).unwrap();
        let expected = [ScalarValue::Int64(Some(1)), ScalarValue::Int64(None)];
        assert_eq!(read, ScalarValue::List(ScalarValue::new_list_nullable(&expected, &DataType::Int64)));
    }
}
