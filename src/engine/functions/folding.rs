//! Common base of the aggregates: a value into which rows are folded, and one state column that is merged.

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, new_empty_array};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

/// A value into which rows are folded.
pub(super) trait Fold: Default + Debug + Send + Sync + 'static {
    /// Folds a row of the argument columns into the value.
    fn update(&mut self, columns: &[ArrayRef], row: usize) -> Result<()>;
    /// Folds the state in a row of `states` into the value.
    fn merge(&mut self, states: &ArrayRef, row: usize) -> Result<()>;
    /// Returns the state, in its declared type.
    fn state(&self) -> Result<ScalarValue>;
    /// Returns the result.
    fn answer(&self) -> Result<ScalarValue>;
    /// Approximate memory in bytes. Called for every batch.
    fn memory_bytes(&self) -> usize;
}

/// Creates an aggregate function over a fold.
pub(super) fn aggregate<F: Fold>(
    name: &'static str,
    arguments: Vec<DataType>,
    answer: DataType,
    state: DataType,
) -> AggregateUDF {
    overloaded::<F>(name, vec![arguments], answer, state)
}

/// Creates an aggregate function over a fold with several lists of arguments.
pub(super) fn overloaded<F: Fold>(
    name: &'static str,
    arguments: Vec<Vec<DataType>>,
    answer: DataType,
    state: DataType,
) -> AggregateUDF {
    let signature = match <[Vec<DataType>; 1]>::try_from(arguments) {
        Ok([only]) => Signature::exact(only, Volatility::Immutable),
        Err(several) => {
            Signature::one_of(several.into_iter().map(TypeSignature::Exact).collect(), Volatility::Immutable)
        }
    };
    AggregateUDF::new_from_impl(Function::<F> { name, signature, answer, state, fold: PhantomData })
}

/// An aggregate function over a fold.
struct Function<F> {
    name: &'static str,
    signature: Signature,
    answer: DataType,
    state: DataType,
    fold: PhantomData<fn() -> F>,
}

impl<F> Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

// Functions over different folds have different types and are never compared here, so the name identifies the function.
impl<F> PartialEq for Function<F> {
    fn eq(&self, other: &Self) -> bool {
        (self.name, &self.signature) == (other.name, &other.signature)
    }
}

impl<F> Eq for Function<F> {}

impl<F> Hash for Function<F> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.name.hash(hasher);
        self.signature.hash(hasher);
    }
}

impl<F: Fold> AggregateUDFImpl for Function<F> {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.answer.clone())
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[state]", arguments.name), self.state.clone(), true))])
    }

    fn accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Folding(F::default())))
    }

    fn groups_accumulator_supported(&self, _arguments: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups { folds: Vec::<F>::new(), answer: self.answer.clone(), state: self.state.clone() }))
    }
}

/// One fold.
#[derive(Debug)]
struct Folding<F>(F);

impl<F: Fold> Accumulator for Folding<F> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, arrow::array::Array::len);
        (0..rows).try_for_each(|row| self.0.update(values, row))
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
        let Some(states) = states.first() else { return Ok(()) };
        (0..states.len()).try_for_each(|row| self.0.merge(states, row))
    }
}

/// One fold for each group.
struct Groups<F> {
    folds: Vec<F>,
    answer: DataType,
    state: DataType,
}

impl<F: Fold> GroupsAccumulator for Groups<F> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.folds.resize_with(total_num_groups, F::default);
        for (row, group) in group_indices.iter().enumerate() {
            if passes(filter, row) {
                self.folds[*group].update(values, row)?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.folds.resize_with(total_num_groups, F::default);
        let Some(states) = values.first() else { return Ok(()) };
        group_indices.iter().enumerate().try_for_each(|(row, group)| self.folds[*group].merge(states, row))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let folds = emit_to.take_needed(&mut self.folds);
        array(folds.iter().map(Fold::answer), &self.answer)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let folds = emit_to.take_needed(&mut self.folds);
        Ok(vec![array(folds.iter().map(Fold::state), &self.state)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, arrow::array::Array::len);
        let of_row = |row| {
            let mut fold = F::default();
            if passes(filter, row) {
                fold.update(values, row)?;
            }
            fold.state()
        };
        Ok(vec![array((0..rows).map(of_row), &self.state)?])
    }

    fn size(&self) -> usize {
        self.folds.capacity() * size_of::<F>() + self.folds.iter().map(Fold::memory_bytes).sum::<usize>()
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

fn array(values: impl Iterator<Item = Result<ScalarValue>>, kind: &DataType) -> Result<ArrayRef> {
    let values: Vec<ScalarValue> = values.collect::<Result<_>>()?;
    if values.is_empty() { Ok(new_empty_array(kind)) } else { ScalarValue::iter_to_array(values) }
}

/// Returns how often a row counts, from the argument column `place`; once if the column or its value is missing.
pub(super) fn times(columns: &[ArrayRef], place: usize, row: usize) -> u64 {
    match columns.get(place).and_then(|column| column.as_primitive_opt::<Int64Type>()) {
        Some(column) if column.is_valid(row) => u64::try_from(column.value(row)).unwrap_or_default(),
        _ => 1,
    }
}

/// Returns a row's bytes; `None` for null.
pub(super) fn binary(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    let column = column.as_binary::<i32>();
    column.is_valid(row).then(|| column.value(row))
}

/// Returns a row's text; `None` for null.
pub(super) fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    let column = column.as_string::<i32>();
    column.is_valid(row).then(|| column.value(row))
}

/// Returns a row's number; `None` for null.
pub(super) fn float(column: &ArrayRef, row: usize) -> Option<f64> {
    let column = column.as_primitive::<arrow::datatypes::Float64Type>();
    column.is_valid(row).then(|| column.value(row))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray as _, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{Float64Type, Int64Type};
    use datafusion::datasource::MemTable;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// Groups in several partitions with merged states, a filter, and an input without rows: each has the result of a
    /// plain loop over the rows.
    #[tokio::test]
    async fn groups_are_folded_as_by_a_loop_over_the_rows() {
        let (groups, values): (Vec<i64>, Vec<f64>) =
            (0..5000).map(|n: i32| (i64::from(n) * i64::from(n) % 97, f64::from(n))).unzip();
        let mut expected: BTreeMap<i64, (f64, i64)> = BTreeMap::new();
        for (group, value) in groups.iter().zip(&values) {
            let (greatest, small) = expected.entry(*group).or_default();
            *greatest = greatest.max(*value);
            *small += i64::from(*value <= 1000.0 && *value % 2.0 == 0.0);
        }
        let columns: [(&str, ArrayRef); 2] =
            [("g", Arc::new(Int64Array::from(groups))), ("x", Arc::new(Float64Array::from(values)))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let parts = (0..5).map(|part| vec![batch.slice(part * 1000, 1000)]).collect();
        let table = MemTable::try_new(batch.schema(), parts).unwrap();
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
        super::super::register(&context);
        context.register_table("t", Arc::new(table)).unwrap();
        let sql = "SELECT g, quantile(s, 1.0) AS greatest, small[1] AS small FROM (
            SELECT g, sketch(x) AS s, buckets(x, '1000') FILTER (WHERE x % 2 = 0) AS small FROM t GROUP BY g
        ) GROUP BY g, small";
        let mut found: BTreeMap<i64, (f64, i64)> = BTreeMap::new();
        for batch in context.sql(sql).await.unwrap().collect().await.unwrap() {
            let (group, small) = [0, 2].map(|at| batch.column(at).as_primitive::<Int64Type>()).into();
            let greatest = batch.column(1).as_primitive::<Float64Type>();
            for row in 0..batch.num_rows() {
                found.insert(group.value(row), (greatest.value(row), small.value(row)));
            }
        }
        assert_eq!(found, expected);
        let none = context.sql("SELECT g, sketch(x) FROM t WHERE x < 0 GROUP BY g").await.unwrap();
        assert_eq!(none.count().await.unwrap(), 0);
    }
}
