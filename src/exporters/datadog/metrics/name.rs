//! Metric names within Datadog's limits.

use std::sync::atomic::{AtomicBool, Ordering};
use xxhash_rust::xxh3::xxh3_64;

/// Maximum characters of a name, by Datadog's rules for metric names. How it treats longer ones is not documented.
const NAME_MAX: usize = 200;
/// Digits of the digest that replaces the truncated part.
const DIGITS: usize = 16;

/// Returns true if something of a name is left: Datadog drops everything before the first letter, like the Agent's own
/// `NormMetricNameParse`.
pub(super) fn has_letter(name: &str) -> bool {
    name.bytes().any(|letter| letter.is_ascii_alphabetic())
}

/// Returns a name with its suffix. One that is too long is truncated and ends in a digest of the whole name, so that names that
/// differ only at their ends stay distinct.
pub(super) fn shortened(name: &str, suffix: &str) -> String {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if name.len() + suffix.len() <= NAME_MAX || name.chars().count() + suffix.len() <= NAME_MAX {
        return format!("{name}{suffix}");
    }
    let kept: String = name.chars().take(NAME_MAX - suffix.len() - DIGITS - 1).collect();
    let short = format!("{kept}_{:0DIGITS$x}{suffix}", xxh3_64(name.as_bytes()));
    if !TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            metric = name,
            becomes = short,
            "truncated a metric name to the {NAME_MAX} characters that Datadog accepts; it ends in a digest (logged once)"
        );
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_letter() {
        assert!(has_letter("1m") && !has_letter("-") && !has_letter("") && !has_letter("ü"));
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        assert_eq!(shortened("m", ".count"), "m.count");
        let long = "n".repeat(200);
        assert_eq!(shortened(&long, ""), long);
        let one = shortened(&format!("{long}1"), ".count");
        let other = shortened(&format!("{long}2"), ".count");
        assert_eq!((one.len(), other.len(), one == other), (200, 200, false));
        assert!(one.starts_with(&"n".repeat(177)) && &one[194..] == ".count", "{one}");
        assert_eq!(one, shortened(&format!("{long}1"), ".count"), "always the same");
        // The limit is in characters, not bytes.
        assert_eq!(shortened(&"ü".repeat(200), ""), "ü".repeat(200));
        assert_eq!(shortened(&"ü".repeat(201), "").chars().count(), 200);
    }
}
