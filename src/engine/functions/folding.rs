//! What the aggregates have in common: a value that rows are folded into, and one state column that is merged.

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, AggregateUDF, Signature, SimpleAggregateUDF, TypeSignature, Volatility};
use datafusion::scalar::ScalarValue;
use std::fmt::Debug;
use std::sync::Arc;

/// A value that rows are folded into.
pub(super) trait Fold: Default + Debug + Send + Sync + 'static {
    /// Folds argument columns in.
    fn update(&mut self, columns: &[ArrayRef]) -> Result<()>;
    /// Folds states of other folds in.
    fn merge(&mut self, states: &ArrayRef) -> Result<()>;
    /// The state, in the type that was declared for it.
    fn state(&self) -> Result<ScalarValue>;
    /// The answer.
    fn answer(&self) -> Result<ScalarValue>;
    /// Bytes of memory, about.
    fn memory_bytes(&self) -> usize;
}

/// An aggregate function over a fold.
pub(super) fn aggregate<F: Fold>(
    name: &str,
    arguments: Vec<DataType>,
    answer: DataType,
    state: DataType,
) -> AggregateUDF {
    overloaded::<F>(name, vec![arguments], answer, state)
}

/// An aggregate function over a fold, by each list of arguments that it takes.
pub(super) fn overloaded<F: Fold>(
    name: &str,
    arguments: Vec<Vec<DataType>>,
    answer: DataType,
    state: DataType,
) -> AggregateUDF {
    let accumulator = Arc::new(|_: datafusion::logical_expr::function::AccumulatorArgs| {
        Ok(Box::new(Folding(F::default())) as Box<dyn Accumulator>)
    });
    let signature = match <[Vec<DataType>; 1]>::try_from(arguments) {
        Ok([only]) => Signature::exact(only, Volatility::Immutable),
        Err(several) => {
            Signature::one_of(several.into_iter().map(TypeSignature::Exact).collect(), Volatility::Immutable)
        }
    };
    let state = vec![Arc::new(Field::new("0", state, true))];
    AggregateUDF::from(SimpleAggregateUDF::new_with_signature(name, signature, answer, accumulator, state))
}

#[derive(Debug)]
struct Folding<F>(F);

impl<F: Fold> Accumulator for Folding<F> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.answer()
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.memory_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.0.state()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states.first().map_or(Ok(()), |states| self.0.merge(states))
    }
}

/// How often each row counts: by the column at `place` of the arguments, which may be left out, as may its values.
pub(super) fn times(columns: &[ArrayRef], place: usize) -> impl Fn(usize) -> u64 {
    let column = columns.get(place).and_then(|column| column.as_primitive_opt::<Int64Type>());
    move |row| match column {
        Some(column) if column.is_valid(row) => u64::try_from(column.value(row)).unwrap_or_default(),
        _ => 1,
    }
}

/// The binary values of a column that are there.
pub(super) fn each_binary(column: &ArrayRef, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let column = column.as_binary::<i32>();
    (0..column.len()).filter(|row| column.is_valid(*row)).try_for_each(|row| each(column.value(row)))
}
