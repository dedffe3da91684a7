//! What came in goes on to Datadog's own intake, mapped as Datadog's own Agent maps it.

mod msgpack;
pub mod stats;
pub mod traces;
