//! `attr_int`, `attr_double` and `attr_bool`: the value of an attribute as a number or boolean; null if it is missing
//! or not of that type. For text, use `attributes['key']`.

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use std::sync::Arc;

/// Creates `attr_int(map, key)`.
pub(super) fn attr_int() -> ScalarUDF {
    ScalarUDF::from(Attribute::new("attr_int", DataType::Int64, |texts| {
        Arc::new(texts.map(|text| text?.parse::<i64>().ok()).collect::<Int64Array>())
    }))
}

/// Creates `attr_double(map, key)`.
pub(super) fn attr_double() -> ScalarUDF {
    ScalarUDF::from(Attribute::new("attr_double", DataType::Float64, |texts| {
        Arc::new(texts.map(|text| text?.parse::<f64>().ok()).collect::<Float64Array>())
    }))
}

/// Creates `attr_bool(map, key)`.
pub(super) fn attr_bool() -> ScalarUDF {
    ScalarUDF::from(Attribute::new("attr_bool", DataType::Boolean, |texts| {
        Arc::new(texts.map(|text| text?.parse::<bool>().ok()).collect::<BooleanArray>())
    }))
}

type Parse = fn(&mut dyn Iterator<Item = Option<&str>>) -> ArrayRef;

#[derive(Debug)]
struct Attribute {
    name: &'static str,
    answer: DataType,
    signature: Signature,
    parse: Parse,
}

impl Attribute {
    fn new(name: &'static str, answer: DataType, parse: Parse) -> Attribute {
        let signature = Signature::new(TypeSignature::Any(2), Volatility::Immutable);
        Attribute { name, answer, signature, parse }
    }
}

// The name identifies the function.
impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Attribute {}

impl std::hash::Hash for Attribute {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Attribute {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        if !matches!(arguments[0], DataType::Map(_, _)) {
            return exec_err!(
                "{}: the first argument is {}, expected a map such as attributes",
                self.name,
                arguments[0]
            );
        }
        Ok(self.answer.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(maps) = columns[0].as_map_opt() else {
            return exec_err!("{}: the first argument is no map", self.name);
        };
        let keys = arrow::compute::cast(&columns[1], &DataType::Utf8)?;
        let wanted = keys.as_string::<i32>();
        let (names, values) = (maps.keys().as_string::<i32>(), maps.values().as_string::<i32>());
        let offsets = maps.value_offsets();
        let mut texts = (0..maps.len()).map(|row| {
            let start = usize::try_from(offsets[row]).ok()?;
            let end = usize::try_from(offsets[row + 1]).ok()?;
            let known = maps.is_valid(row) && wanted.is_valid(row);
            let entry = (start..end).find(|entry| known && names.value(*entry) == wanted.value(row))?;
            values.is_valid(entry).then(|| values.value(entry))
        });
        Ok(ColumnarValue::Array((self.parse)(&mut texts)))
    }
}
