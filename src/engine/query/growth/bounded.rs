//! A function with a bound on what it gives for one batch of rows.

use super::sizes::{self, Sizes};
use arrow::array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr as _;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

/// The name of `||` as a function.
pub(super) const JOINED: &str = "||";

/// A function that is asked first how much it would give.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounded {
    function: Arc<ScalarUDF>,
    bytes_max: usize,
}

impl Bounded {
    pub(super) fn around(function: Arc<ScalarUDF>, bytes_max: usize) -> ScalarUDF {
        ScalarUDF::new_from_impl(Bounded { function, bytes_max })
    }

    pub(super) fn is(function: &ScalarUDF) -> bool {
        let function: &dyn Any = function.inner().as_ref();
        function.is::<Bounded>()
    }

    fn run(&self, arguments: &ScalarFunctionArgs, rows: Range<usize>) -> Result<ColumnarValue> {
        let slice = |argument: &ColumnarValue| match argument {
            ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(rows.start, rows.len())),
            ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
        };
        self.function.invoke_with_args(ScalarFunctionArgs {
            args: arguments.args.iter().map(slice).collect(),
            arg_fields: arguments.arg_fields.clone(),
            number_rows: rows.len(),
            return_field: arguments.return_field.clone(),
            config_options: arguments.config_options.clone(),
        })
    }

    fn too_much<T>(&self) -> Result<T> {
        let (name, bytes_max) = (self.function.name(), self.bytes_max);
        exec_err!("{name} would give more than {bytes_max} bytes for one batch of rows, which is the limit")
    }

    /// Rows in parts of which none can give more than the bound, with what is given counted in between.
    fn in_parts(&self, arguments: &ScalarFunctionArgs, most: impl Fn(usize) -> usize) -> Result<ColumnarValue> {
        let (mut given, mut bytes, mut begin) = (Vec::new(), 0_usize, 0);
        while begin < arguments.number_rows {
            let (mut end, mut sum) = (begin, 0_usize);
            while end < arguments.number_rows && sum.saturating_add(most(end)) <= self.bytes_max {
                sum += most(end);
                end += 1;
            }
            if end == begin {
                return self.too_much();
            }
            let part = self.run(arguments, begin..end)?.into_array(end - begin)?;
            bytes = bytes.saturating_add(part.to_data().get_slice_memory_size()?);
            if bytes > self.bytes_max {
                return self.too_much();
            }
            given.push(part);
            begin = end;
        }
        let given: Vec<_> = given.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(arrow::compute::concat(&given)?))
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        self.function.schema_name(arguments)
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        self.function.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let sizes: Vec<Sizes> = arguments.args.iter().map(Sizes::of).collect();
        let name = self.function.name();
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let most = |row: usize| {
            let most = sizes::at_most(name, &sizes, row);
            if most <= self.bytes_max || name != "replace" {
                return most;
            }
            sizes::replaced(&arguments.args, row).unwrap_or(most)
        };
        let rows = if constant { 1 } else { arguments.number_rows };
        if (0..rows).fold(0, |sum: usize, row| sum.saturating_add(most(row))) <= self.bytes_max {
            return self.function.invoke_with_args(arguments);
        }
        if constant { self.too_much() } else { self.in_parts(&arguments, most) }
    }
}

/// `||` as a function of two texts.
pub(super) fn joined() -> ScalarUDF {
    ScalarUDF::new_from_impl(Joined { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    signature: Signature,
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &'static str {
        JOINED
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [left, right] = arguments else { return exec_err!("||: expected two arguments") };
        Ok(format!("{} || {}", left.schema_name(), right.schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else { return exec_err!("||: expected two arguments") };
        let (left, right) = BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_input_types()?;
        Ok(vec![left, right])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else { return exec_err!("||: expected two arguments") };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = arguments.args.iter().map(|argument| argument.to_array(arguments.number_rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let field = |array: &ArrayRef| Field::new("", array.data_type().clone(), true);
        let schema = Arc::new(Schema::new(arrays.iter().map(field).collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(arguments.number_rows));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        let column = |at: usize| Arc::new(Column::new("", at));
        BinaryExpr::new(column(0), Operator::StringConcat, column(1)).evaluate(&batch)
    }
}
