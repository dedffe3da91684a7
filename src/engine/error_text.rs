//! Errors for people.

use datafusion::common::DataFusionError;

/// What `DataFusion` adds to errors that it did not foresee, most of which a faulty statement causes.
const BUG_REPORT: &str = "This issue was likely caused by a bug in DataFusion's code";

/// An error for people.
#[must_use]
pub fn line(error: &DataFusionError) -> String {
    let mut text = error.strip_backtrace();
    if let Some(at) = text.find(BUG_REPORT) {
        text.truncate(text[..at].trim_end_matches(['.', '\n', ' ']).len());
    }
    text
}
