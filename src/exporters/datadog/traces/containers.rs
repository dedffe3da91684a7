//! Tags of the container that spans came from.

use super::semantics::text_of;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use std::collections::BTreeMap;

/// Prefix of the user's own container tags.
const OWN: &str = "datadog.container.tag.";

/// Resource attributes, and Datadog's tags for them.
const TAGS: [(&str, &str); 25] = [
    ("aws.ecs.cluster.arn", "ecs_cluster_name"),
    ("aws.ecs.container.arn", "ecs_container_name"),
    ("aws.ecs.task.arn", "task_arn"),
    ("aws.ecs.task.family", "task_family"),
    ("aws.ecs.task.revision", "task_version"),
    ("cloud.availability_zone", "zone"),
    ("cloud.provider", "cloud_provider"),
    ("cloud.region", "region"),
    ("container.id", "container_id"),
    ("container.image.name", "image_name"),
    ("container.image.tag", "image_tag"),
    ("container.image.tags", "image_tag"),
    ("container.name", "container_name"),
    ("container.runtime", "runtime"),
    ("k8s.cluster.name", "kube_cluster_name"),
    ("k8s.container.name", "kube_container_name"),
    ("k8s.cronjob.name", "kube_cronjob"),
    ("k8s.daemonset.name", "kube_daemon_set"),
    ("k8s.deployment.name", "kube_deployment"),
    ("k8s.job.name", "kube_job"),
    ("k8s.namespace.name", "kube_namespace"),
    ("k8s.node.name", "kube_node"),
    ("k8s.pod.name", "pod_name"),
    ("k8s.replicaset.name", "kube_replica_set"),
    ("k8s.statefulset.name", "kube_stateful_set"),
];

/// Where a tag was found; later variants take precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Datadog,
    Own,
    Conventions,
}

/// Returns the tags, and the attributes without those that are only tags.
pub(super) fn take_tags(resource: &[KeyValue]) -> (BTreeMap<String, String>, Vec<KeyValue>) {
    let mut tags: BTreeMap<&str, (Found, &str)> = BTreeMap::new();
    let mut left = Vec::with_capacity(resource.len());
    for entry in resource {
        let found = tag(entry);
        if found.is_none_or(|(from, _, _)| from == Found::Conventions) {
            left.push(entry.clone());
        }
        if let Some((from, key, value)) = found
            && tags.get(key).is_none_or(|(before, _)| from > *before)
        {
            tags.insert(key, (from, value));
        }
    }
    (tags.into_iter().map(|(key, (_, value))| (key.to_owned(), value.to_owned())).collect(), left)
}

fn tag(entry: &KeyValue) -> Option<(Found, &str, &str)> {
    let value = match &entry.value.as_ref()?.value {
        Some(Value::ArrayValue(list)) if entry.key == "container.image.tags" => {
            match list.values.first().and_then(|value| value.value.as_ref()) {
                Some(Value::StringValue(text)) => text,
                _ => "",
            }
        }
        _ => text_of(std::slice::from_ref(entry), &entry.key),
    };
    if value.is_empty() {
        return None;
    }
    // The two columns have no name in common.
    if TAGS.iter().any(|(_, tag)| *tag == entry.key) {
        return Some((Found::Datadog, &entry.key, value));
    }
    if let Some(own) = entry.key.strip_prefix(OWN) {
        return Some((Found::Own, own, value));
    }
    TAGS.iter().find(|(key, _)| *key == entry.key).map(|(_, tag)| (Found::Conventions, *tag, value))
}
