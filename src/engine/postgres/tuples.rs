//! Comparisons of row constructors: `(a, b) < (1, 2)`, `(a, b) IN ((1, 2), (3, 4))`. Compared column by column: a NULL makes
//! the result NULL unless other columns decide.

use super::made::binary;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

/// Compares two rows; `None` if their lengths differ, or the operator is not a comparison.
pub(super) fn compared(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right) else { return None };
    if left.len() != right.len() || left.is_empty() {
        return None;
    }
    let pairs = || left.iter().zip(right);
    let of =
        |op: &BinaryOperator| pairs().map(|(left, right)| binary(left.clone(), op.clone(), right.clone())).collect();
    match op {
        BinaryOperator::Eq => joined(of(op), &BinaryOperator::And),
        BinaryOperator::NotEq => joined(of(op), &BinaryOperator::Or),
        BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => {
            let strict = match op {
                BinaryOperator::LtEq => BinaryOperator::Lt,
                BinaryOperator::GtEq => BinaryOperator::Gt,
                other => other.clone(),
            };
            let mut decided: Option<Expr> = None;
            for (left, right) in pairs().rev() {
                decided = Some(match decided {
                    None => binary(left.clone(), op.clone(), right.clone()),
                    Some(rest) => {
                        let equal = binary(left.clone(), BinaryOperator::Eq, right.clone());
                        let less = binary(left.clone(), strict.clone(), right.clone());
                        binary(less, BinaryOperator::Or, binary(equal, BinaryOperator::And, rest))
                    }
                });
            }
            decided
        }
        _ => None,
    }
}

/// Compares a row with a list of rows.
pub(super) fn listed(row: &Expr, list: &[Expr], negated: bool) -> Option<Expr> {
    let equal: Option<Vec<Expr>> = list.iter().map(|other| compared(row, &BinaryOperator::Eq, other)).collect();
    let any = joined(equal?, &BinaryOperator::Or)?;
    Some(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any })
}

fn joined(parts: Vec<Expr>, by: &BinaryOperator) -> Option<Expr> {
    parts.into_iter().reduce(|one, other| binary(one, by.clone(), other))
}
