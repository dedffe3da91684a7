//! Layer 1: the text of `schemas/` and `pipelines/` becomes checked definitions, with faults that name file and line.

pub mod declared;
pub mod pipelines;
pub mod schemas;
pub mod yaml;
