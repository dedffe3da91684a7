//! Reads certificate chains, keys and validity periods from PEM text.

use chrono::{DateTime, SecondsFormat, Utc};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::time::SystemTime;
use x509_certificate::X509Certificate;

/// Returns all certificates of a PEM text, in order.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| format!("expected certificates in PEM form: {error}"))?;
    if found.is_empty() {
        let instead = if PrivateKeyDer::from_pem_slice(pem).is_ok() { "a private key" } else { "none" };
        return Err(format!("expected certificates in PEM form, found {instead}"));
    }
    Ok(found)
}

/// Returns the private key of a PEM text, which must contain exactly one.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let text = String::from_utf8_lossy(pem);
        let found = if text.contains("ENCRYPTED") {
            "an encrypted one; decrypt it, for example with `openssl pkey`".to_owned()
        } else if text.contains("BEGIN CERTIFICATE") {
            "a certificate".to_owned()
        } else {
            error.to_string()
        };
        format!("expected a private key in PEM form, found {found}")
    })
}

/// Validity period of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl Validity {
    /// Returns `None` if the certificate cannot be parsed: connecting clients report that.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Validity> {
        let parsed = X509Certificate::from_der(certificate).ok()?;
        Some(Validity { not_before: parsed.validity_not_before(), not_after: parsed.validity_not_after() })
    }

    /// Returns why the certificate is not valid at `now`, if so.
    pub(super) fn problem(self, now: SystemTime) -> Option<String> {
        let now = DateTime::<Utc>::from(now);
        if now > self.not_after {
            return Some(format!("expired on {}; clients will refuse it", shown(self.not_after)));
        }
        (now < self.not_before)
            .then(|| format!("is valid only from {} on; clients refuse it until then", shown(self.not_before)))
    }

    /// Returns the end of the validity period, formatted for people.
    pub(super) fn until(self) -> String {
        shown(self.not_after)
    }
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
