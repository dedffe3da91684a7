//! What spans of Datadog's say of themselves.

use super::semantics::{self, Source as _};
use super::wire::{Span, TraceChunk};
use std::borrow::Cow;

/// A tag of the root, else of the first of the other spans that has it.
pub(in crate::exporters::datadog) fn tag_of<'a>(chunk: &'a TraceChunk, root: usize, key: &str) -> &'a str {
    let root = &chunk.spans[root];
    let others = chunk.spans.iter().filter(|span| span.span_id != root.span_id);
    std::iter::once(root).chain(others).find_map(|span| span.meta.get(key)).map_or("", String::as_str)
}

/// HTTP's status code of a span, where it has one.
pub(in crate::exporters::datadog) fn http_status(span: &Span) -> Option<i64> {
    span.whole(semantics::HTTP_STATUS)
}

/// gRPC's status code of a span as it was written, empty where it has none.
pub(in crate::exporters::datadog) fn grpc_status(span: &Span) -> Cow<'_, str> {
    span.string(semantics::GRPC_STATUS)
}
