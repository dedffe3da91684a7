//! SQL functions, one per file. Those listed in [`register`] are available in pipelines and queries.

pub mod about;
mod attributes;
mod buckets;
mod cache_status;
mod distinct;
mod enough;
mod error_summary;
mod exemplars;
mod folding;
mod glob;
mod json;
mod masked;
mod metric_key;
mod quantile;
mod sampled_count;
mod sketch;
mod statements;

pub use enough::samples_min;
pub use glob::fits;
pub(in crate::engine) use masked::{class, message};
pub(in crate::engine) use metric_key::spellings as metric_spellings;

use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;

/// Registers every function.
pub fn register(context: &SessionContext) {
    for aggregate in [
        sketch::sketch(),
        sketch::sketch_merge(),
        quantile::quantile(),
        buckets::buckets(),
        buckets::buckets_merge(),
        exemplars::exemplars(),
        exemplars::exemplars_with(),
        exemplars::exemplars_merge(),
        error_summary::error_summary(),
        distinct::distinct_sketch(),
        distinct::distinct_merge(),
        distinct::distinct_count(),
    ] {
        context.register_udaf(aggregate);
    }
    for scalar in [
        attributes::attr_int(),
        attributes::attr_double(),
        attributes::attr_bool(),
        enough::samples_for(),
        glob::glob(),
        json::json_text(),
        statements::db_fingerprint(),
        statements::db_statement(),
        exemplars::exemplar_trace_ids(),
        sampled_count::sampled_count(),
        masked::masked(),
        masked::error_type(),
        metric_key::metric_key(),
        cache_status::cache_status(),
    ] {
        context.register_udf(scalar);
    }
}

/// Registers every function as findings use it: a quantile of too few values is null.
pub fn register_judging(context: &SessionContext) {
    register(context);
    context.register_udaf(quantile::of_enough());
    enough::hold(context);
}

/// Returns the session with quantiles that accept any number of values.
pub(crate) fn with_any_quantile(context: &SessionContext) -> SessionContext {
    let state = SessionStateBuilder::new_from_existing(context.state()).build();
    let context = SessionContext::new_with_state(state);
    context.register_udaf(quantile::quantile());
    enough::release(&context);
    context
}

#[cfg(test)]
mod tests;
