//! SQL functions, one a file. What stands in the list of [`register`] can be used in pipelines and by whoever asks.

mod attributes;
mod buckets;
mod db_fingerprint;
mod distinct;
mod exemplars;
mod folding;
mod glob;
mod json;
mod quantile;
mod sampled_count;
mod sketch;

pub use db_fingerprint::fingerprint;
pub use glob::fits;

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
        exemplars::exemplars_merge(),
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
    ] {
        context.register_udf(scalar);
    }
}

#[cfg(test)]
mod tests;
