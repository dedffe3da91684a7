//! Field numbers of OTLP's messages.

/// In a request: its resources. In those: the resource, and the scopes. In those: the scope, and the items.
pub(super) const RESOURCES: u64 = 1;
pub(super) const RESOURCE: u64 = 1;
pub(super) const SCOPES: u64 = 2;
pub(super) const SCOPE: u64 = 1;
pub(super) const ITEMS: u64 = 2;
/// In a resource, and in a metric's data.
pub(super) const RESOURCE_ATTRIBUTES: u64 = 1;
pub(super) const POINTS: u64 = 1;
pub(super) const SPAN_ATTRIBUTES: u64 = 9;
pub(super) const RECORD_ATTRIBUTES: u64 = 6;
/// In a metric: the fields that contain points, and the fields of a point that contain its attributes.
pub(super) const POINT_ATTRIBUTES: [(u64, u64); 5] = [(5, 7), (7, 7), (9, 9), (10, 1), (11, 7)];
