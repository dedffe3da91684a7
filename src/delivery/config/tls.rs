//! `tls` of a target.

use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::tls::TlsSettings;

pub(super) fn read(reading: &Reading<'_>, map: &MapReader<'_>) -> TlsSettings {
    let Some(tls) = map.map("tls") else { return TlsSettings::default() };
    let (certificate, key) = (tls.pem("cert"), tls.pem("key"));
    let settings = TlsSettings {
        insecure: tls.bool("insecure").unwrap_or(false),
        authorities: tls.pem("ca"),
        identity: match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                tls.fault("key_file", "expected the key of this certificate, found none");
                None
            }
            (None, Some(_)) => {
                tls.fault("cert_file", "expected the certificate of this key, found none");
                None
            }
        },
        server_name: tls.text("server_name_override"),
        insecure_skip_verify: tls.bool("insecure_skip_verify").unwrap_or(false),
    };
    reading.not_yet(
        &tls,
        &[
            ("max_version", "remove it"),
            ("cipher_suites", "remove it"),
            ("include_insecure_cipher_suites", "remove it"),
            ("tpm", "send through a proxy that presents the client certificate"),
        ],
    );
    reading
        .without_effect(&tls, &["min_version", "reload_interval", "include_system_ca_certs_pool", "curve_preferences"]);
    tls.finish();
    if let Err(error) = settings.check() {
        map.fault("tls", format!("{error:#}"));
    }
    settings
}
