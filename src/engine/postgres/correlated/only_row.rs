//! Checks that a scalar subquery returns at most one row.

use arrow::array::Array as _;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::cast::as_primitive_array;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// Returns `value`, the first of a subquery; fails if `rows`, its number of rows, is more than one.
pub(super) fn only_row(value: Expr, rows: Expr) -> Expr {
    ScalarUDF::new_from_impl(OnlyRow { signature: Signature::any(2, Volatility::Stable) }).call(vec![value, rows])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OnlyRow {
    signature: Signature,
}

impl ScalarUDFImpl for OnlyRow {
    fn name(&self) -> &'static str {
        "only_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(value) = arguments.arg_fields.first() else { return exec_err!("only_row: expected a value") };
        Ok(Arc::new(value.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let mut args = arguments.args.into_iter();
        let (Some(value), Some(counts)) = (args.next(), args.next()) else {
            return exec_err!("only_row: two arguments");
        };
        let counts = counts.into_array(rows)?;
        let counts = as_primitive_array::<Int64Type>(&counts)?;
        if (0..counts.len()).any(|row| counts.is_valid(row) && counts.value(row) > 1) {
            return exec_err!("more than one row returned by a subquery used as an expression");
        }
        Ok(value)
    }
}
