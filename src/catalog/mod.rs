//! Layer 1: parses `schemas/` and `pipelines/` into checked definitions. Faults name file and line.

pub(crate) mod component;
pub mod declared;
pub mod pipelines;
pub mod schemas;
pub(crate) mod values;
pub mod yaml;
