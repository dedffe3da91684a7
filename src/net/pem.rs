//! Reads certificates and keys.

use crate::model::pem::Pem;
use anyhow::Context as _;

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
}
