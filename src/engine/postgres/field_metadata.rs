//! Metadata of fields that describes values beyond their type.

/// Metadata key for the displayed scale of numerics, and its values.
pub(crate) const SCALE: &str = "spanwise.scale";
pub(crate) const QUOTIENT: &str = "quotient";
pub(crate) const TRIMMED: &str = "trimmed";
/// Arrow's metadata key and value for JSON text.
pub(crate) const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");
