//! Which rows of a table a query asks for, as far as the filters of a scan say.

use super::held::Condition;
use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// The rows that a query asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Bounds of the table's time column.
    pub(super) bounds: TimeBounds,
    /// Conditions on text columns.
    pub(super) conditions: Vec<Condition>,
}

impl Wanted {
    /// Wants rows with a time within the bounds.
    #[must_use]
    pub fn within(bounds: TimeBounds) -> Wanted {
        Wanted { bounds, conditions: Vec::new() }
    }

    /// Returns whether all rows are wanted.
    pub(super) fn is_all(&self) -> bool {
        *self == Wanted::default()
    }
}

/// Returns the least and the greatest time of rows in microseconds, inclusive; `None` if unknown.
pub(super) fn span_us(batch: &RecordBatch, time_column: &str) -> Option<(i64, i64)> {
    let times = batch.column_by_name(time_column)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some((arrow::compute::min(times)?, arrow::compute::max(times)?))
}

/// Time bounds of a query's filters, in microseconds, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBounds {
    /// Least time of the rows.
    pub from: i64,
    /// Greatest time of the rows.
    pub to: i64,
}

impl Default for TimeBounds {
    fn default() -> Self {
        TimeBounds { from: i64::MIN, to: i64::MAX }
    }
}

impl TimeBounds {
    /// Returns the bounds that filters set on a column.
    #[must_use]
    pub fn of(filters: &[Expr], column: &str) -> TimeBounds {
        let mut bounds = TimeBounds::default();
        filters.iter().for_each(|filter| bounds.narrow(filter, column));
        bounds
    }

    fn narrow(&mut self, filter: &Expr, column: &str) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return };
        if *op == Operator::And {
            self.narrow(left, column);
            self.narrow(right, column);
            return;
        }
        let (op, time) = match (&**left, &**right) {
            (Expr::Column(name), other) if name.name == column => (*op, micros(other)),
            (other, Expr::Column(name)) if name.name == column => match op.swap() {
                Some(op) => (op, micros(other)),
                None => return,
            },
            _ => return,
        };
        let Some(time) = time else { return };
        match op {
            Operator::Gt | Operator::GtEq => self.from = self.from.max(time),
            Operator::Lt | Operator::LtEq => self.to = self.to.min(time),
            Operator::Eq => {
                self.from = self.from.max(time);
                self.to = self.to.min(time);
            }
            _ => {}
        }
    }

    pub(super) fn may_hold(self, (least, greatest): (i64, i64)) -> bool {
        greatest >= self.from && least <= self.to
    }
}

fn micros(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(ScalarValue::TimestampMicrosecond(time, _), _) => *time,
        Expr::Literal(ScalarValue::TimestampNanosecond(time, _), _) => time.map(|time| time / 1000),
        Expr::Literal(ScalarValue::TimestampMillisecond(time, _), _) => time.map(|time| time.saturating_mul(1000)),
        _ => None,
    }
}
