//! Functions that give more than they take. What they would give is told before they run, for no limit of memory reaches
//! into one call, and none of time ends it. Calls are found in the plan, whatever syntax they were written in.

mod bounded;
mod sizes;

#[cfg(test)]
mod tests;

use arrow::datatypes::DataType;
use bounded::{Bounded, joined};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use std::sync::Arc;

/// Bytes that all growing functions of a statement may give, together, for one batch of rows.
const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// What each may give where there are many.
const OUTPUT_BYTES_MIN: usize = 1 << 20;
/// Bytes of constants: each is written out for every row of a batch.
const CONSTANT_BYTES_MAX: usize = 128 << 10;
/// Constants below are not counted.
const CONSTANT_BYTES_MIN: usize = 1 << 10;
/// Items, or bytes, of a value of fixed length.
const FIXED_MAX: i32 = 1024;

/// Functions that take any memory or time in one call, or that make types which double with each call.
const REFUSED: [&str; 18] = [
    "range",
    "generate_series",
    "array_repeat",
    "array_resize",
    "array_replace",
    "array_replace_n",
    "array_replace_all",
    "arrays_zip",
    "repeat",
    "lpad",
    "rpad",
    "levenshtein",
    "format",
    "struct",
    "named_struct",
    "map",
    "string_to_map",
    "make_map",
];

/// Aggregates that grow with each row, and as window functions give as much for each row.
const NO_WINDOWS: [&str; 2] = ["array_agg", "string_agg"];

/// The plan with bounds around its growing functions.
///
/// # Errors
/// When it calls a function that has no bound.
pub(super) fn bound(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut calls = 0_usize;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                check(expression)?;
                calls += usize::from(grows(expression));
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if calls == 0 {
        return Ok(plan);
    }
    let bytes_max = (OUTPUT_BYTES_MAX / calls).max(OUTPUT_BYTES_MIN);
    let wrapped = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expression| expression.transform_up(|expression| Ok(wrap(expression, bytes_max))))
    })?;
    Ok(wrapped.data)
}

fn check(expression: &Expr) -> Result<()> {
    match expression {
        Expr::ScalarFunction(call) if REFUSED.contains(&call.name()) => {
            plan_err!("function {} is not offered: nothing bounds what one call takes", call.name())
        }
        Expr::ScalarFunction(call) if matches!(call.name(), "arrow_cast" | "arrow_try_cast") => {
            let kind = call.args.iter().filter_map(|argument| match argument {
                Expr::Literal(text, _) => text.try_as_str().flatten(),
                _ => None,
            });
            kind.filter_map(|kind| kind.parse().ok()).try_for_each(|kind| fixed(&kind))
        }
        Expr::HigherOrderFunction(call) => plan_err!("function {} is not offered", call.func.name()),
        Expr::WindowFunction(call) if NO_WINDOWS.contains(&call.fun.name()) => {
            plan_err!("{} is not offered as a window function: it would give all rows for each", call.fun.name())
        }
        Expr::Cast(cast) => fixed(cast.field.data_type()),
        Expr::TryCast(cast) => fixed(cast.field.data_type()),
        _ => Ok(()),
    }
}

/// Refuses a type whose every value, NULL as well, takes much.
fn fixed(kind: &DataType) -> Result<()> {
    match kind {
        DataType::FixedSizeList(_, length) | DataType::FixedSizeBinary(length) if *length > FIXED_MAX => {
            plan_err!("a value of fixed length has {length} items, expected at most {FIXED_MAX}")
        }
        DataType::FixedSizeList(item, length) => match item.data_type() {
            DataType::FixedSizeList(..) | DataType::FixedSizeBinary(_) => {
                plan_err!("a list of fixed length {length} holds values of fixed length: expected other items")
            }
            other => fixed(other),
        },
        DataType::List(item) | DataType::LargeList(item) => fixed(item.data_type()),
        _ => Ok(()),
    }
}

fn grows(expression: &Expr) -> bool {
    match expression {
        Expr::ScalarFunction(call) => sizes::GROWING.contains(&call.name()) && !Bounded::is(&call.func),
        Expr::BinaryExpr(BinaryExpr { op: Operator::StringConcat, .. }) => true,
        _ => false,
    }
}

fn wrap(expression: Expr, bytes_max: usize) -> Transformed<Expr> {
    if !grows(&expression) {
        return Transformed::no(expression);
    }
    match expression {
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            Transformed::yes(Bounded::around(func, bytes_max).call(args))
        }
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
            Transformed::yes(Bounded::around(Arc::new(joined()), bytes_max).call(vec![*left, *right]))
        }
        other => Transformed::no(other),
    }
}

/// Refuses constants that would be written out for each row: those of the text, and those that functions made of them.
///
/// # Errors
/// When they have more bytes than the limit.
pub(super) fn constants(plan: &LogicalPlan) -> Result<()> {
    let (mut bytes, mut has_rows) = (0_usize, false);
    plan.apply_with_subqueries(|node| {
        has_rows |= matches!(
            node,
            LogicalPlan::TableScan(_)
                | LogicalPlan::Values(_)
                | LogicalPlan::Unnest(_)
                | LogicalPlan::RecursiveQuery(_)
                | LogicalPlan::Extension(_)
        );
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                if let Expr::Literal(value, _) = expression {
                    let size = sizes::of_scalar(value);
                    bytes += if size < CONSTANT_BYTES_MIN { 0 } else { size };
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if has_rows && bytes > CONSTANT_BYTES_MAX {
        return plan_err!(
            "long constants of the statement have {bytes} bytes, expected at most {CONSTANT_BYTES_MAX} where it reads rows"
        );
    }
    Ok(())
}

/// The text of a value, where it is one.
fn text(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}
