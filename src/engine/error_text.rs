//! Readable error messages.

use datafusion::common::DataFusionError;

/// Text that `DataFusion` appends to unexpected errors, most of which are caused by a faulty statement.
const BUG_REPORT: &str = "This issue was likely caused by a bug in DataFusion's code";

/// Returns the text of an error without backtrace and bug-report hint.
#[must_use]
pub fn line(error: &DataFusionError) -> String {
    let mut text = error.strip_backtrace();
    if let Some(at) = text.find(BUG_REPORT) {
        text.truncate(text[..at].trim_end_matches(['.', '\n', ' ']).len());
    }
    text
}
