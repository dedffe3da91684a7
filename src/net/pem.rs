//! Certificates and keys as the configuration names them.

use crate::model::secret::Secret;
use anyhow::Context as _;
use std::path::PathBuf;

/// Something in PEM form, in a file or in the configuration itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// The file, read when it is used.
    File(PathBuf),
    /// The text.
    Text(Secret),
}

impl Pem {
    /// The bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Pem::File(path) => std::fs::read(path).with_context(|| path.display().to_string()),
            Pem::Text(text) => Ok(text.reveal().as_bytes().to_vec()),
        }
    }

    /// The keys of the configuration that may hold it: `cert` is `cert_file` or `cert_pem`.
    pub(crate) fn key(&self, name: &str) -> String {
        match self {
            Pem::File(_) => format!("{name}_file"),
            Pem::Text(_) => format!("{name}_pem"),
        }
    }
}
