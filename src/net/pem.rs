//! Certificates and keys as the configuration specifies them.

use crate::model::secret::Secret;
use anyhow::Context as _;
use std::path::PathBuf;

/// PEM data, in a file or inline in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// Path of a file, read on each use.
    File(PathBuf),
    /// Inline text.
    Text(Secret),
}

impl Pem {
    /// Returns the PEM bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Pem::File(path) => std::fs::read(path).with_context(|| path.display().to_string()),
            Pem::Text(text) => Ok(text.reveal().as_bytes().to_vec()),
        }
    }

    /// Returns the configuration key that sets it: for `cert`, `cert_file` or `cert_pem`.
    pub(crate) fn key(&self, name: &str) -> String {
        match self {
            Pem::File(_) => format!("{name}_file"),
            Pem::Text(_) => format!("{name}_pem"),
        }
    }
}
