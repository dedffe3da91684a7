//! `preset` of `otlp_http`: backends that accept OTLP, each with its addresses, the header for its key, and its limits.

use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::{Entry, MapReader, Value};
use crate::delivery::DeliverySettings;
use crate::delivery::settings::Secret;
use crate::model::fault::hint;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Hint shown when a backend denies access.
pub(super) const DENIED: &str = "is its key right, and valid for this region?";

/// A backend.
struct Preset {
    name: &'static str,
    address: Address,
    login: Login,
    /// Further headers: the configuration key of the value, and the header name.
    headers: &'static [(&'static str, &'static str)],
    /// Limit on the bytes of a request.
    bytes_max: Option<usize>,
    /// Other notes.
    note: Option<&'static str>,
}

/// Address of a backend.
enum Address {
    /// One address per region; the first one is the default.
    Regions(&'static [(&'static str, &'static str)]),
    /// `before`, the region, `after`; regions are added every year, so they are not listed.
    Zone { before: &'static str, after: &'static str, example: &'static str },
    /// Each customer has a separate address.
    Own { found: &'static str },
}

/// Authentication at a backend.
enum Login {
    /// The key is the value of this header.
    Header(&'static str),
    /// `Authorization: Basic` with the number of the instance and the key.
    Basic,
    /// `Authorization: ApiKey`.
    ApiKey,
}

const PRESETS: [Preset; 4] = [
    // https://docs.newrelic.com/docs/opentelemetry/best-practices/opentelemetry-otlp/
    Preset {
        name: "newrelic",
        address: Address::Regions(&[
            ("us", "https://otlp.nr-data.net"),
            ("eu", "https://otlp.eu01.nr-data.net"),
            ("us_fedramp", "https://gov-otlp.nr-data.net"),
        ]),
        login: Login::Header("api-key"),
        headers: &[],
        bytes_max: Some(1_000_000),
        note: Some(
            "New Relic keeps attribute names of up to 255 characters and values of up to 4,095; nothing is truncated here, so \
             look for NrIntegrationError there if attributes are missing",
        ),
    },
    // https://grafana.com/docs/grafana-cloud/send-data/otlp/send-data-otlp/
    Preset {
        name: "grafana_cloud",
        address: Address::Zone {
            before: "https://otlp-gateway-",
            after: ".grafana.net/otlp",
            example: "prod-eu-west-2, as in the address under OpenTelemetry, Configure, of the stack",
        },
        login: Login::Basic,
        headers: &[],
        bytes_max: None,
        note: None,
    },
    // https://docs.honeycomb.io/send-data/opentelemetry/
    Preset {
        name: "honeycomb",
        address: Address::Regions(&[("us", "https://api.honeycomb.io"), ("eu", "https://api.eu1.honeycomb.io")]),
        login: Login::Header("x-honeycomb-team"),
        headers: &[("dataset", "x-honeycomb-dataset")],
        bytes_max: None,
        note: None,
    },
    // https://www.elastic.co/docs/reference/opentelemetry/motlp
    Preset {
        name: "elastic",
        address: Address::Own {
            found: "the managed OTLP endpoint that Elastic Cloud shows under Add data, Applications, OpenTelemetry",
        },
        login: Login::ApiKey,
        headers: &[],
        bytes_max: None,
        note: None,
    },
];

/// The settings of a preset.
pub(super) struct Applied {
    /// The address; `None` if `endpoint` is set, or a fault was reported.
    pub(super) endpoint: Option<String>,
    /// Headers of every request.
    pub(super) headers: Vec<(String, Secret)>,
}

/// Reads the preset of an exporter; sets the limits of `delivery` that are not configured.
pub(super) fn read(reading: &Reading<'_>, map: &MapReader<'_>, delivery: &mut DeliverySettings) -> Option<Applied> {
    let words: Vec<(&str, usize)> = PRESETS.iter().enumerate().map(|(at, preset)| (preset.name, at)).collect();
    let Some(at) = map.word("preset", &words) else {
        // With an unknown preset, the keys of presets are not faults of their own.
        return map.given("preset").then(|| {
            ["region", "api_key", "license_key", "instance_id", "dataset"].iter().for_each(|key| _ = map.get(key));
            Applied { endpoint: None, headers: Vec::new() }
        });
    };
    let preset = &PRESETS[at];
    if let Some(most) = preset.bytes_max {
        delivery.batch.bytes_max = delivery.batch.bytes_max.min(most);
    }
    if let Some(note) = preset.note {
        reading.note_key(map, "preset", note);
    }
    let further = preset.headers.iter().filter_map(|(key, header)| Some(((*header).to_owned(), map.secret(key)?)));
    let headers = login(map, preset).into_iter().chain(further.collect::<Vec<_>>()).collect();
    Some(Applied { endpoint: endpoint(map, preset), headers })
}

fn endpoint(map: &MapReader<'_>, preset: &Preset) -> Option<String> {
    let region = map.text("region");
    if map.given("endpoint") {
        if region.is_some() {
            map.fault("region", "has the same meaning as endpoint; expected one of the two");
        }
        return None;
    }
    match (&preset.address, region) {
        (Address::Regions(regions), None) => regions.first().map(|(_, url)| (*url).to_owned()),
        (Address::Regions(regions), Some(region)) => {
            let found = regions.iter().find(|(known, _)| *known == region);
            if found.is_none() {
                let names = regions.iter().map(|(known, _)| *known);
                let hint = hint(&region, names.clone());
                let names: Vec<&str> = names.collect();
                map.fault("region", format!("expected {}, found {region:?}{hint}", names.join(" or ")));
            }
            found.map(|(_, url)| (*url).to_owned())
        }
        (Address::Zone { example, .. }, None) => {
            map.fault("region", format!("is needed: expected a region such as {example}"));
            None
        }
        (Address::Zone { before, after, example }, Some(region)) => {
            let is_plain = region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if !is_plain || !region.starts_with("prod-") || !region.ends_with(|c: char| c.is_ascii_digit()) {
                map.fault("region", format!("expected a region such as {example}; found {region:?}"));
                return None;
            }
            Some(format!("{before}{region}{after}"))
        }
        (Address::Own { found }, region) => {
            if region.is_some() {
                map.fault("region", "is part of the address here; expected it in endpoint");
            }
            map.fault("endpoint", format!("is needed: expected {found}"));
            None
        }
    }
}

fn login(map: &MapReader<'_>, preset: &Preset) -> Option<(String, Secret)> {
    let names: &[&str] = if preset.name == "newrelic" { &["license_key", "api_key"] } else { &["api_key"] };
    let given: Vec<&&str> = names.iter().filter(|name| map.has(name)).collect();
    if let [_, second, ..] = given.as_slice() {
        map.fault(second, format!("has the same meaning as {}; expected one of the two", names[0]));
    }
    let header = match preset.login {
        Login::Header(header) => header,
        Login::Basic | Login::ApiKey => "authorization",
    };
    let by_hand = names_header(map, header);
    let Some(key) = given.first() else {
        if !by_hand {
            let key = names[names.len() - 1];
            map.fault(key, format!("is needed: expected the key of {}, such as ${{env:API_KEY}}", preset.name));
        }
        return None;
    };
    if by_hand {
        map.fault(key, format!("has the same meaning as the header {header:?}; expected one of the two"));
    }
    // Read before a missing key returns early, so that `instance_id` counts as a known key in any case.
    let instance =
        (matches!(preset.login, Login::Basic) && map.need("instance_id")).then(|| map.text("instance_id")).flatten();
    let secret = map.secret(key)?;
    let value = match preset.login {
        Login::Header(_) => secret.reveal().to_owned(),
        Login::ApiKey => format!("ApiKey {}", secret.reveal().trim_start_matches("ApiKey ")),
        Login::Basic => {
            let instance = instance?;
            if instance.is_empty() || !instance.bytes().all(|byte| byte.is_ascii_digit()) {
                map.fault("instance_id", format!("expected the number of the stack's instance, found {instance:?}"));
            }
            format!("Basic {}", STANDARD.encode(format!("{instance}:{}", secret.reveal())))
        }
    };
    Some((header.to_owned(), Secret::new(value)))
}

/// Returns whether `headers`, in either of its forms, contains a header.
fn names_header(map: &MapReader<'_>, header: &str) -> bool {
    let is_it = |name: &str| name.eq_ignore_ascii_case(header);
    let named = |entry: &Entry| entry.key == "name" && entry.node.scalar().is_some_and(|name| is_it(&name));
    match map.get("headers").map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().any(|entry| is_it(&entry.key)),
        Some(Value::List(nodes)) => {
            nodes.iter().any(|node| matches!(&node.value, Value::Map(entries) if entries.iter().any(named)))
        }
        _ => false,
    }
}
