//! Ordered-set aggregates: `percentile_disc`, `percentile_cont` and `mode`.

use crate::engine::postgres::values::casts;
use crate::engine::postgres::zones::Zone;
use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::{SortOptions, concat, sort, take};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Signature, Volatility};
use std::sync::Arc;

const CONTINUOUS: &str = "percentile_cont";

pub(super) fn all() -> Vec<AggregateUDF> {
    let of = |name: &'static str, arguments: usize| {
        AggregateUDF::new_from_impl(Ordered { name, signature: Signature::any(arguments, Volatility::Immutable) })
    };
    vec![of("percentile_disc", 2), of("percentile_cont", 2), of("mode", 1)]
}

/// The arguments are the sorted value and the fraction.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ordered {
    name: &'static str,
    signature: Signature,
}

impl AggregateUDFImpl for Ordered {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(_) if self.name == CONTINUOUS => Ok(DataType::Float64),
            Some(kind) => Ok(kind.clone()),
            None => plan_err!("{}: expected WITHIN GROUP (ORDER BY …)", self.name),
        }
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let kind = args.input_fields.first().map_or(DataType::Null, |field| field.data_type().clone());
        let kind = if self.name == CONTINUOUS { DataType::Float64 } else { kind };
        let items = Field::new_list_field(kind, true);
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, self.name), DataType::List(Arc::new(items)), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let fraction = match args.exprs.get(1) {
            None => None,
            Some(expression) => {
                let value = expression.evaluate(&RecordBatch::new_empty(Arc::new(args.schema.clone())))?;
                let ColumnarValue::Scalar(value) = value else {
                    return exec_err!("{}: expected a constant fraction", self.name);
                };
                match value.cast_to(&DataType::Float64)? {
                    ScalarValue::Float64(Some(fraction)) if (0.0..=1.0).contains(&fraction) => Some(fraction),
                    _ => return exec_err!("percentile value {value} is not between 0 and 1"),
                }
            }
        };
        let descending = args.order_bys.first().is_some_and(|order| order.options.descending);
        let kind = args.return_field.data_type().clone();
        let between = self.name == CONTINUOUS;
        Ok(Box::new(Values { kind, fraction, descending, between, parts: Vec::new() }))
    }
}

/// Collects all values of a group.
#[derive(Debug)]
struct Values {
    kind: DataType,
    /// `None` for `mode`.
    fraction: Option<f64>,
    descending: bool,
    /// True to interpolate between two values.
    between: bool,
    parts: Vec<ArrayRef>,
}

impl Values {
    fn keep(&mut self, values: &ArrayRef) -> Result<()> {
        let values =
            &if self.between { casts::cast(values, &DataType::Float64, &Zone::utc())? } else { values.clone() };
        let valid = match values.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                let at: arrow::array::UInt64Array =
                    nulls.valid_indices().filter_map(|at| u64::try_from(at).ok()).collect();
                take(values, &at, None)?
            }
            _ => values.clone(),
        };
        if !valid.is_empty() {
            self.parts.push(valid);
        }
        Ok(())
    }

    fn all(&self) -> Result<Option<ArrayRef>> {
        let parts: Vec<_> = self.parts.iter().map(AsRef::as_ref).collect();
        Ok(if parts.is_empty() { None } else { Some(concat(&parts)?) })
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.keep(values))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first().and_then(|state| state.as_list_opt::<i32>()) else { return Ok(()) };
        lists.iter().flatten().try_for_each(|values| self.keep(&values))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = match self.all()? {
            Some(values) => values,
            None => arrow::array::new_empty_array(&self.kind),
        };
        let item = Arc::new(Field::new_list_field(self.kind.clone(), true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
        let list = arrow::array::ListArray::try_new(item, offsets, values, None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let Some(values) = self.all()? else { return ScalarValue::try_from(&self.kind) };
        let sorted = sort(&values, Some(SortOptions { descending: self.descending, nulls_first: false }))?;
        match self.fraction {
            Some(fraction) if self.between => Ok(ScalarValue::Float64(Some(interpolated(&sorted, fraction)))),
            Some(fraction) => {
                #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
                let place = (fraction * sorted.len() as f64).ceil().max(1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "from 1 to the number of rows"
                )]
                let at = (place as usize).min(sorted.len()) - 1;
                ScalarValue::try_from_array(&sorted, at)
            }
            None => most_frequent(&sorted),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.parts.iter().map(arrow::array::Array::get_array_memory_size).sum::<usize>()
    }
}

/// Interpolates at a fraction between the first and the last value.
fn interpolated(sorted: &ArrayRef, fraction: f64) -> f64 {
    let values = sorted.as_primitive::<Float64Type>().values();
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let place = fraction * (values.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the rows")]
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let (low, high) = (values[below], values[above]);
    if below == above { low } else { low + (place - place.floor()) * (high - low) }
}

/// Returns the most frequent value, the first one in case of ties.
fn most_frequent(sorted: &ArrayRef) -> Result<ScalarValue> {
    let runs = arrow::compute::partition(std::slice::from_ref(sorted))?.ranges();
    let longest = runs.into_iter().rev().max_by_key(std::iter::ExactSizeIterator::len);
    ScalarValue::try_from_array(sorted, longest.map_or(0, |run| run.start))
}
