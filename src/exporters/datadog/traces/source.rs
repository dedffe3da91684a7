//! Where spans come from: the host that their resource names (`pkg/opentelemetry-mapping-go/otlp/attributes`).

use super::semantics::{first, text_of};
use crate::delivery::attributes::as_string;
use opentelemetry_proto::tonic::common::v1::KeyValue;

/// Hosts that say nothing.
const NOWHERE: [&str; 6] =
    ["0.0.0.0", "127.0.0.1", "localhost", "localhost.localdomain", "localhost6.localdomain6", "ip6-localhost"];

/// The host of a resource; empty where it runs on none (serverless); `None` where it does not say.
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

/// Whether a resource is an Azure app of the platform, with all that identifies one.
fn azure(resource: &[KeyValue], platforms: &[&str]) -> bool {
    let named = ["service.name", "cloud.account.id", "azure.resource_group.name"];
    platforms.contains(&text_of(resource, "cloud.platform"))
        && named.iter().all(|key| !text_of(resource, key).is_empty())
}

/// Whether a resource of Google's platforms is a service with all that identifies one, and no job.
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
            // The name of a machine there is `name.zone.c.project.internal`.
            let name = if name.matches('.').count() >= 3 { name.split('.').next().unwrap_or_default() } else { &name };
            return text("cloud.account.id").map(|project| format!("{name}.{project}"));
        }
        "azure" => return text("host.id").or_else(|| text("host.name")),
        _ => {}
    }
    if let Some(node) = text("k8s.node.name") {
        // The cloud's own ways to a cluster's name are behind us: with a cloud's name we are not here.
        return Some(text("k8s.cluster.name").map_or(node.clone(), |cluster| format!("{node}-{cluster}")));
    }
    text("host.id").or_else(|| text("host.name"))
}
