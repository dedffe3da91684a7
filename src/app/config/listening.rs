//! Address, TLS and authentication of a listener: `endpoint`, `tls` and `allow_unauthenticated`.

use crate::catalog::component::{Guard, Reading};
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::net::{Endpoint, ServerTls, TlsVersion};
use std::net::SocketAddr;

const VERSIONS: [(&str, Version); 4] = [
    ("1.0", Version::Older),
    ("1.1", Version::Older),
    ("1.2", Version::Is(TlsVersion::Tls12)),
    ("1.3", Version::Is(TlsVersion::Tls13)),
];

/// A TLS version as the Collector writes it.
#[derive(Clone, Copy)]
enum Version {
    /// A version that is not supported.
    Older,
    Is(TlsVersion),
}

/// Reads the endpoint of a listener. Off loopback it needs a secret (`has_secret`), client certificates, or the user's
/// permission for unauthenticated clients.
pub(super) fn endpoint(
    reading: &Reading<'_>,
    map: &MapReader<'_>,
    default: SocketAddr,
    has_secret: bool,
    anyone: bool,
) -> Endpoint {
    let tls = map.map("tls");
    let asks = tls.as_ref().is_some_and(|tls| tls.given("client_ca_file") || tls.given("client_ca_pem"));
    let address = reading.listen(map, default, Guard::of(has_secret || asks, anyone));
    Endpoint { address, tls: tls.and_then(|tls| server(reading, tls)) }
}

/// Reads `tls` of a listener: the keys of the Collector's `configtls.ServerConfig`.
fn server(reading: &Reading<'_>, map: MapReader<'_>) -> Option<ServerTls> {
    let (certificate, private_key) = (map.pem("cert"), map.pem("key"));
    let given = |name: &str| map.given(&format!("{name}_file")) || map.given(&format!("{name}_pem"));
    for (name, what) in [("cert", "certificate"), ("key", "key of the certificate")] {
        if !given(name) {
            map.fault(&format!("{name}_file"), format!("expected the {what} of this listener in PEM form, found none"));
        }
    }
    let client_authorities = map.pem("client_ca");
    let (version_min, version_max) = versions(reading, &map);
    let reload_interval = map.duration("reload_interval").filter(|interval| !interval.is_zero());
    reading.without_effect(
        &map,
        &[
            "ca_file",
            "ca_pem",
            "include_system_ca_certs_pool",
            "reload_client_ca_file",
            "include_insecure_cipher_suites",
        ],
    );
    reading.note_key(&map, "curve_preferences", "is ignored: X25519, P-256 and P-384 are offered");
    reading.not_yet(
        &map,
        &[
            ("cipher_suites", "remove it: only suites without known weaknesses are offered"),
            ("tpm", "keep the key in a file, or let a proxy in front terminate TLS"),
        ],
    );
    let settings = ServerTls {
        key: map.whole_path().to_owned(),
        certificate: certificate?,
        private_key: private_key?,
        client_authorities,
        version_min,
        version_max,
        reload_interval,
    };
    match settings.check() {
        Ok(None) => {}
        Ok(Some(problem)) => reading.note_key(&map, &settings.certificate.key("cert"), &problem),
        Err(fault) => map.fault(&fault.key, fault.reason),
    }
    map.finish();
    Some(settings)
}

fn versions(reading: &Reading<'_>, map: &MapReader<'_>) -> (TlsVersion, TlsVersion) {
    let least = match map.word("min_version", &VERSIONS) {
        Some(Version::Is(version)) => version,
        Some(Version::Older) => {
            reading.note_key(map, "min_version", "is ignored: 1.2 is the oldest supported version");
            TlsVersion::Tls12
        }
        None => TlsVersion::Tls12,
    };
    let most = match map.word("max_version", &VERSIONS) {
        Some(Version::Is(version)) => version,
        Some(Version::Older) => {
            map.fault("max_version", "expected 1.2 or 1.3: older versions are not supported");
            TlsVersion::Tls13
        }
        None => TlsVersion::Tls13,
    };
    if least > most {
        map.fault("max_version", "expected a version that is not below min_version");
        return (least, least);
    }
    (least, most)
}
