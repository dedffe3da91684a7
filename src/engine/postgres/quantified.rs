//! `value op ANY|ALL ('{…}')`: an array literal, which has the array type of the value.

use super::made::string;
use super::values::literals::read_list;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

/// Expands it to comparisons; `None` if the operand is not an array literal.
pub(super) fn of_text(left: &Expr, op: &BinaryOperator, array: &Expr, all: bool) -> Option<Expr> {
    let Expr::Value(value) = bare(array) else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let item = |item: Option<String>| match item {
        Some(text) => string(&text),
        None => Expr::Value(Value::Null.into()),
    };
    let items: Vec<Expr> = read_list(text)?.into_iter().map(item).collect();
    if items.is_empty() {
        return Some(Expr::Value(Value::Boolean(all).into()));
    }
    let list = |negated| Expr::InList { expr: Box::new(left.clone()), list: items.clone(), negated };
    Some(match op {
        BinaryOperator::Eq if !all => list(false),
        BinaryOperator::NotEq if all => list(true),
        _ => {
            let joint = if all { BinaryOperator::And } else { BinaryOperator::Or };
            let compared = items.into_iter().map(|item| binary(left.clone(), op.clone(), item));
            Expr::Nested(Box::new(compared.reduce(|one, other| binary(one, joint.clone(), other))?))
        }
    })
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn bare(expression: &Expr) -> &Expr {
    if let Expr::Nested(inner) = expression { bare(inner) } else { expression }
}
