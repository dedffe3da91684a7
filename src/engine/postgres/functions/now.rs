//! Functions that return the time of a statement.

use crate::engine::postgres::kinds::timestamptz;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// All of them are equal, because a statement is its own transaction.
const NAMES: [&str; 5] =
    ["now", "current_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp"];
/// Default user, if the wire provides none.
const USER: &str = "spanwise";

pub(super) fn all() -> Vec<ScalarUDF> {
    let signature = || Signature::nullary(Volatility::Stable);
    NAMES.map(|name| ScalarUDF::new_from_impl(Now { name, signature: signature() })).into()
}

pub(super) fn users() -> Vec<ScalarUDF> {
    let signature = || Signature::nullary(Volatility::Stable);
    ["current_user", "session_user", "user", "current_role"]
        .map(|name| ScalarUDF::new_from_impl(User { name, signature: signature() }))
        .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(timestamptz())
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(now) = info.query_execution_start_time() else { return Ok(ExprSimplifyResult::Original(args)) };
        let value = ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), Some("UTC".into()));
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }

    /// Never called: the optimizer replaces it by the time of the statement.
    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} is to be simplified", self.name)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct User {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for User {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::from(USER)))
    }
}
