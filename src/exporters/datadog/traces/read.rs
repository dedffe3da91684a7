//! Reads properties of Datadog spans.

use super::semantics::{self, Source as _};
use super::wire::{Span, TraceChunk};
use std::borrow::Cow;

/// Returns a tag of the root, or else of the first other span that has it.
pub(in crate::exporters::datadog) fn tag_of<'a>(chunk: &'a TraceChunk, root: usize, key: &str) -> &'a str {
    let root = &chunk.spans[root];
    let others = chunk.spans.iter().filter(|span| span.span_id != root.span_id);
    std::iter::once(root).chain(others).find_map(|span| span.meta.get(key)).map_or("", String::as_str)
}

/// Returns the HTTP status code of a span, if it has one.
pub(in crate::exporters::datadog) fn http_status(span: &Span) -> Option<i64> {
    span.whole(semantics::HTTP_STATUS)
}

/// Returns the gRPC status code of a span as written, or empty text.
pub(in crate::exporters::datadog) fn grpc_status(span: &Span) -> Cow<'_, str> {
    span.string(semantics::GRPC_STATUS)
}
