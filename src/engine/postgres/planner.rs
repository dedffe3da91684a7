//! Plans operators and clauses with `PostgreSQL` semantics.

use super::functions::{json, strings, time_parts};
use super::kinds::Kind;
use super::operators;
use super::plan::{kind, uncalled};
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_nested::expr_fn::{array_has_any, array_sort};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable as _, Operator, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Counting window functions, which are unsigned in `DataFusion`.
const COUNTING: [(&str, DataType); 4] = [
    ("row_number", DataType::Int64),
    ("rank", DataType::Int64),
    ("dense_rank", DataType::Int64),
    ("ntile", DataType::Int32),
];

/// Planner of expressions.
#[derive(Debug)]
pub(super) struct Expressions;

impl ExprPlanner for Expressions {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let function = match op {
            BinaryOperator::Plus => operators::of_operator(Operator::Plus),
            BinaryOperator::Minus => operators::of_operator(Operator::Minus),
            BinaryOperator::Multiply => operators::of_operator(Operator::Multiply),
            BinaryOperator::Divide => operators::of_operator(Operator::Divide),
            BinaryOperator::Modulo => operators::of_operator(Operator::Modulo),
            BinaryOperator::PGExp => Some(super::functions::powers::power("power")),
            BinaryOperator::Arrow => Some(json::arrow()),
            BinaryOperator::LongArrow => Some(json::long_arrow()),
            BinaryOperator::HashArrow => Some(json::path()),
            BinaryOperator::HashLongArrow => Some(json::path_text()),
            BinaryOperator::Question => Some(json::has_key()),
            BinaryOperator::PGStartsWith => Some(strings::starts_with()),
            _ => None,
        };
        if op == BinaryOperator::PGOverlap && [&left, &right].iter().all(|side| kind(side, schema) == Kind::List) {
            return Ok(PlannerResult::Planned(array_has_any(left, right)));
        }
        if matches!(op, BinaryOperator::AtArrow | BinaryOperator::ArrowAt) {
            let is_document = |side| matches!(kind(side, schema), Kind::Text | Kind::Map);
            if is_document(&left) && is_document(&right) {
                let (all, some) = if op == BinaryOperator::AtArrow { (left, right) } else { (right, left) };
                return Ok(PlannerResult::Planned(uncalled(json::contains(), vec![all, some])));
            }
        }
        let Some(function) = function else { return Ok(PlannerResult::Original(compared(op, left, right, schema))) };
        // The type of a parameter is unknown until it is bound.
        let is_known = |side: &Expr| !holds_parameter(side) && side.get_type(schema).is_ok();
        let is_plain = |side: &Expr| !matches!(kind(side, schema), Kind::Any | Kind::List);
        let is_arithmetic = operators_of_arithmetic(&op);
        let known = is_known(&left) && is_known(&right) && is_plain(&left) && is_plain(&right);
        if is_arithmetic && !known {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        Ok(PlannerResult::Planned(uncalled(function, vec![left, right])))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(uncalled(time_parts::extract(), args)))
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(uncalled(strings::substring("substring"), args)))
    }

    fn plan_position(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(uncalled(strings::position(), args)))
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        Ok(sorted_distinct(expr))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let Some((_, kind)) = COUNTING.iter().find(|(name, _)| *name == expr.func_def.name()) else {
            return Ok(PlannerResult::Original(expr));
        };
        let RawWindowExpr { func_def, args, partition_by, order_by, window_frame, filter, null_treatment, distinct } =
            expr;
        let params =
            WindowFunctionParams { args, partition_by, order_by, window_frame, filter, null_treatment, distinct };
        let window = Expr::from(WindowFunction { fun: func_def, params });
        Ok(PlannerResult::Planned(Expr::Cast(Cast::new(Box::new(window), kind.clone()))))
    }
}

/// Casts a text literal to the type that it is compared with.
fn compared(op: BinaryOperator, left: Expr, right: Expr, schema: &DFSchema) -> RawBinaryExpr {
    let compares = matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    );
    let is_text = |side: &Expr| matches!(side, Expr::Literal(value, _) if value.try_as_str().is_some());
    let as_other = |side: Expr, other: &Expr| match other.get_type(schema) {
        Ok(kind)
            if is_text(&side) && matches!(Kind::of(&kind), Kind::Interval | Kind::Time | Kind::Bool | Kind::List) =>
        {
            Expr::Cast(Cast::new(Box::new(side), kind))
        }
        _ => side,
    };
    if !compares {
        return RawBinaryExpr { op, left, right };
    }
    let right = as_other(right, &left);
    let left = as_other(left, &right);
    RawBinaryExpr { op, left, right }
}

/// Sorts the values of a `DISTINCT` aggregate, because the aggregate itself returns them in any order.
fn sorted_distinct(expr: RawAggregateExpr) -> PlannerResult<RawAggregateExpr> {
    let is_list = expr.func.name() == "array_agg";
    let is_text = expr.func.name() == "string_agg";
    if !expr.distinct || !(is_list || is_text) {
        return PlannerResult::Original(expr);
    }
    let (direction, nulls) = match expr.order_by.as_slice() {
        // PostgreSQL sorts to find duplicates.
        [] => ("ASC", "NULLS LAST"),
        [order] if expr.args.first() == Some(&order.expr) => {
            (if order.asc { "ASC" } else { "DESC" }, if order.nulls_first { "NULLS FIRST" } else { "NULLS LAST" })
        }
        _ => return PlannerResult::Original(expr),
    };
    let RawAggregateExpr { args, filter, null_treatment, .. } = expr;
    let mut args = args.into_iter();
    let Some(item) = args.next() else { return PlannerResult::Planned(lit(ScalarValue::Null)) };
    let list = AggregateFunction::new_udf(array_agg_udaf(), vec![item], true, filter, Vec::new(), null_treatment);
    let sorted = array_sort(Expr::AggregateFunction(list), lit(direction), lit(nulls));
    PlannerResult::Planned(match args.next() {
        Some(by) if is_text => uncalled(super::functions::lists::to_string(), vec![sorted, by]),
        _ => sorted,
    })
}

fn operators_of_arithmetic(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
    )
}

fn holds_parameter(expression: &Expr) -> bool {
    match expression {
        Expr::Placeholder(_) => true,
        Expr::Negative(inner) | Expr::Not(inner) => holds_parameter(inner),
        _ => false,
    }
}
