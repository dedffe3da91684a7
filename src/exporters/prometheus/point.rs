//! One series of a family.

use crate::model::scrape::{Exemplar, SampleValue};
use std::borrow::Cow;

/// One series, ready to print.
#[derive(Debug)]
pub(super) struct Point<'a> {
    /// Its labels, rendered in the output format.
    pub(super) labels: &'a [u8],
    pub(super) value: Cow<'a, SampleValue>,
    pub(super) time_ms: Option<i64>,
    pub(super) created_ms: Option<i64>,
    pub(super) exemplars: Cow<'a, [Exemplar]>,
}
