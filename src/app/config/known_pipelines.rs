//! The pipelines that a configuration can speak of.

use crate::catalog::pipelines;
use crate::model::pipeline::PipelineDef;
use std::path::Path;

/// The pipelines whose limits and parameters can be set.
pub(super) struct KnownPipelines {
    pub(super) pipelines: Vec<PipelineDef>,
    /// False where a file of the user's cannot be read: then a name that is not known may yet be one of its.
    pub(super) complete: bool,
}

/// Those that are built in, and those in a folder of the user's.
pub(super) fn read(dir: Option<&Path>) -> KnownPipelines {
    // Faults of the files themselves are told by whoever loads them to run them.
    let builtin = pipelines::builtin().unwrap_or_default();
    let Some(dir) = dir else { return KnownPipelines { pipelines: builtin, complete: true } };
    let mut read = pipelines::read_dir(dir, builtin);
    // What a faulty file says of its limits and parameters may be half of it.
    read.pipelines.retain(|pipeline| !read.faults.iter().any(|fault| fault.file == pipeline.file));
    KnownPipelines { pipelines: read.pipelines, complete: read.faults.is_empty() }
}
