//! The host that telemetry came from, by the rules of Datadog's OTLP mapping.

use crate::delivery::attributes::{Attributes, as_string};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use std::borrow::Cow;

/// Host names without meaning.
const NO_HOSTS: [&str; 6] =
    ["0.0.0.0", "127.0.0.1", "localhost", "localhost.localdomain", "localhost6.localdomain6", "ip6-localhost"];

/// Where a resource runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exporters::datadog) enum Place<'a> {
    /// On a host with this name, which may be empty.
    Host(Cow<'a, str>),
    /// On a platform without hosts: its telemetry has none.
    Serverless,
    /// Not stated.
    Unknown,
}

/// Returns the text of an attribute; empty if it has another type or no value, as in the Collector.
pub(in crate::exporters::datadog) fn text<'a>(attributes: &Attributes<'a>, key: &str) -> Option<&'a str> {
    match attributes.iter().find(|(known, _)| *known == key)?.1 {
        Some(Value::StringValue(text)) => Some(text),
        _ => Some(""),
    }
}

/// Determines the place from attributes.
pub(in crate::exporters::datadog) fn place<'a>(attributes: &Attributes<'a>) -> Place<'a> {
    let platform = text(attributes, "cloud.platform").unwrap_or_default();
    let is_serverless = match platform {
        "azure.functions" | "azure_functions" | "azure.app_service" | "azure_app_service" => is_azure_app(attributes),
        "gcp_cloud_run" | "gcp_cloud_functions" | "azure.container_apps" | "azure_container_apps" => true,
        _ => false,
    };
    if is_serverless || is_fargate(attributes) && text(attributes, "aws.ecs.task.arn").is_some() {
        return Place::Serverless;
    }
    match host(attributes) {
        Some(host) if !NO_HOSTS.contains(&&*host) => Place::Host(host),
        _ => Place::Unknown,
    }
}

/// Returns true if an Azure app is identified.
pub(super) fn is_azure_app(attributes: &Attributes<'_>) -> bool {
    let is_told = |key: &str| text(attributes, key).is_some_and(|text| !text.is_empty());
    ["service.name", "cloud.account.id", "azure.resource_group.name"].into_iter().all(is_told)
}

fn is_fargate(attributes: &Attributes<'_>) -> bool {
    text(attributes, "aws.ecs.launchtype") == Some("fargate")
}

fn host<'a>(attributes: &Attributes<'a>) -> Option<Cow<'a, str>> {
    if let Some((_, host)) = attributes.iter().find(|(key, _)| *key == "host") {
        return Some(host.map(as_string).unwrap_or_default());
    }
    let own = |key: &str| text(attributes, key).map(Cow::Borrowed);
    if let Some(host) = own("datadog.host.name") {
        return Some(host);
    }
    if is_fargate(attributes) {
        return None;
    }
    match text(attributes, "cloud.provider") {
        Some("aws") => return own("host.id"),
        Some("gcp") => return gcp(attributes),
        Some("azure") => return own("host.id").or_else(|| own("host.name")),
        _ => {}
    }
    node(attributes).or_else(|| own("host.id")).or_else(|| own("host.name"))
}

/// Google machines as Datadog names them: by name and project.
fn gcp<'a>(attributes: &Attributes<'a>) -> Option<Cow<'a, str>> {
    let full = text(attributes, "host.name")?;
    let is_long = full.matches('.').count() >= 3;
    let name = if is_long { full.split('.').next().unwrap_or_default() } else { full };
    let project = text(attributes, "cloud.account.id")?;
    Some(Cow::Owned(format!("{name}.{project}")))
}

/// A Kubernetes node, with its cluster if known.
fn node<'a>(attributes: &Attributes<'a>) -> Option<Cow<'a, str>> {
    let node = text(attributes, "k8s.node.name")?;
    Some(match text(attributes, "k8s.cluster.name") {
        Some(cluster) => Cow::Owned(format!("{node}-{cluster}")),
        None => Cow::Borrowed(node),
    })
}
