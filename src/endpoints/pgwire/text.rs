//! Converts columns without a wire type to JSON text, mainly maps.

use arrow::array::{Array as _, ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use arrow_pg::datatypes::into_pg_type;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// Arrow's metadata key and value for JSON text.
const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// Returns the plan with such columns converted to text.
pub(super) fn readable(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !is_query(&plan) || !plan.schema().fields().iter().any(|field| foreign(field.data_type())) {
        return Ok(plan);
    }
    let json = ScalarUDF::new_from_impl(JsonText::new());
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::from((qualifier, field));
            if foreign(field.data_type()) { json.call(vec![column]).alias(field.name()) } else { column }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Returns whether a plan is read-only.
pub(super) fn is_query(plan: &LogicalPlan) -> bool {
    !matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_))
}

/// Returns whether a column contains JSON text created here.
pub(super) fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION.0).is_some_and(|name| name == EXTENSION.1)
}

/// Returns whether the wire has no type for it.
pub(super) fn foreign(kind: &DataType) -> bool {
    match kind {
        DataType::Map(..) | DataType::Struct(_) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_nested() || into_pg_type(kind).is_err()
        }
        _ => into_pg_type(kind).is_err(),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonText {
    signature: Signature,
}

impl JsonText {
    fn new() -> JsonText {
        JsonText { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonText {
    fn name(&self) -> &'static str {
        "json_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let metadata = [(EXTENSION.0.to_owned(), EXTENSION.1.to_owned())].into();
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true).with_metadata(metadata)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let texts: StringArray = match arrays.first() {
            Some(values) => texts(values)?,
            None => StringArray::new_null(0),
        };
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

fn texts(values: &ArrayRef) -> Result<StringArray> {
    let schema = Arc::new(Schema::new(vec![Field::new("v", values.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![values.clone()])?;
    let mut lines = Vec::new();
    arrow::json::LineDelimitedWriter::new(&mut lines).write(&batch)?;
    let text = String::from_utf8(lines).map_err(|error| DataFusionError::Execution(error.to_string()))?;
    // One line per row: {"v":…}, or {} for null.
    let value = |(row, line): (usize, &str)| {
        let value = line.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}'));
        value.filter(|_| values.is_valid(row)).map(str::to_owned)
    };
    Ok(text.lines().enumerate().map(value).collect())
}
