//! `PostgreSQL` functions that `DataFusion` lacks or implements differently.

pub(super) mod aggregates;
pub(super) mod format;
pub(super) mod from_char;
pub(super) mod json;
pub(super) mod lists;
pub(super) mod made_times;
pub(super) mod math;
pub(super) mod mean;
pub(super) mod now;
pub(super) mod ordered;
pub(super) mod patterns;
pub(super) mod powers;
pub(super) mod regular;
pub(super) mod rounding;
pub(super) mod series;
pub(super) mod strings;
pub(super) mod time_parts;
pub(super) mod times;
pub(super) mod to_char;
pub(super) mod to_char_number;

use super::function::Function;
use datafusion::execution::FunctionRegistry as _;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

/// Registers all functions, replacing existing ones.
pub(crate) fn register(context: &SessionContext) {
    let functions: Vec<Function> = [
        math::all(),
        rounding::all(),
        powers::all(),
        strings::all(),
        format::all(),
        patterns::all(),
        times::all(),
        time_parts::all(),
        made_times::all(),
        series::all(),
        json::all(),
        lists::all(),
        to_char::all(),
    ]
    .into_iter()
    .flatten()
    .collect();
    for function in functions {
        context.register_udf(ScalarUDF::new_from_impl(function));
    }
    for function in now::all() {
        context.register_udf(function);
    }
    // User functions of the wire take precedence, because it knows the user.
    for function in now::users() {
        if context.udf(function.name()).is_err() {
            context.register_udf(function);
        }
    }
    let aggregates: Vec<AggregateUDF> = [aggregates::all(), ordered::all()].into_iter().flatten().collect();
    for aggregate in aggregates {
        context.register_udaf(aggregate);
    }
}
