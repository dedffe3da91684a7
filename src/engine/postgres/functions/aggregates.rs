//! Sums and means with `PostgreSQL`'s types: a sum of bigints cannot overflow, a mean of integers is exact.

use super::mean::{self, Mean};
use crate::engine::postgres::field_metadata::{QUOTIENT, SCALE};
use crate::engine::postgres::kinds::{self, DIGITS, Kind};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::{average::avg_udaf, bool_and_or::bool_and_udaf, sum::sum_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};
use std::any::Any;
use std::sync::Arc;

pub(super) fn all() -> Vec<AggregateUDF> {
    let over = |name: &'static str, inner: Arc<AggregateUDF>, takes: Takes| {
        AggregateUDF::new_from_impl(Over {
            name,
            inner,
            takes,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    };
    vec![
        over("sum", sum_udaf(), Takes::Sum),
        over("avg", avg_udaf(), Takes::Mean),
        over("every", bool_and_udaf(), Takes::Truth),
    ]
}

/// Returns whether it is `sum` for any type.
pub(in crate::engine::postgres) fn is_sum(function: &AggregateUDF) -> bool {
    let inner: &dyn Any = function.inner().as_ref();
    inner.downcast_ref::<Over>().is_some_and(|over| over.takes == Takes::Sum)
}

/// Returns the sum for integers.
pub(in crate::engine::postgres) fn sum_of_ints() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    let over = Over { name: "sum", inner: sum_udaf(), takes: Takes::SumOfInts, signature };
    Arc::new(AggregateUDF::new_from_impl(over))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Takes {
    Sum,
    /// Sum of smallints or integers: arguments and result are bigints.
    SumOfInts,
    Mean,
    Truth,
}

impl Takes {
    fn kind(self, name: &str, given: &DataType) -> Result<DataType> {
        Ok(match (self, Kind::of(given)) {
            (Takes::Sum, Kind::Int2 | Kind::Int4 | Kind::Unknown) | (Takes::SumOfInts, _) => DataType::Int64,
            (Takes::Sum, Kind::Int8) => DataType::Decimal128(28, 0),
            (Takes::Sum, Kind::Numeric | Kind::Interval) => given.clone(),
            (Takes::Mean, Kind::Int2 | Kind::Int4 | Kind::Int8) => Kind::of(given).arrow(given),
            (Takes::Mean, Kind::Unknown) => DataType::Int32,
            (Takes::Mean, Kind::Numeric) => kinds::numeric(given),
            (Takes::Sum | Takes::Mean, Kind::Float4 | Kind::Float8) => DataType::Float64,
            (Takes::Truth, Kind::Bool | Kind::Unknown) => DataType::Boolean,
            _ => {
                return plan_err!(
                    "Invalid function '{name}': it takes no {}",
                    crate::engine::postgres::values::casts::name_of(given)
                );
            }
        })
    }
}

/// A `DataFusion` aggregate with arguments cast to another type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Over {
    name: &'static str,
    inner: Arc<AggregateUDF>,
    takes: Takes,
    signature: Signature,
}

impl Over {
    /// Returns whether it is the mean of integers or numerics.
    fn is_exact(&self, taken: &DataType) -> bool {
        self.takes == Takes::Mean && (Kind::of(taken).is_integer() || Kind::of(taken) == Kind::Numeric)
    }
}

impl AggregateUDFImpl for Over {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [given] = types else { return plan_err!("{}: expected one argument, found {}", self.name, types.len()) };
        Ok(vec![self.takes.kind(self.name, given)?])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let taken = self.takes.kind(self.name, types.first().unwrap_or(&DataType::Null))?;
        if self.is_exact(&taken) {
            return Ok(DataType::Decimal128(DIGITS, mean::scale(&taken)));
        }
        self.inner.return_type(&[taken])
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        let kind = self.return_type(&types)?;
        let is_quotient = self.takes == Takes::Mean && Kind::of(&kind) == Kind::Numeric;
        let field = Field::new(self.name, kind, true);
        Ok(Arc::new(if is_quotient {
            field.with_metadata([(SCALE.to_owned(), QUOTIENT.to_owned())].into())
        } else {
            field
        }))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.expr_fields.first() {
            Some(field) if self.is_exact(field.data_type()) => {
                Ok(Box::new(Mean::new(field.data_type(), args.is_distinct)))
            }
            _ => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let Some(kind) = args.input_fields.first().map(|field| field.data_type()).filter(|kind| self.is_exact(kind))
        else {
            return self.inner.state_fields(args);
        };
        Ok(mean::state_fields(kind, args.name, args.is_distinct))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        let is_exact = args.expr_fields.first().is_some_and(|field| self.is_exact(field.data_type()));
        !is_exact && self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.expr_fields.first() {
            Some(field) if self.is_exact(field.data_type()) => {
                Ok(Box::new(Mean::new(field.data_type(), args.is_distinct)))
            }
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }

    fn default_value(&self, kind: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(kind)
    }
}
