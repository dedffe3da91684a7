//! A function with several forms, selected by the types of its arguments as in `PostgreSQL`.

use super::call::Call;
use super::field_metadata::SCALE;
use super::forms::{Form, Given, Gives};
use super::kinds::{Kind, cost};
use super::values::casts;
use super::zones::Zone;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A function with its forms.
#[derive(Clone)]
pub(crate) struct Function {
    name: &'static str,
    forms: &'static [Form],
    volatility: Volatility,
    signature: Signature,
    zone: Zone,
    /// True if the result has the displayed scale of the arguments.
    carries_scale: bool,
}

impl Function {
    pub(crate) fn new(name: &'static str, forms: &'static [Form]) -> Function {
        Function::with(name, forms, Volatility::Immutable)
    }

    pub(crate) fn with(name: &'static str, forms: &'static [Form], volatility: Volatility) -> Function {
        let takes = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        Function {
            name,
            forms,
            volatility,
            signature: Signature::one_of(takes, volatility),
            zone: Zone::utc(),
            carries_scale: false,
        }
    }

    /// Returns the function with a session's time zone.
    pub(crate) fn within(&self, zone: &Zone) -> Function {
        Function { zone: zone.clone(), ..self.clone() }
    }

    /// Returns the function with the displayed scale of its arguments kept in the result.
    pub(crate) fn carrying_scale(self) -> Function {
        Function { carries_scale: true, ..self }
    }

    /// Selects the form with the cheapest conversions.
    fn form(&self, types: &[DataType]) -> Result<&'static Form> {
        let kinds: Vec<Kind> = types.iter().map(Kind::of).collect();
        let fits = |form: &'static Form| {
            let more = kinds.len().checked_sub(form.takes.len())?;
            if more > 0 && form.rest.is_none() {
                return None;
            }
            let takes = form.takes.iter().copied().chain(form.rest.into_iter().cycle().take(more));
            let costs = kinds.iter().zip(takes).map(|(from, to)| cost(*from, to));
            costs.sum::<Option<u32>>().map(|sum| (sum, form))
        };
        if let Some((_, form)) = self.forms.iter().filter_map(fits).min_by_key(|(sum, _)| *sum) {
            Ok(form)
        } else {
            let found: Vec<String> = types.iter().map(casts::name_of).collect();
            plan_err!("Invalid function '{}': no form of it takes ({})", self.name, found.join(", "))
        }
    }

    /// Casts the arguments to the types of a form.
    fn taken(&self, form: &Form, args: &[ColumnarValue], rows: usize) -> Result<Vec<ArrayRef>> {
        let takes = form.takes.iter().copied().chain(form.rest.into_iter().cycle());
        let taken = args.iter().zip(takes).map(|(value, takes)| {
            let kind = takes.arrow(&value.data_type());
            let is_scalar = matches!(value, ColumnarValue::Scalar(_));
            let array = value.to_array(if is_scalar { 1 } else { rows })?;
            let array = casts::cast(&array, &kind, &self.zone)?;
            if is_scalar && rows != 1 {
                ScalarValue::try_from_array(&array, 0)?.to_array_of_size(rows)
            } else {
                Ok(array)
            }
        });
        taken.collect()
    }

    /// Evaluates constant arguments. The type, such as a numeric's scale, can depend on their values.
    pub(crate) fn folded(&self, values: &[ScalarValue]) -> Result<ScalarValue> {
        if self.volatility == Volatility::Volatile {
            return exec_err!("{} has no constant value", self.name);
        }
        let types: Vec<DataType> = values.iter().map(ScalarValue::data_type).collect();
        let form = self.form(&types)?;
        let columns: Vec<ColumnarValue> = values.iter().cloned().map(ColumnarValue::Scalar).collect();
        let args = self.taken(form, &columns, 1)?;
        let taken: Vec<DataType> = args.iter().map(|array| array.data_type().clone()).collect();
        let constants: Vec<Option<&ScalarValue>> = values.iter().map(Some).collect();
        let given = Given { types: &taken, constants: &constants };
        let gives = form.gives.field(self.name, &given).data_type().clone();
        let call = Call { args: &args, rows: 1, zone: &self.zone, gives, exact: true };
        ScalarValue::try_from_array(&(form.run)(&call)?, 0)
    }

    /// Returns whether the result has no field metadata, so that a constant can replace it.
    pub(crate) fn is_plain(&self, types: &[DataType]) -> bool {
        self.form(types).is_ok_and(|form| !matches!(form.gives, Gives::Json))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Function").field("name", &self.name).field("zone", &self.zone).finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name && self.zone == other.zone
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.zone.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let form = self.form(types)?;
        let takes = form.takes.iter().copied().chain(form.rest.into_iter().cycle());
        let taken: Vec<DataType> = types.iter().zip(takes).map(|(given, takes)| takes.arrow(given)).collect();
        Ok(form.gives.field(self.name, &Given { types: &taken, constants: &[] }).data_type().clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let form = self.form(&types)?;
        let takes = form.takes.iter().copied().chain(form.rest.into_iter().cycle());
        let taken: Vec<DataType> = types.iter().zip(takes).map(|(given, takes)| takes.arrow(given)).collect();
        let given = Given { types: &taken, constants: arguments.scalar_arguments };
        let field = form.gives.field(self.name, &given);
        // The result keeps the displayed scale of its arguments.
        let shown = arguments.arg_fields.iter().find_map(|field| field.metadata().get(SCALE));
        Ok(Arc::new(match shown {
            Some(word)
                if self.carries_scale
                    && matches!(field.data_type(), DataType::Decimal128(..))
                    && field.metadata().is_empty() =>
            {
                field.with_metadata([(SCALE.to_owned(), word.clone())].into())
            }
            _ => field,
        }))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)))
            && self.volatility != Volatility::Volatile;
        let rows = if is_scalar { 1 } else { arguments.number_rows };
        let types: Vec<DataType> = arguments.args.iter().map(ColumnarValue::data_type).collect();
        let form = self.form(&types)?;
        let args = self.taken(form, &arguments.args, rows)?;
        let gives = arguments.return_field.data_type().clone();
        let call = Call { args: &args, rows, zone: &self.zone, gives, exact: false };
        let answer = (form.run)(&call)?;
        let answer =
            if answer.data_type() == &call.gives { answer } else { casts::cast(&answer, &call.gives, &self.zone)? };
        Ok(if is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?)
        } else {
            ColumnarValue::Array(answer)
        })
    }
}

impl From<Function> for Arc<ScalarUDF> {
    fn from(function: Function) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(function))
    }
}
