//! Tags of a resource, by Datadog's names for its attributes.

use super::host::{self, is_azure_app};
use crate::delivery::attributes::Attributes;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// Service, version, environment, and Kubernetes labels.
const CORE: [(&str, &str); 15] = [
    ("deployment.environment", "env"),
    ("deployment.environment.name", "env"),
    ("service.name", "service"),
    ("service.version", "version"),
    ("service.namespace", "service.namespace"),
    ("service.instance.id", "service.instance.id"),
    ("tags.datadoghq.com/env", "env"),
    ("tags.datadoghq.com/service", "service"),
    ("tags.datadoghq.com/version", "version"),
    ("app.kubernetes.io/name", "kube_app_name"),
    ("app.kubernetes.io/instance", "kube_app_instance"),
    ("app.kubernetes.io/version", "kube_app_version"),
    ("app.kubernetes.io/component", "kube_app_component"),
    ("app.kubernetes.io/part-of", "kube_app_part_of"),
    ("app.kubernetes.io/managed-by", "kube_app_managed_by"),
];

/// Containers and their environment.
const CONTAINER: [(&str, &str); 25] = [
    ("container.id", "container_id"),
    ("container.name", "container_name"),
    ("container.image.name", "image_name"),
    ("container.image.tag", "image_tag"),
    (IMAGE_TAGS, "image_tag"),
    ("container.runtime", "runtime"),
    ("cloud.provider", "cloud_provider"),
    ("cloud.region", "region"),
    ("cloud.availability_zone", "zone"),
    ("aws.ecs.task.family", "task_family"),
    ("aws.ecs.task.arn", "task_arn"),
    ("aws.ecs.cluster.arn", "ecs_cluster_name"),
    ("aws.ecs.task.revision", "task_version"),
    ("aws.ecs.container.arn", "ecs_container_name"),
    ("k8s.container.name", "kube_container_name"),
    ("k8s.cluster.name", "kube_cluster_name"),
    ("k8s.deployment.name", "kube_deployment"),
    ("k8s.replicaset.name", "kube_replica_set"),
    ("k8s.statefulset.name", "kube_stateful_set"),
    ("k8s.daemonset.name", "kube_daemon_set"),
    ("k8s.job.name", "kube_job"),
    ("k8s.cronjob.name", "kube_cronjob"),
    ("k8s.namespace.name", "kube_namespace"),
    ("k8s.pod.name", "pod_name"),
    ("k8s.node.name", "kube_node"),
];

/// Of several tags, the first is the image's.
const IMAGE_TAGS: &str = "container.image.tags";
/// Prefix of the user's own container tags.
const CUSTOM: &str = "datadog.container.tag.";

/// Attributes that already have the name of a tag.
const AS_THEY_ARE: [&str; 68] = [
    "architecture",
    "availability-zone",
    "chronos_job",
    "chronos_job_owner",
    "cluster_name",
    "container_id",
    "container_name",
    "dd_remote_config_id",
    "dd_remote_config_rev",
    "display_container_name",
    "docker_image",
    "ecs_cluster_name",
    "ecs_container_name",
    "eks_fargate_node",
    "env",
    "git.commit.sha",
    "git.repository_url",
    "image_id",
    "image_name",
    "image_tag",
    "kube_app_component",
    "kube_app_instance",
    "kube_app_managed_by",
    "kube_app_name",
    "kube_app_part_of",
    "kube_app_version",
    "kube_container_name",
    "kube_cronjob",
    "kube_daemon_set",
    "kube_deployment",
    "kube_job",
    "kube_namespace",
    "kube_ownerref_kind",
    "kube_ownerref_name",
    "kube_priority_class",
    "kube_qos",
    "kube_replica_set",
    "kube_replication_controller",
    "kube_service",
    "kube_stateful_set",
    "language",
    "marathon_app",
    "mesos_task",
    "nomad_dc",
    "nomad_group",
    "nomad_job",
    "nomad_namespace",
    "nomad_task",
    "oshift_deployment",
    "oshift_deployment_config",
    "os_name",
    "os_version",
    "persistentvolumeclaim",
    "pod_name",
    "pod_phase",
    "rancher_container",
    "rancher_service",
    "rancher_stack",
    "region",
    "service",
    "short_image",
    "swarm_namespace",
    "swarm_service",
    "task_name",
    "task_family",
    "task_version",
    "task_arn",
    "version",
];

/// Identifies a process: the first of these that is present.
const PROCESS: [&str; 4] =
    ["process.executable.name", "process.executable.path", "process.command", "process.command_line"];

/// Identifies a Google service.
const GOOGLE: [(&str, &str); 5] = [
    ("cloud.account.id", "project_id"),
    ("cloud.region", "location"),
    ("faas.name", "service_name"),
    ("faas.instance", "instance"),
    ("faas.version", "revision_name"),
];

fn text(value: Option<&Value>) -> &str {
    match value {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

fn known(list: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == key).map(|(_, tag)| *tag)
}

/// Returns `name:value` for all attributes that Datadog knows.
pub(in crate::exporters::datadog) fn tags(attributes: &Attributes<'_>) -> Vec<String> {
    let mut tags = Vec::new();
    for (key, value) in attributes.iter() {
        let value = text(value);
        if let Some(tag) = known(&CORE, key).filter(|_| !value.is_empty()) {
            tags.push(format!("{tag}:{value}"));
        }
        if AS_THEY_ARE.contains(&key) {
            tags.push(format!("{key}:{value}"));
        }
    }
    tags.extend(container(attributes).into_iter().map(|(tag, value)| format!("{tag}:{value}")));
    let of = |key: &str| host::text(attributes, key).unwrap_or_default();
    match of("cloud.platform") {
        "azure.app_service" | "azure_app_service" if is_azure_app(attributes) => {
            let (name, account) = (of("service.name"), of("cloud.account.id"));
            let group = of("azure.resource_group.name");
            tags.extend([
                format!("name:{name}"),
                format!("subscription_id:{account}"),
                format!("resource_group:{group}"),
            ]);
        }
        "gcp_cloud_run" | "gcp_cloud_functions" => tags.extend(google(attributes)),
        _ => {}
    }
    let process = PROCESS.into_iter().find(|key| !of(key).is_empty());
    tags.extend(process.map(|key| format!("{key}:{}", of(key))));
    let system = of("os.type");
    if !system.is_empty() {
        tags.push(format!("os.type:{system}"));
    }
    tags
}

/// Returns each tag once: conventional attributes take precedence over the user's own, and of those the last.
fn container<'a>(attributes: &Attributes<'a>) -> Vec<(&'a str, &'a str)> {
    let mut tags: Vec<(&str, &str)> = Vec::new();
    for (key, value) in attributes.iter() {
        let value = match value {
            Some(Value::ArrayValue(list)) if key == IMAGE_TAGS => {
                text(list.values.first().and_then(|first| first.value.as_ref()))
            }
            value => text(value),
        };
        if value.is_empty() {
            continue;
        }
        let custom = key.strip_prefix(CUSTOM).filter(|tag| !tag.is_empty());
        let (Some(tag), is_custom) = (known(&CONTAINER, key).or(custom), custom.is_some()) else { continue };
        match tags.iter_mut().find(|(known, _)| *known == tag) {
            Some(_) if is_custom => {}
            Some(known) => known.1 = value,
            None => tags.push((tag, value)),
        }
    }
    tags
}

/// Tags of a Google service, but not of a job.
fn google(attributes: &Attributes<'_>) -> Vec<String> {
    let is_job = ["gcp.cloud_run.job.execution", "gcp.cloud_run.job.task_index"]
        .into_iter()
        .any(|key| host::text(attributes, key).is_some());
    let of = |key: &str| host::text(attributes, key).unwrap_or_default();
    // All except the revision are required.
    let is_whole = GOOGLE[..4].iter().all(|(key, _)| !of(key).is_empty());
    if is_job || !is_whole {
        return Vec::new();
    }
    let told = GOOGLE.iter().filter(|(key, _)| !of(key).is_empty());
    told.map(|(key, tag)| format!("{tag}:{}", of(key))).collect()
}
