//! Rewrites a plan to `PostgreSQL`'s types, operators and conversions.

use super::cast_to::CastTo;
use super::correlated;
use super::function::Function;
use super::functions::{aggregates, lists};
use super::kinds::{DIGITS, Kind, TIMESTAMP, timestamptz};
use super::lateral;
use super::operators;
use super::zones::Zone;
use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Cast, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Operator,
    RecursiveQuery, Union, Values, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule as _;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use std::any::Any;
use std::sync::Arc;

/// Functions with arguments of one common type.
const COMMON_TYPE: [&str; 4] = ["coalesce", "greatest", "least", "nullif"];

/// Rewrites a newly planned statement: integer literals become four-byte integers if they fit, as in `PostgreSQL`. Runs before
/// parameters are bound, because their types are specified by the client.
pub(crate) fn planned(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewritten(plan, &mut |expression, _| {
        Ok(match expression {
            Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
                Ok(value) => Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata)),
                Err(_) => Transformed::no(Expr::Literal(ScalarValue::Int64(Some(value)), metadata)),
            },
            // Larger than a bigint.
            Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
                Transformed::yes(Expr::Literal(ScalarValue::Decimal128(Some(value.into()), DIGITS, 0), metadata))
            }
            other => Transformed::no(other),
        })
    })
}

/// Rewrites a plan with bound parameters for execution. Its schema is that of the result.
pub(crate) fn finished(plan: LogicalPlan, zone: &Zone, config: &ConfigOptions) -> Result<LogicalPlan> {
    if matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_)) {
        return Ok(plan);
    }
    let plan = correlated::decorrelated(lateral::flattened(plan)?)?;
    let plan = rewritten(plan, &mut |expression, schema| resolved(expression, schema, zone))?;
    // Type coercion relies on the types of outer columns in subqueries.
    let plan = correlated::typed(plan)?;
    let plan = TypeCoercion::new().analyze(plan, config)?;
    // Replaces the casts that coercion added.
    let plan = rewritten(plan, &mut |expression, schema| Ok(converted(expression, schema, zone)))?;
    signed(plan)
}

type Change<'a> = &'a mut dyn FnMut(Expr, &DFSchema) -> Result<Transformed<Expr>>;

/// Rewrites all expressions of a plan, innermost first.
fn rewritten(plan: LogicalPlan, change: Change<'_>) -> Result<LogicalPlan> {
    let plan = plan.map_subqueries(|plan| rewritten(plan, change).map(Transformed::yes))?.data;
    let before = match &plan {
        LogicalPlan::RecursiveQuery(query) => Some(query.static_term.schema().clone()),
        _ => None,
    };
    let plan = plan.map_children(|plan| rewritten(plan, change).map(Transformed::yes))?.data;
    match (plan, before) {
        // The working table of the recursion keeps the types with which the query was planned.
        (LogicalPlan::RecursiveQuery(query), Some(schema)) => {
            let term = |plan: Arc<LogicalPlan>| coerce_plan_expr_for_schema(Arc::unwrap_or_clone(plan), &schema);
            let RecursiveQuery { name, static_term, recursive_term, is_distinct, .. } = query;
            let (static_term, recursive_term) = (Arc::new(term(static_term)?), Arc::new(term(recursive_term)?));
            Ok(LogicalPlan::RecursiveQuery(RecursiveQuery::try_new(name, static_term, recursive_term, is_distinct)?))
        }
        // Row counts stay unchanged.
        (plan @ LogicalPlan::Limit(_), _) => Ok(plan),
        (plan, _) => node(plan, change),
    }
}

fn node(plan: LogicalPlan, change: Change<'_>) -> Result<LogicalPlan> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    let names = NamePreserver::new(&plan);
    let plan = plan
        .map_expressions(|expression| {
            let name = names.save(&expression);
            let changed = expression.transform_up(|expression| change(expression, &schema))?;
            Ok(changed.update_data(|expression| name.restore(expression)))
        })?
        .data;
    match plan {
        LogicalPlan::Values(Values { values, .. }) => {
            LogicalPlanBuilder::values(alike(values, &schema)).and_then(LogicalPlanBuilder::build)
        }
        // Recomputing the schema would keep the old types.
        LogicalPlan::Union(Union { inputs, .. }) => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)),
        plan => plan.recompute_schema(),
    }
}

/// Gives columns of `VALUES` the types of `PostgreSQL`: NULL has no type, and numerics mixed with doubles become doubles.
fn alike(mut rows: Vec<Vec<Expr>>, schema: &DFSchema) -> Vec<Vec<Expr>> {
    // Undoes casts that the planner added before the types were known.
    for value in rows.iter_mut().flatten() {
        *value = value.clone().unalias();
        if let Expr::Cast(Cast { expr, .. }) = value
            && matches!(expr.as_ref(), Expr::Cast(_))
        {
            *value = expr.as_ref().clone();
        }
    }
    for at in 0..rows.first().map_or(0, Vec::len) {
        let is_null = |value: &Expr| match value {
            Expr::Literal(value, _) => value.is_null(),
            Expr::Cast(Cast { expr, .. }) => matches!(expr.as_ref(), Expr::Literal(ScalarValue::Null, _)),
            _ => false,
        };
        let column = || rows.iter().filter_map(|row| row.get(at));
        let kinds: Vec<Kind> = column().filter(|value| !is_null(value)).map(|value| kind(value, schema)).collect();
        if kinds.is_empty() {
            continue;
        }
        let as_floats = kinds.contains(&Kind::Float8) && kinds.contains(&Kind::Numeric);
        for value in rows.iter_mut().filter_map(|row| row.get_mut(at)) {
            if is_null(value) {
                *value = Expr::Literal(ScalarValue::Null, None);
            } else if as_floats && kind(value, schema) != Kind::Float8 {
                *value = Expr::Cast(Cast::new(Box::new(value.clone()), DataType::Float64));
            }
        }
    }
    rows
}

/// Casts numerics to doubles if they are mixed with doubles in one column.
fn doubles(values: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let kinds: Vec<Kind> = values.iter().map(|value| kind(value, schema)).collect();
    if !kinds.iter().any(|kind| matches!(kind, Kind::Float8 | Kind::Float4)) || !kinds.contains(&Kind::Numeric) {
        return values;
    }
    let double = |(value, kind): (Expr, Kind)| match kind {
        Kind::Numeric => Expr::Cast(Cast::new(Box::new(value), DataType::Float64)),
        _ => value,
    };
    values.into_iter().zip(kinds).map(double).collect()
}

/// Replaces operators by `PostgreSQL`'s, and evaluates constants.
fn resolved(expression: Expr, schema: &DFSchema, zone: &Zone) -> Result<Transformed<Expr>> {
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => binary(*left, op, *right, schema, zone),
        Expr::Negative(inner) => match operators::negated().within(zone) {
            function if kind(&inner, schema) != Kind::Any => Ok(Transformed::yes(call(function, vec![*inner]))),
            _ => Ok(Transformed::no(Expr::Negative(inner))),
        },
        Expr::Between(Between { expr, negated, low, high }) => {
            let is = kind(&expr, schema);
            let (low, high) = (read(*low, is, &expr, schema, zone)?, read(*high, is, &expr, schema, zone)?);
            Ok(Transformed::yes(Expr::Between(Between::new(expr, negated, Box::new(low), Box::new(high)))))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let is = kind(&expr, schema);
            let list = list.into_iter().map(|item| read(item, is, &expr, schema, zone)).collect::<Result<_>>()?;
            Ok(Transformed::yes(Expr::InList(InList::new(expr, list, negated))))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let inner: &dyn Any = func.inner().as_ref();
            if let Some(function) = inner.downcast_ref::<Function>() {
                if func.name() == lists::OF_CAST {
                    return Ok(Transformed::yes(args.into_iter().next().unwrap_or_default()));
                }
                return Ok(Transformed::yes(call(function.within(zone), args)));
            }
            let args = if COMMON_TYPE.contains(&func.name()) { doubles(args, schema) } else { args };
            let unsigned = Expr::ScalarFunction(ScalarFunction { func, args });
            Ok(if unsigned.get_type(schema).is_ok_and(|kind| kind.is_unsigned_integer()) {
                Transformed::yes(Expr::Cast(Cast::new(Box::new(unsigned), DataType::Int64)))
            } else {
                Transformed::no(unsigned)
            })
        }
        Expr::Case(case) => {
            let (whens, thens): (Vec<_>, Vec<_>) = case.when_then_expr.into_iter().unzip();
            let has_else = case.else_expr.is_some();
            let results = thens.into_iter().chain(case.else_expr).map(|result| *result).collect();
            let mut results = doubles(results, schema);
            let else_expr = if has_else { results.pop().map(Box::new) } else { None };
            let when_then_expr = whens.into_iter().zip(results.into_iter().map(Box::new)).collect();
            Ok(Transformed::yes(Expr::Case(Case { expr: case.expr, when_then_expr, else_expr })))
        }
        Expr::AggregateFunction(mut aggregate) => {
            if let Some(other) = narrow_sum(&aggregate.func, &aggregate.params.args, schema) {
                aggregate.func = other;
            }
            Ok(Transformed::yes(Expr::AggregateFunction(aggregate)))
        }
        Expr::WindowFunction(mut window) => {
            if let WindowFunctionDefinition::AggregateUDF(function) = &window.fun
                && let Some(other) = narrow_sum(function, &window.params.args, schema)
            {
                window.fun = WindowFunctionDefinition::AggregateUDF(other);
            }
            Ok(Transformed::yes(Expr::WindowFunction(window)))
        }
        other => Ok(converted(other, schema, zone)),
    }
}

/// The sum of integers is a bigint, that of bigints a numeric.
fn narrow_sum(function: &AggregateUDF, args: &[Expr], schema: &DFSchema) -> Option<Arc<AggregateUDF>> {
    let [argument] = args else { return None };
    let is_narrow = matches!(kind(argument, schema), Kind::Int2 | Kind::Int4);
    (aggregates::is_sum(function) && is_narrow).then(aggregates::sum_of_ints)
}

/// Replaces a cast by `PostgreSQL`'s.
fn converted(expression: Expr, schema: &DFSchema, zone: &Zone) -> Transformed<Expr> {
    let Expr::Cast(Cast { expr, field }) = expression else { return Transformed::no(expression) };
    let cast = expr.get_type(schema).ok().and_then(|from| CastTo::new(&from, &field, zone));
    match cast {
        Some(cast) => Transformed::yes(cast_call(cast, *expr)),
        None => Transformed::no(Expr::Cast(Cast { expr, field })),
    }
}

fn cast_call(cast: CastTo, of: Expr) -> Expr {
    if let Expr::Literal(value, _) = &of
        && cast.is_plain()
        && let Ok(value) = cast.folded(value)
    {
        return Expr::Literal(value, None);
    }
    let function = datafusion::logical_expr::ScalarUDF::new_from_impl(cast);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), vec![of]))
}

/// Calls a function; evaluated here if all arguments are constants. An error is left to the execution.
pub(super) fn call(function: Function, args: Vec<Expr>) -> Expr {
    let values: Option<Vec<ScalarValue>> = args
        .iter()
        .map(|argument| match argument {
            Expr::Literal(value, _) => Some(value.clone()),
            _ => None,
        })
        .collect();
    if let Some(values) = values.filter(|values| !values.is_empty()) {
        let types: Vec<DataType> = values.iter().map(ScalarValue::data_type).collect();
        if function.is_plain(&types)
            && let Ok(value) = function.folded(&values)
        {
            return Expr::Literal(value, None);
        }
    }
    uncalled(function, args)
}

/// Calls a function without evaluating it: constants do not have `PostgreSQL` types before [`planned`].
pub(super) fn uncalled(function: Function, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function.into(), args))
}

pub(super) fn kind(expression: &Expr, schema: &DFSchema) -> Kind {
    expression.get_type(schema).map_or(Kind::Any, |kind| Kind::of(&kind))
}

fn binary(left: Expr, op: Operator, right: Expr, schema: &DFSchema, zone: &Zone) -> Result<Transformed<Expr>> {
    let (one, other) = (kind(&left, schema), kind(&right, schema));
    if let Some(function) = operators::of_operator(op) {
        if [one, other].iter().any(|kind| matches!(kind, Kind::Any | Kind::List | Kind::Map)) {
            return Ok(Transformed::no(again(left, op, right)));
        }
        return Ok(Transformed::yes(call(function.within(zone), vec![left, right])));
    }
    let compares = matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    );
    if !compares {
        return Ok(Transformed::no(again(left, op, right)));
    }
    let right_read = read(right, one, &left, schema, zone)?;
    let left_read = read(left, kind(&right_read, schema), &right_read, schema, zone)?;
    let is_interval = |side: &Expr| kind(side, schema) == Kind::Interval;
    if is_interval(&left_read) && is_interval(&right_read) {
        let order = |side: Expr| call(operators::interval_order(), vec![side]);
        return Ok(Transformed::yes(again(order(left_read), op, order(right_read))));
    }
    Ok(Transformed::yes(again(left_read, op, right_read)))
}

fn again(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Casts an operand to the type in which it is compared.
fn read(expression: Expr, with: Kind, other: &Expr, schema: &DFSchema, zone: &Zone) -> Result<Expr> {
    let is = kind(&expression, schema);
    let is_text_constant = matches!(&expression, Expr::Literal(value, _) if value.try_as_str().is_some());
    let to = match (is, with) {
        (Kind::Text, with)
            if is_text_constant && !matches!(with, Kind::Text | Kind::Unknown | Kind::Any | Kind::Map) =>
        {
            match (other.get_type(schema)?, with) {
                (kind, Kind::List) => kind,
                // A numeric constant keeps its scale.
                (_, Kind::Numeric) => {
                    let field = Field::new("", DataType::Decimal128(38, 15), true);
                    let field =
                        field.with_metadata([(super::types::TYPE.to_owned(), super::types::NUMERIC.to_owned())].into());
                    return Ok(match CastTo::new(&DataType::Utf8, &field, zone) {
                        Some(cast) => cast_call(cast, expression),
                        None => expression,
                    });
                }
                (kind, with) => with.arrow(&kind),
            }
        }
        (Kind::Numeric, Kind::Float8 | Kind::Float4) => DataType::Float64,
        (Kind::Timestamp | Kind::Date, Kind::TimestampTz) => timestamptz(),
        (Kind::Date, Kind::Timestamp) => TIMESTAMP,
        _ => return Ok(expression),
    };
    let from = expression.get_type(schema)?;
    Ok(match CastTo::new(&from, &Field::new("", to.clone(), true), zone) {
        Some(cast) => cast_call(cast, expression),
        None => Expr::Cast(Cast::new(Box::new(expression), to)),
    })
}

/// Casts unsigned result columns, because `PostgreSQL` has no unsigned types.
fn signed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_unsigned = |field: &Arc<Field>| field.data_type().is_unsigned_integer();
    if matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_))
        || !plan.schema().fields().iter().any(is_unsigned)
    {
        return Ok(plan);
    }
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::from((qualifier, field));
            if is_unsigned(field) {
                Expr::Cast(Cast::new(Box::new(column), DataType::Int64))
                    .alias_qualified(qualifier.cloned(), field.name())
            } else {
                column
            }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
