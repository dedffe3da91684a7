//! What the metadata of a field says of its values besides their type.

/// Where a field tells how many of its digits after the point are shown, and the words for it.
pub(crate) const SCALE: &str = "spanwise.scale";
pub(crate) const QUOTIENT: &str = "quotient";
pub(crate) const TRIMMED: &str = "trimmed";
/// Arrow's own name for text that is JSON, and where it stands.
pub(crate) const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");
