//! `tls` of a target: which certificates it trusts, and how it authenticates itself.

use crate::model::pem::Pem;
use anyhow::{Context as _, bail};

/// `tls` of a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// Use plain text if the endpoint has no scheme.
    pub insecure: bool,
    /// CA certificates to trust, instead of the system's.
    pub authorities: Option<Pem>,
    /// Client certificate and key.
    pub identity: Option<(Pem, Pem)>,
    /// Name in the target's certificate, if it differs from the address.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

impl TlsSettings {
    /// Returns the CA certificates in PEM form; `None` for the system's.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn authorities(&self) -> anyhow::Result<Option<Vec<u8>>> {
        self.authorities.as_ref().map(Pem::read).transpose().context("tls.ca_file")
    }

    /// Returns the client certificate and key in PEM form.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some((certificate, key)) = &self.identity else { return Ok(None) };
        Ok(Some((certificate.read().context("tls.cert_file")?, key.read().context("tls.key_file")?)))
    }

    /// Configures an HTTP client with these CA certificates and this client certificate.
    ///
    /// # Errors
    /// When a file cannot be read or parsed.
    pub(crate) fn apply(&self, mut builder: reqwest::ClientBuilder) -> anyhow::Result<reqwest::ClientBuilder> {
        if let Some(pem) = self.authorities()? {
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).context("tls.ca_file")?;
            builder = builder.tls_certs_only(authorities);
        }
        if let Some((certificate, key)) = self.identity()? {
            builder = builder.identity(identity(&certificate, &key)?);
        }
        Ok(builder.tls_danger_accept_invalid_certs(self.insecure_skip_verify))
    }

    /// Validates all files, so that errors are reported before anything starts.
    ///
    /// # Errors
    /// The first key that cannot be used, and why.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(pem) = self.authorities()? {
            let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(reqwest::Error::without_url);
            if found.context("tls.ca_file: expected certificates in PEM form")?.is_empty() {
                bail!("tls.ca_file: expected certificates in PEM form, found none");
            }
        }
        if let Some((certificate, key)) = self.identity()? {
            identity(&certificate, &key)?;
        }
        Ok(())
    }
}

/// Builds the client identity of an HTTP client.
fn identity(certificate: &[u8], key: &[u8]) -> anyhow::Result<reqwest::Identity> {
    let both = [key, b"\n", certificate].concat();
    reqwest::Identity::from_pem(&both)
        .context("tls.cert_file, tls.key_file: expected a certificate and its key in PEM form")
}
