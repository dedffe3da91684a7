//! Type names of statements, with `PostgreSQL`'s meaning.

use super::field_metadata::EXTENSION;
use super::kinds::{DIGITS, FLOAT_SCALE, TIME, TIMESTAMP, timestamptz};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    CharacterLength, DataType as SqlType, ExactNumberInfo, ObjectName, TimezoneInfo,
};
use std::sync::Arc;

/// Metadata key for details of a cast's type that Arrow's type does not express.
pub(super) const TYPE: &str = "spanwise.type";
/// Value for a numeric of any scale.
pub(super) const NUMERIC: &str = "numeric";
/// Value for a text with a maximum length: this prefix, followed by the length.
pub(super) const SHORT: &str = "short ";

/// Plans type names; unknown ones are passed to another planner.
#[derive(Debug)]
pub(super) struct Types(pub(super) Option<Arc<dyn TypePlanner>>);

impl TypePlanner for Types {
    fn plan_type_field(&self, kind: &SqlType) -> Result<Option<FieldRef>> {
        match (own(kind)?, &self.0) {
            (None, Some(other)) => other.plan_type_field(kind),
            (field, _) => Ok(field),
        }
    }
}

fn own(kind: &SqlType) -> Result<Option<FieldRef>> {
    let plain = |kind: DataType| Ok(Some(Arc::new(Field::new("", kind, true))));
    match kind {
        SqlType::Numeric(info) | SqlType::Decimal(info) | SqlType::Dec(info) => number(info),
        SqlType::Float(info) => plain(match info {
            ExactNumberInfo::Precision(bits) if *bits < 25 => DataType::Float32,
            _ => DataType::Float64,
        }),
        SqlType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | SqlType::Datetime(_) => {
            plain(TIMESTAMP)
        }
        SqlType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => plain(timestamptz()),
        SqlType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => plain(TIME),
        SqlType::JSON | SqlType::JSONB => Ok(Some(json())),
        SqlType::Uuid | SqlType::Text => plain(DataType::Utf8),
        SqlType::Char(length) | SqlType::Character(length) => Ok(Some(text(length.as_ref(), Some(1)))),
        SqlType::Varchar(length) | SqlType::CharacterVarying(length) | SqlType::CharVarying(length) => {
            Ok(Some(text(length.as_ref(), None)))
        }
        SqlType::Custom(name, modifiers) => custom(name, modifiers),
        _ => Ok(None),
    }
}

fn with(kind: DataType, key: &str, word: &str) -> FieldRef {
    Arc::new(Field::new("", kind, true).with_metadata([(key.to_owned(), word.to_owned())].into()))
}

fn json() -> FieldRef {
    with(DataType::Utf8, EXTENSION.0, EXTENSION.1)
}

fn number(info: &ExactNumberInfo) -> Result<Option<FieldRef>> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(Some(with(DataType::Decimal128(DIGITS, FLOAT_SCALE), TYPE, NUMERIC))),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=DIGITS), Ok(scale)) if scale >= 0 && i64::from(precision) >= i64::from(scale) => {
            Ok(Some(Arc::new(Field::new("", DataType::Decimal128(precision, scale), true))))
        }
        _ => plan_err!("numeric({precision}, {scale}): expected a precision of 1 to {DIGITS}, and a scale up to that"),
    }
}

fn text(length: Option<&CharacterLength>, otherwise: Option<u64>) -> FieldRef {
    let length = match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        Some(CharacterLength::Max) => None,
        None => otherwise,
    };
    match length {
        Some(length) => with(DataType::Utf8, TYPE, &format!("{SHORT}{length}")),
        None => Arc::new(Field::new("", DataType::Utf8, true)),
    }
}

/// Plans types without keywords in the parser.
fn custom(name: &ObjectName, modifiers: &[String]) -> Result<Option<FieldRef>> {
    let name = name.0.last().and_then(|part| part.as_ident()).map(|part| part.value.to_lowercase()).unwrap_or_default();
    let plain = |kind: DataType| Ok(Some(Arc::new(Field::new("", kind, true)) as FieldRef));
    match name.as_str() {
        "text" | "name" | "varchar" | "bpchar" if modifiers.is_empty() => plain(DataType::Utf8),
        "int2" => plain(DataType::Int16),
        "int4" => plain(DataType::Int32),
        "int8" => plain(DataType::Int64),
        "float4" => plain(DataType::Float32),
        "float8" => plain(DataType::Float64),
        "bool" => plain(DataType::Boolean),
        "timestamptz" => plain(timestamptz()),
        "timestamp" => plain(TIMESTAMP),
        "time" => plain(TIME),
        "numeric" if modifiers.is_empty() => number(&ExactNumberInfo::None),
        "json" | "jsonb" => Ok(Some(json())),
        _ => Ok(None),
    }
}
