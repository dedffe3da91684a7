//! The pipelines that a configuration can refer to.

use crate::catalog::pipelines;
use crate::model::pipeline::PipelineDef;
use std::path::Path;

/// The pipelines with configurable limits and parameters.
pub(super) struct KnownPipelines {
    pub(super) pipelines: Vec<PipelineDef>,
    /// False if one of the user's files cannot be read: an unknown name may be defined in it.
    pub(super) complete: bool,
}

/// Reads the built-in pipelines and those in the user's directory.
pub(super) fn read(dir: Option<&Path>) -> KnownPipelines {
    // Faults of the files themselves are reported when they are loaded to run.
    let builtin = pipelines::builtin().unwrap_or_default();
    let Some(dir) = dir else { return KnownPipelines { pipelines: builtin, complete: true } };
    let mut read = pipelines::read_dir(dir, builtin);
    // The limits and parameters of a faulty file may be incomplete.
    read.pipelines.retain(|pipeline| !read.faults.iter().any(|fault| fault.file == pipeline.file));
    KnownPipelines { pipelines: read.pipelines, complete: read.faults.is_empty() }
}
