//! Layer 3: SQL sessions, functions, rollups and findings. It does not know HTTP or vendors.

pub mod examples;
pub mod findings;
pub mod functions;

mod keyed;
mod rollups;
mod run;
