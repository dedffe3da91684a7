//! What is read out of PEM text: chains of certificates, keys, and how long a certificate is valid.

use chrono::{DateTime, SecondsFormat, Utc};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::time::SystemTime;
use x509_certificate::X509Certificate;

/// All certificates of a text, in order.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| format!("expected certificates in PEM form: {error}"))?;
    if found.is_empty() {
        let instead = if PrivateKeyDer::from_pem_slice(pem).is_ok() { "a private key" } else { "none" };
        return Err(format!("expected certificates in PEM form, found {instead}"));
    }
    Ok(found)
}

/// The one private key of a text.
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

/// When a certificate can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl Validity {
    /// `None` where the certificate cannot be parsed: whoever connects will say so.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Validity> {
        let parsed = X509Certificate::from_der(certificate).ok()?;
        Some(Validity { not_before: parsed.validity_not_before(), not_after: parsed.validity_not_after() })
    }

    /// What is wrong with it at a time, if anything.
    pub(super) fn problem(self, now: SystemTime) -> Option<String> {
        let now = DateTime::<Utc>::from(now);
        if now > self.not_after {
            return Some(format!("expired on {}; clients will refuse it", shown(self.not_after)));
        }
        (now < self.not_before)
            .then(|| format!("is valid only from {} on; clients refuse it until then", shown(self.not_before)))
    }

    /// The end, for people.
    pub(super) fn until(self) -> String {
        shown(self.not_after)
    }
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
