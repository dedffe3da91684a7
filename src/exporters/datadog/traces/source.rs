//! The host of spans, according to their resource (`pkg/opentelemetry-mapping-go/otlp/attributes`).

use super::semantics::{first, text_of};
use crate::delivery::attributes::as_string;
use opentelemetry_proto::tonic::common::v1::KeyValue;

/// Host names without meaning.
const NOWHERE: [&str; 6] =
    ["0.0.0.0", "127.0.0.1", "localhost", "localhost.localdomain", "localhost6.localdomain6", "ip6-localhost"];

/// Returns the host of a resource; empty without a host (serverless); `None` if unknown.
#[must_use]
pub fn host(resource: &[KeyValue]) -> Option<String> {
    if azure(resource, &["azure.functions", "azure_functions"]) {
        return Some(String::new());
    }
    if matches!(text_of(resource, "cloud.platform"), "gcp_cloud_functions" | "gcp_cloud_run") {
        return google_serverless(resource).then(String::new);
    }
    let app_service = azure(resource, &["azure.app_service", "azure_app_service"]);
    let container_apps = matches!(text_of(resource, "cloud.platform"), "azure.container_apps" | "azure_container_apps");
    if app_service || container_apps || (fargate(resource) && first(resource, "aws.ecs.task.arn").is_some()) {
        return Some(String::new());
    }
    candidate(resource).filter(|host| !NOWHERE.contains(&host.as_str()))
}

/// Returns true for an Azure platform app with all attributes that identify one.
fn azure(resource: &[KeyValue], platforms: &[&str]) -> bool {
    let named = ["service.name", "cloud.account.id", "azure.resource_group.name"];
    platforms.contains(&text_of(resource, "cloud.platform"))
        && named.iter().all(|key| !text_of(resource, key).is_empty())
}

/// Returns true for a Google serverless service with all attributes that identify one, but not for a job.
fn google_serverless(resource: &[KeyValue]) -> bool {
    let job = ["gcp.cloud_run.job.execution", "gcp.cloud_run.job.task_index"];
    let named = ["cloud.account.id", "cloud.region", "faas.name", "faas.instance"];
    job.iter().all(|key| first(resource, key).is_none()) && named.iter().all(|key| !text_of(resource, key).is_empty())
}

fn fargate(resource: &[KeyValue]) -> bool {
    text_of(resource, "aws.ecs.launchtype") == "fargate"
}

fn candidate(resource: &[KeyValue]) -> Option<String> {
    let text = |key: &str| first(resource, key).map(|_| text_of(resource, key).to_owned());
    if let Some(host) = first(resource, "host") {
        return Some(host.map(as_string).unwrap_or_default().into_owned());
    }
    if let Some(host) = text("datadog.host.name") {
        return Some(host);
    }
    if fargate(resource) {
        return None;
    }
    match text_of(resource, "cloud.provider") {
        "aws" => return text("host.id"),
        "gcp" => {
            let name = text("host.name")?;
            // Machine names there have the form `name.zone.c.project.internal`.
            let name = if name.matches('.').count() >= 3 { name.split('.').next().unwrap_or_default() } else { &name };
            return text("cloud.account.id").map(|project| format!("{name}.{project}"));
        }
        "azure" => return text("host.id").or_else(|| text("host.name")),
        _ => {}
    }
    if let Some(node) = text("k8s.node.name") {
        // Cluster names from cloud attributes do not matter here: resources with a cloud provider were handled above.
        return Some(text("k8s.cluster.name").map_or(node.clone(), |cluster| format!("{node}-{cluster}")));
    }
    text("host.id").or_else(|| text("host.name"))
}
