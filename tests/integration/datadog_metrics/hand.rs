//! Hand-written metrics: each pair of resource attributes that Datadog interprets, each unit, each receiver.

use super::generate::{Case, Settings};
use super::values::{RESOURCE, any, attribute, key_value};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;

const SETTINGS: Settings = Settings {
    hostname: "fallback.example",
    mode: "distributions",
    aggregations: false,
    quantiles: true,
    raw_value: false,
    initial: "auto",
    resource_tags: false,
    scope_tags: true,
    infer_interval: false,
};

/// Includes an unknown one.
const RECEIVERS: [&str; 44] = [
    "activedirectorydsreceiver",
    "aerospikereceiver",
    "apachereceiver",
    "apachesparkreceiver",
    "azuremonitorreceiver",
    "bigipreceiver",
    "chronyreceiver",
    "couchdbreceiver",
    "dockerstatsreceiver",
    "elasticsearchreceiver",
    "expvarreceiver",
    "filestatsreceiver",
    "flinkmetricsreceiver",
    "gitproviderreceiver",
    "haproxyreceiver",
    "hostmetricsreceiver",
    "httpcheckreceiver",
    "iisreceiver",
    "k8sclusterreceiver",
    "kafkametricsreceiver",
    "kubeletstatsreceiver",
    "memcachedreceiver",
    "mongodbatlasreceiver",
    "mongodbreceiver",
    "mysqlreceiver",
    "nginxreceiver",
    "nsxtreceiver",
    "oracledbreceiver",
    "podmanreceiver",
    "postgresqlreceiver",
    "prometheusreceiver",
    "rabbitmqreceiver",
    "redisreceiver",
    "riakreceiver",
    "saphanareceiver",
    "snmpreceiver",
    "snowflakereceiver",
    "splunkenterprisereceiver",
    "sqlserverreceiver",
    "sshcheckreceiver",
    "statsdreceiver",
    "vcenterreceiver",
    "zookeeperreceiver",
    "someotherreceiver",
];

const PREFIXES: [&str; 18] =
    ["", "d", "m", "u", "n", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "x"];
const BASES: [&str; 13] = ["By", "bit", "s", "h", "Hz", "W", "V", "J", "A", "Cel", "%", "{request}", "1"];

fn gauge(name: &str, unit: &str) -> Metric {
    let point = NumberDataPoint { time_unix_nano: 7, value: Some(Number::AsInt(1)), ..NumberDataPoint::default() };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    Metric { name: name.to_owned(), unit: unit.to_owned(), data, ..Metric::default() }
}

fn request(attributes: Vec<KeyValue>, scope: &str, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope = Some(InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() });
    let scope_metrics = vec![ScopeMetrics { scope, metrics, ..ScopeMetrics::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
    }
}

fn pairs() -> Vec<ExportMetricsServiceRequest> {
    let of = |(key, text): &(&str, &str)| match *text {
        "list" => {
            key_value(key, any(Value::ArrayValue(ArrayValue { values: vec![attribute("first"), attribute("second")] })))
        }
        text => key_value(key, attribute(text)),
    };
    let pairs = RESOURCE.iter().enumerate().flat_map(|(at, one)| RESOURCE[at..].iter().map(move |other| (one, other)));
    // An attribute paired with itself covers the single attribute.
    let lists = pairs.filter(|(one, other)| one == other || one.0 != other.0);
    lists
        .map(|(one, other)| {
            let attributes = if one == other { vec![of(one)] } else { vec![of(one), of(other)] };
            request(attributes, "", vec![gauge("m", "")])
        })
        .collect()
}

fn units() -> ExportMetricsServiceRequest {
    let plain = PREFIXES.iter().flat_map(|prefix| BASES.iter().map(move |base| format!("{prefix}{base}")));
    let others = ["{connection}/s", "By/{operation}", "s/s/s", "/s", "{}", "{datapoint}", "{By", "ms/min"];
    let metrics = plain.chain(others.map(str::to_owned)).enumerate();
    request(Vec::new(), "", metrics.map(|(number, unit)| gauge(&format!("m.{number}"), &unit)).collect())
}

/// Returns all cases.
pub(crate) fn cases() -> Vec<Case> {
    let receivers = RECEIVERS.map(|receiver| {
        let scope = format!("github.com/open-telemetry/opentelemetry-collector-contrib/receiver/{receiver}/internal");
        request(Vec::new(), &scope, vec![gauge("m", "")])
    });
    let case = |requests| Case { settings: SETTINGS, requests, kinds: Vec::new() };
    vec![case(pairs()), case(vec![units()]), case(receivers.to_vec())]
}
