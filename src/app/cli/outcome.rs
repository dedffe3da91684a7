//! How a command ends: its exit code, and the text of its error.

use crate::model::fault::Faults;
use serde_json::json;

/// Exit code of a failure.
pub(super) const FAILED: u8 = 1;
/// Exit code if a file or text of the user has faults.
pub(super) const FAULTY: u8 = 2;

/// Formats an error: faults one per line, anything else in one line; as JSON `{"faults": […]}` or `{"error": "…"}`.
pub(super) fn error_text(error: &anyhow::Error, json: bool) -> String {
    match error.downcast_ref::<Faults>() {
        Some(faults) if json => json!({"faults": faults.0}).to_string(),
        Some(faults) => {
            let count = faults.0.len();
            format!("{faults}\n{count} {}", if count == 1 { "fault" } else { "faults" })
        }
        None if json => json!({"error": format!("{error:#}")}).to_string(),
        None => format!("spanwise: {error:#}"),
    }
}
