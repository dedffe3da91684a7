//! `CAST` as a function, so that plans use `PostgreSQL`'s conversions instead of Arrow's.

use super::field_metadata::{EXTENSION, SCALE, TRIMMED};
use super::kinds::{Kind, numeric};
use super::types::{NUMERIC, SHORT, TYPE};
use super::values::casts;
use super::values::write::{Booleans, texts};
use super::zones::Zone;
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// A cast to a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CastTo {
    to: DataType,
    /// Length to which a text is truncated.
    length: Option<usize>,
    is_json: bool,
    /// True for a numeric of any scale.
    is_numeric: bool,
    zone: Zone,
    signature: Signature,
}

impl CastTo {
    /// Creates the cast; `None` if Arrow's cast is used.
    pub(super) fn new(from: &DataType, field: &Field, zone: &Zone) -> Option<CastTo> {
        let word = field.metadata().get(TYPE).map(String::as_str);
        let length = word.and_then(|word| word.strip_prefix(SHORT)).and_then(|length| length.parse().ok());
        let is_json = field.metadata().get(EXTENSION.0).is_some_and(|name| name == EXTENSION.1);
        let is_numeric = word == Some(NUMERIC);
        let to = if is_numeric { numeric(from) } else { field.data_type().clone() };
        if matches!(Kind::of(from), Kind::Unknown) && !is_json {
            return None;
        }
        let is_map = Kind::of(from) == Kind::Map && Kind::of(&to) == Kind::Text;
        if length.is_none() && !is_json && !is_numeric && !is_map && !casts::is_ours(from, &to) {
            return None;
        }
        let signature = Signature::any(1, Volatility::Stable);
        Some(CastTo { to, length, is_json, is_numeric, zone: zone.clone(), signature })
    }

    fn of(&self, array: &ArrayRef, field: Option<&Field>) -> Result<ArrayRef> {
        if Kind::of(&self.to) != Kind::Text {
            return casts::cast(array, &self.to, &self.zone);
        }
        let texts = texts(array, field, &self.zone, Booleans::Words)?;
        if self.is_json {
            for text in texts.iter().flatten() {
                if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                    return exec_err!("invalid input syntax for type json: {error}");
                }
            }
        }
        let texts: StringArray = match self.length {
            Some(length) => texts.iter().map(|text| text.map(|text| beginning(text, length))).collect(),
            None => texts,
        };
        let texts: ArrayRef = Arc::new(texts);
        if texts.data_type() == &self.to { Ok(texts) } else { Ok(arrow::compute::cast(&texts, &self.to)?) }
    }

    /// Evaluates it for a constant: a numeric then keeps the scale of its text.
    pub(super) fn folded(&self, value: &ScalarValue) -> Result<ScalarValue> {
        let array = value.to_array()?;
        let exact = if self.is_numeric { casts::exact_number(&array) } else { None };
        let array = match exact {
            Some(array) => array,
            None => self.of(&array, None)?,
        };
        ScalarValue::try_from_array(&array, 0)
    }

    /// Returns whether a constant can replace the cast without losing field metadata.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_json
    }
}

fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

impl ScalarUDFImpl for CastTo {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let field = Field::new(self.name(), self.to.clone(), true);
        let with = |key: &str, word: &str| [(key.to_owned(), word.to_owned())].into();
        Ok(Arc::new(if self.is_json {
            field.with_metadata(with(EXTENSION.0, EXTENSION.1))
        } else if self.is_numeric {
            field.with_metadata(with(SCALE, TRIMMED))
        } else {
            field
        }))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = arguments.arg_fields.first().cloned();
        match arguments.args.as_slice() {
            [ColumnarValue::Array(array)] => self.of(array, field.as_deref()).map(ColumnarValue::Array),
            [ColumnarValue::Scalar(value)] => {
                let array = self.of(&value.to_array()?, field.as_deref())?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            _ => exec_err!("cast: expected one value"),
        }
    }
}
