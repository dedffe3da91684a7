//! Certificates and keys as the configuration specifies them.

use super::secret::Secret;
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
    /// Returns the configuration key that sets it: for `cert`, `cert_file` or `cert_pem`.
    pub(crate) fn key(&self, name: &str) -> String {
        match self {
            Pem::File(_) => format!("{name}_file"),
            Pem::Text(_) => format!("{name}_pem"),
        }
    }
}
