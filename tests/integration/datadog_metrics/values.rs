//! Generates attributes and numbers, including unusual ones.

use super::random::Random;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;

pub(crate) fn key_value(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

pub(crate) fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(crate) fn attribute(text: &str) -> AnyValue {
    any(Value::StringValue(text.to_owned()))
}

/// Returns a value of any type.
pub(crate) fn value(random: &mut Random) -> AnyValue {
    match random.below(10) {
        0 => any(Value::BoolValue(random.one_in(2))),
        1 => any(Value::IntValue(random.pick(&[0, -3, i64::MAX, 200]))),
        2 => any(Value::DoubleValue(random.pick(&[0.5, 1.0, 1e21, 1e-7, 123_456_789.125]))),
        3 => any(Value::BytesValue(vec![0, 255, 7])),
        4 => any(Value::ArrayValue(ArrayValue { values: vec![attribute("a"), any(Value::IntValue(2))] })),
        5 => any(Value::KvlistValue(KeyValueList {
            values: vec![key_value("b", attribute("<x>")), key_value("a", any(Value::BoolValue(true)))],
        })),
        6 => AnyValue { value: None },
        _ => attribute(random.pick(&["", "GET", "/orders", "naïve", "a:b,c", "fargate", "aws"])),
    }
}

/// Returns attributes of a point or scope.
pub(crate) fn attributes(random: &mut Random) -> Vec<KeyValue> {
    let keys = ["http.method", "device", "route", "dd.internal.resource", "host", "empty", "service.name"];
    let mut found: Vec<KeyValue> = Vec::new();
    for _ in 0..random.below(4) {
        let key = random.pick(&keys);
        if !found.iter().any(|known| known.key == key) {
            found.push(key_value(key, value(random)));
        }
    }
    found
}

/// Resource attributes that Datadog interprets, with a significant value for each.
pub(crate) const RESOURCE: [(&str, &str); 50] = [
    ("host", "literal"),
    ("datadog.host.name", "own.example"),
    ("host.id", "i-0123"),
    ("host.name", "web-1.c.project.internal"),
    ("host.name", "localhost"),
    ("cloud.provider", "aws"),
    ("cloud.provider", "gcp"),
    ("cloud.provider", "azure"),
    ("cloud.platform", "gcp_cloud_run"),
    ("cloud.platform", "gcp_cloud_functions"),
    ("cloud.platform", "azure.functions"),
    ("cloud.platform", "azure_app_service"),
    ("cloud.platform", "azure.container_apps"),
    ("cloud.account.id", "account"),
    ("cloud.region", "eu-west-1"),
    ("cloud.availability_zone", "eu-west-1b"),
    ("azure.resource_group.name", "group"),
    ("aws.ecs.launchtype", "fargate"),
    ("aws.ecs.launchtype", "ec2"),
    ("aws.ecs.task.arn", "arn:aws:ecs:task/7"),
    ("aws.ecs.task.family", "family"),
    ("faas.name", "function"),
    ("faas.instance", "instance"),
    ("faas.version", "3"),
    ("gcp.cloud_run.job.execution", "job"),
    ("k8s.node.name", "node-1"),
    ("k8s.cluster.name", "cluster"),
    ("k8s.pod.name", "pod-7"),
    ("k8s.namespace.name", "shop"),
    ("k8s.deployment.name", "web"),
    ("container.id", "abcdef"),
    ("container.name", "web"),
    ("container.image.name", "shop/web"),
    ("container.image.tag", "1.2"),
    ("container.image.tags", "list"),
    ("datadog.container.tag.team", "blue"),
    ("datadog.container.tag.container_id", "own"),
    ("datadog.container.tag.", "nothing"),
    ("service.version", "1.2.3"),
    ("service.namespace", "space"),
    ("service.instance.id", "i-9"),
    ("deployment.environment", "prod"),
    ("deployment.environment.name", "staging"),
    ("process.executable.name", "web"),
    ("process.command_line", "web --port 80"),
    ("os.type", "linux"),
    ("tags.datadoghq.com/env", "label"),
    ("app.kubernetes.io/name", "app"),
    ("kube_qos", "Burstable"),
    ("language", "rust"),
];

/// Returns a resource with a service name that is unique in its case.
pub(crate) fn resource(random: &mut Random, number: u64) -> Resource {
    let mut attributes = vec![key_value("service.name", attribute(&format!("service-{number}")))];
    for _ in 0..random.below(12) {
        let (key, text) = random.pick(&RESOURCE);
        if attributes.iter().any(|known| known.key == key) {
            continue;
        }
        let value = match random.below(12) {
            0 => value(random),
            _ if key == "container.image.tags" => {
                any(Value::ArrayValue(ArrayValue { values: vec![attribute("first"), attribute("second")] }))
            }
            _ => attribute(text),
        };
        attributes.push(key_value(key, value));
    }
    Resource { attributes, ..Resource::default() }
}

/// Returns a number, finite or not.
pub(crate) fn number(random: &mut Random) -> f64 {
    random.pick(&[0.0, 1.0, -1.0, 0.1, 3.5, 1e300, -1e-300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 42.0, 7.25])
}
