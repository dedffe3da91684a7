//! A function with several forms, of which the types of its arguments choose one, as in `PostgreSQL`.

use super::kinds::{Kind, cost, list_of};
use super::values::casts;
use super::zones::Zone;
use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    IntervalMonthDayNanoArray, PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, IntervalMonthDayNano};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a form of a function does with its rows.
pub(crate) type Run = fn(&Call<'_>) -> Result<ArrayRef>;

/// One form of a function.
pub(crate) struct Form {
    pub(crate) takes: &'static [Kind],
    /// The kind of further arguments, where there may be any number.
    pub(crate) rest: Option<Kind>,
    pub(crate) gives: Gives,
    pub(crate) run: Run,
}

impl Form {
    pub(crate) const fn new(takes: &'static [Kind], gives: Kind, run: Run) -> Form {
        Form { takes, rest: None, gives: Gives::Kind(gives), run }
    }

    pub(crate) const fn of(takes: &'static [Kind], gives: Gives, run: Run) -> Form {
        Form { takes, rest: None, gives, run }
    }

    pub(crate) const fn any(takes: &'static [Kind], rest: Kind, gives: Gives, run: Run) -> Form {
        Form { takes, rest: Some(rest), gives, run }
    }
}

/// The type of a form's answer.
#[derive(Clone, Copy)]
pub(crate) enum Gives {
    Kind(Kind),
    /// A list of texts.
    Texts,
    /// The type of this argument.
    Like(usize),
    /// Told by the arguments' types, and by those that are constants.
    By(fn(&Given<'_>) -> DataType),
    /// JSON text.
    Json,
    /// A number whose digits after the point are those that `PostgreSQL`'s division gives.
    Quotient,
    /// A number without zeros at its end.
    Trimmed,
}

/// Where a field tells how many of its digits after the point are shown, and the words for it.
pub(crate) const SCALE: &str = "spanwise.scale";
pub(crate) const QUOTIENT: &str = "quotient";
pub(crate) const TRIMMED: &str = "trimmed";
/// Arrow's own name for text that is JSON, and where it stands.
pub(crate) const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// Digits after the point of a quotient.
pub(crate) const QUOTIENT_SCALE: i8 = 20;

/// What is known of arguments before there are rows.
pub(crate) struct Given<'a> {
    pub(crate) types: &'a [DataType],
    constants: &'a [Option<&'a ScalarValue>],
}

impl Given<'_> {
    /// The scale of a number.
    pub(crate) fn scale(&self, at: usize) -> i8 {
        match self.types.get(at) {
            Some(DataType::Decimal128(_, scale)) => *scale,
            _ => 0,
        }
    }

    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        self.constants.get(at).copied().flatten().and_then(|value| value.try_as_str().flatten())
    }

    pub(crate) fn int(&self, at: usize) -> Option<i64> {
        let value = self.constants.get(at).copied().flatten()?;
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(value)) => value,
            _ => None,
        }
    }
}

impl Gives {
    fn field(self, name: &str, given: &Given<'_>) -> Field {
        let types = given.types;
        let of = |kind: DataType| Field::new(name, kind, true);
        let with =
            |kind: DataType, key: &str, word: &str| of(kind).with_metadata([(key.to_owned(), word.to_owned())].into());
        match self {
            Gives::Kind(kind) => of(kind.arrow(types.first().unwrap_or(&DataType::Null))),
            Gives::Texts => of(list_of(DataType::Utf8)),
            Gives::Like(at) => of(types.get(at).cloned().unwrap_or(DataType::Null)),
            Gives::By(told) => of(told(given)),
            Gives::Json => with(DataType::Utf8, EXTENSION.0, EXTENSION.1),
            Gives::Quotient => with(DataType::Decimal128(super::kinds::DIGITS, QUOTIENT_SCALE), SCALE, QUOTIENT),
            Gives::Trimmed => {
                let given = types.first().unwrap_or(&DataType::Null);
                with(super::kinds::numeric(given), SCALE, TRIMMED)
            }
        }
    }
}

/// A function.
#[derive(Clone)]
pub(crate) struct Function {
    name: &'static str,
    forms: &'static [Form],
    volatility: Volatility,
    signature: Signature,
    zone: Zone,
    /// Digits that are not shown of an argument are not shown of the answer.
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

    /// The same, in a session's time zone.
    pub(crate) fn within(&self, zone: &Zone) -> Function {
        Function { zone: zone.clone(), ..self.clone() }
    }

    /// The same, where digits that are not shown of an argument are not shown of the answer.
    pub(crate) fn carrying_scale(self) -> Function {
        Function { carries_scale: true, ..self }
    }

    /// The form that is meant.
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

    /// The arguments in the types of a form.
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

    /// Its value for constants, where the type may depend on them, as of numbers.
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

    /// The metadata that its answer has.
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
        // What is worked out of such a number is one, too.
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

/// One call: arguments in the types of the form, one row each.
pub(crate) struct Call<'a> {
    pub(crate) args: &'a [ArrayRef],
    pub(crate) rows: usize,
    /// The session's time zone.
    pub(crate) zone: &'a Zone,
    /// The type that is expected. Where the arguments are constants, a number may have another scale.
    pub(crate) gives: DataType,
    /// The arguments are constants, and the answer's scale is for the function to tell.
    pub(crate) exact: bool,
}

/// Says that an argument is not what the form takes.
fn other(expected: &str) -> DataFusionError {
    DataFusionError::Internal(format!("an argument is not of the type of its form: expected {expected}"))
}

macro_rules! typed {
    ($name:ident, $array:ty, $get:ident, $item:ty) => {
        /// An argument's array.
        pub(crate) fn $name(&self, at: usize) -> Result<&'a $array> {
            self.args.get(at).and_then(|array| array.as_any().downcast_ref()).ok_or_else(|| other(stringify!($array)))
        }

        /// An argument's value, which is not null.
        pub(crate) fn $get(&self, at: usize, row: usize) -> Result<$item> {
            Ok(self.$name(at)?.value(row))
        }
    };
}

impl<'a> Call<'a> {
    typed!(texts, StringArray, text, &'a str);
    typed!(floats, Float64Array, float, f64);
    typed!(numbers, Decimal128Array, number, i128);
    typed!(dates, Date32Array, date, i32);
    typed!(stamps, TimestampMicrosecondArray, stamp, i64);
    typed!(intervals, IntervalMonthDayNanoArray, interval, IntervalMonthDayNano);

    /// An integer of any width.
    pub(crate) fn int(&self, at: usize, row: usize) -> Result<i64> {
        use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
        let array = self.args.get(at).ok_or_else(|| other("an integer"))?;
        Ok(match array.data_type() {
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
            _ => return Err(other("an integer")),
        })
    }

    /// Microseconds of a time of day.
    pub(crate) fn time(&self, at: usize, row: usize) -> Result<i64> {
        let array =
            self.args.get(at).and_then(|array| array.as_any().downcast_ref::<arrow::array::Time64MicrosecondArray>());
        Ok(array.ok_or_else(|| other("a time"))?.value(row))
    }

    /// The scale of a number.
    pub(crate) fn scale(&self, at: usize) -> i8 {
        match self.args.get(at).map(arrow::array::Array::data_type) {
            Some(DataType::Decimal128(_, scale)) => *scale,
            _ => 0,
        }
    }

    /// Whether an argument was given.
    pub(crate) fn has(&self, at: usize) -> bool {
        at < self.args.len()
    }

    pub(crate) fn is_null(&self, at: usize, row: usize) -> bool {
        self.args.get(at).is_none_or(|array| array.is_null(row))
    }

    /// Rows of which some argument is null are null; the others are worked out.
    pub(crate) fn strict<T>(&self, mut of_row: impl FnMut(usize) -> Result<Option<T>>) -> Result<Vec<Option<T>>> {
        let value = |row: usize| if self.args.iter().any(|array| array.is_null(row)) { Ok(None) } else { of_row(row) };
        (0..self.rows).map(value).collect()
    }

    pub(crate) fn to_texts(&self, of_row: impl FnMut(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
        Ok(Arc::new(StringArray::from(self.strict(of_row)?)))
    }

    pub(crate) fn to_bools(&self, of_row: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::from(self.strict(of_row)?)))
    }

    pub(crate) fn to<T: ArrowPrimitiveType>(
        &self,
        of_row: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        Ok(Arc::new(self.strict(of_row)?.into_iter().collect::<PrimitiveArray<T>>()))
    }

    pub(crate) fn to_ints(&self, of_row: impl FnMut(usize) -> Result<Option<i32>>) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::Int32Type>(of_row)
    }

    pub(crate) fn to_floats(&self, of_row: impl FnMut(usize) -> Result<Option<f64>>) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::Float64Type>(of_row)
    }

    pub(crate) fn to_intervals(
        &self,
        of_row: impl FnMut(usize) -> Result<Option<IntervalMonthDayNano>>,
    ) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::IntervalMonthDayNanoType>(of_row)
    }

    /// Microseconds, of the type that is expected.
    pub(crate) fn to_stamps(&self, of_row: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        let array: TimestampMicrosecondArray = self.strict(of_row)?.into_iter().collect();
        Ok(match &self.gives {
            DataType::Timestamp(_, Some(zone)) => Arc::new(array.with_timezone(zone.clone())),
            _ => Arc::new(array),
        })
    }

    pub(crate) fn to_times(&self, of_row: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        self.to::<arrow::datatypes::Time64MicrosecondType>(of_row)
    }

    /// Numbers of a scale.
    pub(crate) fn to_numbers(&self, scale: i8, of_row: impl FnMut(usize) -> Result<Option<i128>>) -> Result<ArrayRef> {
        let array: Decimal128Array = self.strict(of_row)?.into_iter().collect();
        Ok(Arc::new(array.with_precision_and_scale(super::kinds::DIGITS, scale)?))
    }
}
