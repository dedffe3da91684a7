//! `tls` of a target.

use crate::app::config::components::Reading;
use crate::app::config::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::sinks::tls::{Pem, TlsSettings};
use std::path::Path;

pub(super) fn read(reading: &Reading<'_>, map: &MapReader<'_>) -> TlsSettings {
    let Some(tls) = map.map("tls") else { return TlsSettings::default() };
    let (certificate, key) = (pem(&tls, "cert"), pem(&tls, "key"));
    let settings = TlsSettings {
        insecure: tls.bool("insecure").unwrap_or(false),
        authorities: pem(&tls, "ca"),
        identity: match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                tls.fault("key_file", "expected the key of the certificate beside it, found none");
                None
            }
            (None, Some(_)) => {
                tls.fault("cert_file", "expected the certificate of the key beside it, found none");
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
            ("tpm", "send over a proxy that shows the client's certificate"),
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

/// What stands in `<name>_file` or in `<name>_pem`.
fn pem(map: &MapReader<'_>, name: &str) -> Option<Pem> {
    let (in_file, in_text) = (format!("{name}_file"), format!("{name}_pem"));
    let file = map.existing(&in_file, "a file in PEM form", Path::is_file).map(Pem::File);
    let text = if map.given(&in_text) { map.secret_text(&in_text).map(Pem::Text) } else { None };
    if file.is_some() && text.is_some() {
        map.fault(&in_text, format!("says the same as {in_file}; expected one of the two"));
    }
    file.or(text)
}
