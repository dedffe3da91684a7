//! TLS of listeners. Certificates and keys are reloaded at run time; open connections keep the ones they started with.

use super::certificate::{Validity, certificates, private_key};
use crate::model::pem::Pem;
use parking_lot::{Mutex, RwLock};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio_rustls::TlsAcceptor;

/// Failed handshakes are logged as warnings at most once in this interval; the rest are logged at debug level.
const REFUSAL_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl TlsVersion {
    fn known(self) -> &'static SupportedProtocolVersion {
        match self {
            TlsVersion::Tls12 => &rustls::version::TLS12,
            TlsVersion::Tls13 => &rustls::version::TLS13,
        }
    }
}

/// `tls` settings of a listener, with the keys of the Collector's `configtls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Dotted configuration key, for messages: `receivers.otlp.protocols.grpc.tls`.
    pub key: String,
    /// Server certificate, followed by its intermediate certificates.
    pub certificate: Pem,
    /// Private key of the certificate.
    pub private_key: Pem,
    /// Certificate authorities for client certificates; clients must present one if set.
    pub client_authorities: Option<Pem>,
    /// Oldest version accepted.
    pub version_min: TlsVersion,
    /// Newest version accepted.
    pub version_max: TlsVersion,
    /// Interval at which the files are checked for changes, in addition to SIGHUP.
    pub reload_interval: Option<Duration>,
}

/// Application protocols offered by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 only.
    Grpc,
    /// HTTP/2 or HTTP/1.1.
    Http,
    /// The `PostgreSQL` wire protocol.
    Postgres,
}

impl Protocols {
    fn alpn(self) -> Vec<Vec<u8>> {
        let names: &[&str] = match self {
            Protocols::Grpc => &["h2"],
            Protocols::Http => &["h2", "http/1.1"],
            Protocols::Postgres => &["postgresql"],
        };
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }
}

/// An error in one setting of `tls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// The key below `tls`, such as `cert_file`.
    pub key: String,
    /// The file and the error.
    pub reason: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

impl TlsFault {
    fn new(pem: &Pem, name: &str, reason: impl Into<String>) -> TlsFault {
        let reason = reason.into();
        let reason = match pem {
            Pem::File(path) => format!("{}: {reason}", path.display()),
            Pem::Text(_) => reason,
        };
        TlsFault { key: pem.key(name), reason }
    }
}

/// Server configuration built from one read of certificate, key and authorities.
struct Loaded {
    config: ServerConfig,
    validity: Option<Validity>,
    /// Digest of all input, to detect changes.
    digest: u128,
}

impl ServerTls {
    /// Checks that all settings can be used. Returns a warning if the certificate is not valid now.
    ///
    /// # Errors
    /// The first key that cannot be used, and why.
    pub fn check(&self) -> Result<Option<String>, TlsFault> {
        let loaded = self.load(Protocols::Http)?;
        let problem = loaded.validity.and_then(|validity| validity.problem(SystemTime::now()));
        Ok(problem.map(|problem| format!("the certificate {problem}")))
    }

    fn load(&self, protocols: Protocols) -> Result<Loaded, TlsFault> {
        let read = |pem: &Pem, name| match pem.read() {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(TlsFault { key: pem.key(name), reason: format!("{error:#}") }),
        };
        let certificate = read(&self.certificate, "cert")?;
        let key = read(&self.private_key, "key")?;
        let authorities = self.client_authorities.as_ref().map(|pem| read(pem, "client_ca")).transpose()?;
        let mut digest = xxhash_rust::xxh3::Xxh3::new();
        for part in [Some(&certificate), Some(&key), authorities.as_ref()].into_iter().flatten() {
            digest.update(&part.len().to_le_bytes());
            digest.update(part);
        }

        let in_certificate = |reason: String| TlsFault::new(&self.certificate, "cert", reason);
        let in_key = |reason: String| TlsFault::new(&self.private_key, "key", reason);
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&certificate).map_err(in_certificate)?;
        let validity = chain.first().and_then(Validity::of);
        let signing = provider.key_provider.load_private_key(private_key(&key).map_err(in_key)?);
        let signing = signing.map_err(|error| in_key(format!("this kind of key cannot be used: {error}")))?;
        let certified = CertifiedKey::new(chain, signing);
        certified.keys_match().or_else(|error| match error {
            rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown) => Ok(()),
            rustls::Error::InconsistentKeys(_) => Err(in_key("the key does not belong to the certificate".to_owned())),
            error => Err(in_certificate(format!("the certificate cannot be used: {error}"))),
        })?;
        let verifier = match (&self.client_authorities, authorities) {
            (Some(pem), Some(authorities)) => Some(
                verifier(&authorities, provider.clone()).map_err(|reason| TlsFault::new(pem, "client_ca", reason))?,
            ),
            _ => None,
        };
        let versions: Vec<_> = [TlsVersion::Tls12, TlsVersion::Tls13]
            .into_iter()
            .filter(|version| (self.version_min..=self.version_max).contains(version))
            .map(TlsVersion::known)
            .collect();
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
        let builder = builder.map_err(|error| TlsFault {
            key: "min_version".to_owned(),
            reason: format!("{error}, up to max_version"),
        })?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        config.alpn_protocols = protocols.alpn();
        Ok(Loaded { config, validity, digest: digest.digest128() })
    }
}

/// Creates a verifier that accepts only client certificates of these authorities.
fn verifier(pem: &[u8], provider: Arc<rustls::crypto::CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("a certificate cannot be used as an authority: {error}"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    builder.build().map_err(|error| error.to_string())
}

/// The TLS of one listener.
pub struct Tls {
    settings: ServerTls,
    protocols: Protocols,
    current: RwLock<Arc<ServerConfig>>,
    /// Digest of the configuration in use, and the error of the last reload.
    state: Mutex<(u128, Option<TlsFault>)>,
    refusal_logged: Mutex<Option<Instant>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tls {
    /// Loads certificate and key.
    ///
    /// # Errors
    /// The key that cannot be used, and why.
    pub fn open(settings: ServerTls, protocols: Protocols) -> Result<Arc<Tls>, TlsFault> {
        let loaded = settings.load(protocols)?;
        Ok(Arc::new(Tls {
            settings,
            protocols,
            current: RwLock::new(Arc::new(loaded.config)),
            state: Mutex::new((loaded.digest, None)),
            refusal_logged: Mutex::default(),
        }))
    }

    /// Returns the TLS settings.
    pub fn settings(&self) -> &ServerTls {
        &self.settings
    }

    /// Reloads the files for new connections. On an error the previous certificate and key stay in use. Logs the result if it
    /// changed, or if `always` is set.
    pub fn reload(&self, always: bool) {
        let key = &self.settings.key;
        let mut state = self.state.lock();
        match self.settings.load(self.protocols) {
            Ok(loaded) => {
                let until = loaded.validity.map(Validity::until).unwrap_or_default();
                let problem = loaded.validity.and_then(|validity| validity.problem(SystemTime::now()));
                let is_new = loaded.digest != state.0;
                if is_new {
                    *self.current.write() = Arc::new(loaded.config);
                    tracing::info!("{key}: certificate and key reloaded; the certificate is valid until {until}");
                } else if always {
                    tracing::info!("{key}: certificate and key are unchanged; the certificate is valid until {until}");
                }
                if let Some(problem) = problem.filter(|_| is_new || always) {
                    tracing::warn!("{key}: the certificate {problem}");
                }
                *state = (loaded.digest, None);
            }
            Err(fault) => {
                if always || state.1.as_ref() != Some(&fault) {
                    tracing::error!("{key}.{fault}; not reloaded: the certificate and key from before stay in use");
                }
                state.1 = Some(fault);
            }
        }
    }

    /// Returns the acceptor for the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.current.read().clone().into()
    }

    /// Logs a failed handshake.
    pub(crate) fn refused(&self, peer: Option<std::net::SocketAddr>, error: &std::io::Error) {
        let peer = peer.map_or_else(|| "a client".to_owned(), |peer| peer.to_string());
        let key = &self.settings.key;
        let mut logged = self.refusal_logged.lock();
        if logged.is_none_or(|at| at.elapsed() >= REFUSAL_LOGGED_EVERY) {
            *logged = Some(Instant::now());
            tracing::warn!("{key}: the TLS handshake with {peer} failed: {error}");
        } else {
            tracing::debug!("{key}: the TLS handshake with {peer} failed: {error}");
        }
    }
}
