//! Field numbers of OTLP's messages.

/// Of a request: its resources. Of these: the resource, and the scopes. Of these: the scope, and the items.
pub(super) const RESOURCES: u64 = 1;
pub(super) const RESOURCE: u64 = 1;
pub(super) const SCOPES: u64 = 2;
pub(super) const SCOPE: u64 = 1;
pub(super) const ITEMS: u64 = 2;
/// Of a resource, and of a metric's data.
pub(super) const RESOURCE_ATTRIBUTES: u64 = 1;
pub(super) const POINTS: u64 = 1;
pub(super) const SPAN_ATTRIBUTES: u64 = 9;
pub(super) const RECORD_ATTRIBUTES: u64 = 6;
/// Of a metric: what holds its points, and where those have their attributes.
pub(super) const POINT_ATTRIBUTES: [(u64, u64); 5] = [(5, 7), (7, 7), (9, 9), (10, 1), (11, 7)];
