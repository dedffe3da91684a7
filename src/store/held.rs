//! Distinct values of the text columns of a table part. A query skips parts in which no row has the values it asks for.

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Maximum number of distinct values tracked; a column with more is assumed to contain any value.
const VALUES_MAX: usize = 64;

/// The distinct values of a column.
type Values = HashSet<Box<str>>;

/// The distinct values of a part's columns, each computed on first use; `None` if there are too many.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<BTreeMap<usize, Option<Arc<Values>>>>);

impl Held {
    /// Returns whether a row may meet all conditions.
    pub(crate) fn may_pass(&self, batch: &RecordBatch, conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| condition.any.iter().any(|test| self.may_meet(batch, test)))
    }

    fn may_meet(&self, batch: &RecordBatch, test: &Test) -> bool {
        let Some(column) = batch.columns().get(test.column) else { return true };
        if column.null_count() == column.len() {
            return false;
        }
        let Some(values) = self.values(batch, test.column) else { return true };
        test.any_of.is_empty() || test.any_of.iter().any(|wanted| values.contains(wanted.as_str()))
    }

    /// Returns `None` if there are too many values or the column is not text.
    fn values(&self, batch: &RecordBatch, column: usize) -> Option<Arc<Values>> {
        let mut known = self.0.lock();
        known.entry(column).or_insert_with(|| distinct(batch, column).map(Arc::new)).clone()
    }
}

fn distinct(batch: &RecordBatch, column: usize) -> Option<Values> {
    let mut values = Values::new();
    let mut last = None;
    for value in batch.column(column).as_string_opt::<i32>()?.iter().flatten() {
        // Rows of one request often repeat the value of the row before.
        if last == Some(value) || values.contains(value) {
            continue;
        }
        if values.len() >= VALUES_MAX {
            return None;
        }
        values.insert(value.into());
        last = Some(value);
    }
    Some(values)
}

/// A condition of a filter: a row meets it if it meets any of the tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(super) any: Vec<Test>,
}

/// A test of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    /// Index of the column in the table.
    pub(super) column: usize,
    /// Any of these values; any value but NULL if empty.
    pub(super) any_of: Vec<String>,
}

impl Condition {
    /// Extracts the conditions from filters of the form `=`, `IN` or `IS NOT NULL` on a column, and `OR` between them.
    pub(crate) fn among(filters: &[Expr], place: impl Fn(&str) -> Option<usize> + Copy) -> Vec<Condition> {
        filters.iter().flat_map(|filter| Condition::of(filter, place)).collect()
    }

    fn of(filter: &Expr, place: impl Fn(&str) -> Option<usize> + Copy) -> Vec<Condition> {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                [Condition::of(left, place), Condition::of(right, place)].concat()
            }
            filter => Condition::any(filter, place).map(|any| Condition { any }).into_iter().collect(),
        }
    }

    /// Returns tests at least one of which must pass for the filter to be true; `None` if there are none.
    fn any(filter: &Expr, place: impl Fn(&str) -> Option<usize> + Copy) -> Option<Vec<Test>> {
        let one = |column: &Expr, any_of: Option<Vec<String>>| {
            let Expr::Column(column) = column else { return None };
            Some(vec![Test { column: place(column.name())?, any_of: any_of? }])
        };
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Some([Condition::any(left, place)?, Condition::any(right, place)?].concat())
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (&**left, &**right) {
                (column @ Expr::Column(_), value) | (value, column) => one(column, text(value).map(|text| vec![text])),
            },
            // An empty list is never true, and must not mean any value.
            Expr::InList(InList { expr, list, negated: false }) if !list.is_empty() => {
                one(expr, list.iter().map(text).collect())
            }
            Expr::IsNotNull(column) => one(column, Some(Vec::new())),
            _ => None,
        }
    }
}

fn text(value: &Expr) -> Option<String> {
    let Expr::Literal(value, _) = value else { return None };
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use datafusion::prelude::{col, lit};

    fn batch() -> RecordBatch {
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("GET /a"), None, Some("GET /b")]));
        let empty: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 3]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        RecordBatch::try_from_iter_with_nullable([("name", names, true), ("empty", empty, true), ("n", numbers, true)])
            .unwrap()
    }

    fn may_pass(filter: Expr) -> bool {
        let batch = batch();
        let conditions = Condition::among(&[filter], |name| batch.schema().index_of(name).ok());
        let held = Held::default();
        let first = held.may_pass(&batch, &conditions);
        assert_eq!(held.may_pass(&batch, &conditions), first, "asked again");
        first
    }

    #[test]
    fn a_part_that_holds_no_such_value_is_not_read() {
        assert!(may_pass(col("name").eq(lit("GET /a"))));
        assert!(may_pass(lit("GET /b").eq(col("name"))));
        assert!(!may_pass(col("name").eq(lit("resourceFetch"))));
        assert!(may_pass(col("name").in_list(vec![lit("x"), lit("GET /b")], false)));
        assert!(!may_pass(col("name").in_list(vec![lit("x"), lit("y")], false)));
        assert!(!may_pass(col("name").eq(lit("GET /a")).and(col("empty").is_not_null())));
        assert!(may_pass(col("n").is_not_null()));
        assert!(!may_pass(col("empty").is_not_null().or(col("name").eq(lit("x")))));
        assert!(may_pass(col("empty").is_not_null().or(col("name").eq(lit("GET /b")))));
    }

    #[test]
    fn what_is_not_understood_is_read() {
        assert!(may_pass(col("name").in_list(vec![lit("x")], true)));
        assert!(may_pass(col("name").not_eq(lit("GET /a"))));
        assert!(may_pass(col("name").eq(lit("x")).or(col("n").gt(lit(0)))));
        assert!(may_pass(col("n").eq(lit(7))));
        assert!(may_pass(col("name").in_list(vec![lit("x"), col("n")], false)));
        assert!(may_pass(col("nothing").eq(lit("x"))));
        assert!(may_pass(col("name").eq(lit("x")).or(col("n").eq(lit(1)))));
    }

    #[test]
    fn many_values_are_any() {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..=VALUES_MAX).map(|n| n.to_string())));
        let batch = RecordBatch::try_from_iter([("name", names)]).unwrap();
        let conditions = Condition::among(&[col("name").eq(lit("x"))], |_| Some(0));
        assert!(Held::default().may_pass(&batch, &conditions));
        assert!(!Held::default().may_pass(&batch.slice(0, VALUES_MAX), &conditions));
    }
}
