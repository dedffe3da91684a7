//! Documentation of each function, for users and for clients that list functions.

/// A function with one list of arguments.
#[derive(Debug)]
pub struct About {
    /// Name.
    pub name: &'static str,
    /// Names of its arguments, and their types as `PostgreSQL` names them.
    pub arguments: &'static [(&'static str, &'static str)],
    /// Type of its result.
    pub result: &'static str,
    /// Whether it is an aggregate.
    pub is_aggregate: bool,
    /// Description.
    pub doc: &'static str,
}

const fn scalar(
    name: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    result: &'static str,
    doc: &'static str,
) -> About {
    About { name, arguments, result, is_aggregate: false, doc }
}

const fn aggregate(
    name: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    result: &'static str,
    doc: &'static str,
) -> About {
    About { name, arguments, result, is_aggregate: true, doc }
}

const FLOAT: &str = "double precision";

/// All functions.
pub const ALL: &[About] = &[
    scalar(
        "attr_bool",
        &[("attributes", "json"), ("key", "text")],
        "boolean",
        "an attribute as a truth value, or NULL",
    ),
    scalar("attr_double", &[("attributes", "json"), ("key", "text")], FLOAT, "an attribute as a number, or NULL"),
    scalar("attr_int", &[("attributes", "json"), ("key", "text")], "bigint", "an attribute as an integer, or NULL"),
    aggregate("buckets", &[("value", FLOAT), ("bounds", "text")], "bigint[]", "how many values fall between bounds"),
    aggregate(
        "buckets",
        &[("value", FLOAT), ("bounds", "text"), ("times", "bigint")],
        "bigint[]",
        "how many values fall between bounds, each of them so many times",
    ),
    aggregate("buckets_merge", &[("counts", "bigint[]")], "bigint[]", "counts of buckets added up"),
    scalar("cache_status", &[("header", "text")], "text", "hit, miss or none, out of a Cache-Status header"),
    scalar("db_fingerprint", &[("system", "text"), ("query", "text")], "text", "a query without its literals"),
    scalar(
        "db_statement",
        &[("system", "text"), ("query", "text"), ("summary", "text"), ("operation", "text"), ("collection", "text")],
        "text",
        "what a call of a database is counted under",
    ),
    aggregate("distinct_count", &[("sketch", "bytea")], "bigint", "how many distinct texts sketches have seen"),
    aggregate("distinct_merge", &[("sketch", "bytea")], "bytea", "sketches of distinct texts made one"),
    aggregate("distinct_sketch", &[("value", "text")], "bytea", "a sketch that counts distinct texts"),
    aggregate(
        "error_summary",
        &[("error_type", "text"), ("errors", FLOAT), ("exemplars", "text")],
        "text",
        "the most frequent kinds of errors, as one line",
    ),
    scalar("error_type", &[("text", "text")], "text", "the class of an error"),
    scalar("exemplar_trace_ids", &[("exemplars", "text")], "text", "the trace ids of exemplars"),
    aggregate("exemplars", &[("trace_id", "text"), ("weight", FLOAT)], "text", "the three traces of most weight"),
    aggregate("exemplars_merge", &[("exemplars", "text")], "text", "the three traces of most weight, out of exemplars"),
    aggregate(
        "exemplars_with",
        &[("trace_id", "text"), ("weight", FLOAT), ("said", "text")],
        "text",
        "the three traces of most weight, with a text for each",
    ),
    scalar("glob", &[("pattern", "text"), ("text", "text")], "boolean", "whether a text fits a pattern with * and ?"),
    scalar("json_text", &[("object", "text"), ("key", "text")], "text", "a field of a JSON object as text"),
    scalar("masked", &[("message", "text")], "text", "a message without what may be a user's value"),
    scalar("metric_key", &[("name", "text")], "text", "the name of a metric in one spelling"),
    aggregate("quantile", &[("sketch", "bytea"), ("q", FLOAT)], FLOAT, "the value of nearest rank, out of sketches"),
    scalar(
        "sampled_count",
        &[("weight", FLOAT), ("trace_id", "text"), ("span_id", "text")],
        "bigint",
        "the weight of a sampled span as a whole number",
    ),
    scalar("samples_for", &[("q", FLOAT)], "bigint", "how many values a quantile needs"),
    aggregate("sketch", &[("value", FLOAT)], "bytea", "an exponential histogram of values"),
    aggregate(
        "sketch",
        &[("value", FLOAT), ("times", "bigint")],
        "bytea",
        "an exponential histogram of values, each of them so many times",
    ),
    aggregate("sketch_merge", &[("sketch", "bytea")], "bytea", "exponential histograms made one"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{Signature, TypeSignature};
    use datafusion::prelude::SessionContext;
    use std::collections::BTreeSet;

    /// Returns the numbers of arguments that a signature accepts.
    fn counts(signature: &Signature) -> BTreeSet<usize> {
        let count = |signature: &TypeSignature| match signature {
            TypeSignature::Exact(kinds) => kinds.len(),
            TypeSignature::Any(count) => *count,
            other => panic!("{other:?}"),
        };
        match &signature.type_signature {
            TypeSignature::OneOf(all) => all.iter().map(count).collect(),
            one => [count(one)].into(),
        }
    }

    #[test]
    fn every_function_that_is_registered_is_described_with_its_arguments() {
        let (bare, context) = (SessionContext::new().state(), SessionContext::new());
        super::super::register(&context);
        let state = context.state();
        let scalars = state.scalar_functions().iter().filter(|(name, _)| !bare.scalar_functions().contains_key(*name));
        let scalars = scalars.map(|(name, function)| (name.clone(), false, counts(function.signature())));
        let aggregates =
            state.aggregate_functions().iter().filter(|(name, _)| !bare.aggregate_functions().contains_key(*name));
        let aggregates = aggregates.map(|(name, function)| (name.clone(), true, counts(function.signature())));
        let registered: BTreeSet<_> = scalars.chain(aggregates).collect();
        let names: BTreeSet<_> = ALL.iter().map(|about| (about.name, about.is_aggregate)).collect();
        let described = names.into_iter().map(|(name, is_aggregate)| {
            let of = ALL.iter().filter(|about| about.name == name);
            (name.to_owned(), is_aggregate, of.map(|about| about.arguments.len()).collect())
        });
        assert_eq!(registered, described.collect());
    }
}
