//! Presets of backends that accept OTLP.

use super::*;

/// Returns a file with an exporter of that id in a pipeline.
fn exporter(id: &str, settings: &str) -> String {
    with(&format!("connectors: {{performance: }}\nexporters: {{{id}: {{{settings}}}}}"))
        .replace("exporters: [performance]", &format!("exporters: [performance, {id}]"))
}

fn target(id: &str, settings: &str) -> ExporterSettings {
    good(&exporter(id, settings)).targets.remove(0)
}

fn told(settings: &str) -> Vec<String> {
    let start = "c.yaml:2: exporters.otlp_http.";
    let told = faults(&exporter("otlp_http", settings));
    told.iter().map(|fault| fault.strip_prefix(start).unwrap_or(fault).to_owned()).collect()
}

#[test]
fn a_preset_gives_address_key_and_bounds() {
    let seen = |settings: &str| {
        let target = target("otlp_http/x", settings);
        let otlp = otlp_of(&target).clone();
        let headers: Vec<String> =
            otlp.client.headers.iter().map(|(name, value)| format!("{name}: {}", value.reveal())).collect();
        (otlp.endpoint, headers, target.delivery.batch.bytes_max)
    };
    let default = 3 << 20;
    let expect = |endpoint: &str, headers: &[&str], bytes: usize| {
        (endpoint.to_owned(), headers.iter().map(|header| (*header).to_owned()).collect::<Vec<_>>(), bytes)
    };
    assert_eq!(
        seen("preset: newrelic, license_key: abc"),
        expect("https://otlp.nr-data.net", &["api-key: abc"], 1_000_000)
    );
    let less = "sending_queue: {batch: {bytes_max: 500kb}}";
    assert_eq!(
        seen(&format!("preset: newrelic, region: eu, api_key: abc, headers: {{x: y}}, {less}")),
        expect("https://otlp.eu01.nr-data.net", &["x: y", "api-key: abc"], 500_000)
    );
    // Base64 of `123:glc_x`, from another implementation.
    assert_eq!(
        seen("preset: grafana_cloud, region: prod-eu-west-2, instance_id: 123, api_key: glc_x"),
        expect("https://otlp-gateway-prod-eu-west-2.grafana.net/otlp", &["authorization: Basic MTIzOmdsY194"], default)
    );
    assert_eq!(
        seen("preset: honeycomb, region: eu, api_key: abc, dataset: shop"),
        expect("https://api.eu1.honeycomb.io", &["x-honeycomb-team: abc", "x-honeycomb-dataset: shop"], default)
    );
    assert_eq!(
        seen("preset: elastic, endpoint: \"https://x.ingest.eu-west-1.aws.elastic.cloud\", api_key: abc"),
        expect("https://x.ingest.eu-west-1.aws.elastic.cloud", &["authorization: ApiKey abc"], default)
    );
    assert_eq!(
        seen("preset: honeycomb, headers: {X-Honeycomb-Team: abc}"),
        expect("https://api.honeycomb.io", &["X-Honeycomb-Team: abc"], default)
    );
}

#[test]
fn what_a_preset_lacks_is_told() {
    assert_eq!(
        told("preset: newrelic, region: eur, api_key: abc"),
        ["region: expected us or eu or us_fedramp, found \"eur\"; did you mean \"eu\"?"]
    );
    assert_eq!(
        told("preset: newrelik, region: eu, api_key: abc"),
        [
            "preset: expected one of newrelic, grafana_cloud, honeycomb, elastic, found text \"newrelik\"; did you mean \"newrelic\"?"
        ]
    );
    assert_eq!(
        told("preset: honeycomb"),
        ["api_key: is needed: expected the key of honeycomb, such as ${env:API_KEY}"]
    );
    assert_eq!(told("preset: grafana_cloud, region: eu, instance_id: 1, api_key: a").len(), 1);
    assert_eq!(told("preset: grafana_cloud, region: \"prod-eu.evil.example/0\", instance_id: 1, api_key: a").len(), 1);
    assert_eq!(told("preset: grafana_cloud, region: prod-eu-west-2, instance_id: shop, api_key: a").len(), 1);
    assert_eq!(told("preset: grafana_cloud, region: prod-eu-west-2, api_key: a"), ["instance_id: is missing"]);
    assert_eq!(told("preset: elastic, api_key: a").len(), 1);
    assert_eq!(told("preset: newrelic, license_key: a, api_key: b").len(), 1);
    assert_eq!(told("preset: newrelic, license_key: a, headers: {API-Key: b}").len(), 1);
    assert_eq!(told("preset: newrelic, license_key: a, headers: [{name: Api-Key, value: b}]").len(), 1);
    assert_eq!(told("preset: newrelic, license_key: a, headers: {\"a b\": c}").len(), 1, "and once");
    assert_eq!(told("preset: newrelic, license_key: a, region: us, endpoint: \"https://x.example\"").len(), 1);
    let grpc = faults(&exporter("otlp_grpc", "preset: newrelic, endpoint: \"otlp.nr-data.net:4317\""));
    assert_eq!(
        grpc,
        ["c.yaml:2: exporters.otlp_grpc.preset: is a key of `otlp_http`, which these backends support best"]
    );
    let kind = faults(&exporter("newrelic", "license_key: a"));
    assert!(kind[0].contains("{preset: newrelic, license_key: …, region: us}"), "{kind:?}");
}

#[test]
fn a_key_is_in_no_message() {
    for settings in [
        "preset: newrelic, region: eur, license_key: s3cret",
        "preset: newrelic, license_key: s3cret, api_key: s3cret",
        "preset: grafana_cloud, region: x, api_key: s3cret",
        "preset: grafana_cloud, region: prod-eu-west-2, instance_id: x, api_key: s3cret",
        "preset: elastic, api_key: s3cret",
        "preset: no, api_key: s3cret",
    ] {
        let told = told(settings);
        assert!(!told.is_empty() && !told.iter().any(|fault| fault.contains("s3cret")), "{told:?}");
    }
    let config = good(&exporter("otlp_http", "preset: elastic, endpoint: \"https://x.example\", api_key: s3cret"));
    assert!(!format!("{config:?}").contains("s3cret"));
}
