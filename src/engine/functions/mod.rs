//! SQL functions, one a file. What stands in the list of [`register`] can be used in pipelines and by whoever asks.

mod attributes;
mod buckets;
mod cache_status;
mod db_fingerprint;
mod distinct;
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

#[cfg(test)]
pub(in crate::engine) use db_fingerprint::CALLS_MAX;
pub use db_fingerprint::fingerprint;
pub use glob::fits;
pub(in crate::engine) use masked::{class, message};
pub(in crate::engine) use metric_key::spellings as metric_spellings;

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
        glob::glob(),
        json::json_text(),
        db_fingerprint::db_fingerprint(),
        db_fingerprint::db_statement(),
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

#[cfg(test)]
mod tests;
