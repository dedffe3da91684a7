//! What came in goes on to Datadog's own intake, mapped as Datadog's own Agent maps it.

pub mod stats;
pub mod traces;
