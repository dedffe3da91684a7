//! Layer 3: SQL sessions, functions, rollups and findings. It does not know HTTP or vendors.

pub mod functions;
