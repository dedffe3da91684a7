//! Functions of the `PostgreSQL` server that clients use in queries over tables.

use super::session_command::KNOWN;
use crate::endpoints::pgcatalog::VERSION;
use arrow::array::{ArrayRef, AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility, create_udf,
};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Registers the functions for planning.
pub(super) fn register(context: &SessionContext) {
    let version = |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::from(VERSION)));
    context.register_udf(create_udf("version", Vec::new(), DataType::Utf8, Volatility::Stable, Arc::new(version)));
    let signatures =
        vec![TypeSignature::Exact(vec![DataType::Utf8]), TypeSignature::Exact(vec![DataType::Utf8, DataType::Boolean])];
    let signature = Signature::one_of(signatures, Volatility::Stable);
    context.register_udf(ScalarUDF::new_from_impl(CurrentSetting { signature }));
}

/// `current_setting(name [, missing_ok])`: returns the server's value; `SHOW` returns the session's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentSetting {
    signature: Signature,
}

impl ScalarUDFImpl for CurrentSetting {
    fn name(&self) -> &'static str {
        "current_setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [names, rest @ ..] = arrays.as_slice() else { return exec_err!("current_setting: expected a name") };
        let value = |(row, name): (usize, Option<&str>)| {
            let Some(name) = name else { return Ok(None) };
            match KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, value)) => Ok(Some(*value)),
                None if rest.first().is_some_and(|missing_ok| missing_ok.as_boolean().value(row)) => Ok(None),
                None => exec_err!("unrecognized configuration parameter {name:?}"),
            }
        };
        let values: StringArray = names.as_string::<i32>().iter().enumerate().map(value).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(values) as ArrayRef))
    }
}
