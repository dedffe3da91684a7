//! Keys that the scrape and remote write have in common.

use super::selection::Selection;
use crate::catalog::yaml::MapReader;

/// Reads `resource_constant_labels`, or the older `resource_to_telemetry_conversion`.
pub(crate) fn resource_labels(map: &MapReader<'_>) -> Selection {
    let constant = map.map("resource_constant_labels").map(|of| {
        for key in ["enabled", "exclude_service_attributes"] {
            if of.bool(key) == Some(true) {
                of.fault(
                    key,
                    "belongs to resource_to_telemetry_conversion; expected lists of names, `included` and `excluded`",
                );
            }
        }
        let selection = Selection::new(&of.strs("included"), &of.strs("excluded"));
        of.finish();
        selection
    });
    let converted = map.map("resource_to_telemetry_conversion").map(|of| {
        let enabled = of.bool("enabled").unwrap_or(false);
        let without_service = of.bool("exclude_service_attributes").unwrap_or(false);
        of.finish();
        let (included, excluded): (&[&str], &[&str]) = match (enabled, without_service) {
            (false, _) => (&[], &[]),
            (true, false) => (&["*"], &[]),
            (true, true) => (&["*"], &["service.name", "service.namespace", "service.instance.id"]),
        };
        (enabled, Selection::new(included, excluded))
    });
    if constant.is_some() && converted.as_ref().is_some_and(|(enabled, _)| *enabled) {
        map.fault(
            "resource_to_telemetry_conversion",
            "says which attributes become labels, as resource_constant_labels does; expected one of the two",
        );
    }
    constant.or(converted.map(|(_, selection)| selection)).unwrap_or_default()
}
