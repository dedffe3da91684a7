//! What the intake takes of one host (`inframetadata/payload` of the Agent's OTLP mapping).

use serde::{Serialize, Serializer, ser};
use std::collections::BTreeMap;

/// Fields of a part, by Datadog's names.
pub(super) type Fields = BTreeMap<&'static str, String>;

/// What is known of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    pub(super) meta: Meta,
    #[serde(rename = "internalHostname")]
    internal_hostname: String,
    /// Version of what runs on the host and tells of it; empty where a resource does.
    #[serde(rename = "otel_version")]
    version: String,
    /// What tells of it.
    #[serde(rename = "agent-flavor")]
    flavor: String,
    #[serde(rename = "host-tags")]
    pub(super) tags: Tags,
    #[serde(serialize_with = "as_text")]
    pub(super) gohai: Gohai,
    /// Its processes, of which nobody tells.
    resources: (),
}

/// Its names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Meta {
    #[serde(rename = "instance-id", skip_serializing_if = "String::is_empty")]
    pub(super) instance_id: String,
    #[serde(rename = "ec2-hostname", skip_serializing_if = "String::is_empty")]
    pub(super) ec2_hostname: String,
    pub(super) hostname: String,
    #[serde(rename = "socket-hostname", skip_serializing_if = "String::is_empty")]
    pub(super) socket_hostname: String,
    #[serde(rename = "host_aliases", skip_serializing_if = "Vec::is_empty")]
    pub(super) aliases: Vec<String>,
    /// Its name in its cloud, whichever that is.
    #[serde(rename = "ccrid", skip_serializing_if = "String::is_empty")]
    pub(super) cloud_id: String,
}

/// Its tags, by who gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tags {
    #[serde(rename = "otel", skip_serializing_if = "Vec::is_empty")]
    pub(super) own: Vec<String>,
    #[serde(rename = "google cloud platform", skip_serializing_if = "Vec::is_empty")]
    pub(super) google: Vec<String>,
}

/// The machine, by the parts that Datadog's inventory has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Gohai {
    pub(super) cpu: Fields,
    /// File systems, of which nobody tells.
    pub(super) filesystem: [(); 0],
    pub(super) memory: Fields,
    pub(super) network: Fields,
    pub(super) platform: Fields,
}

/// What a text takes, however short it is.
pub(super) fn bytes(text: &str) -> usize {
    size_of::<String>() + text.len()
}

/// The inventory stands in the payload as a text, which is JSON itself.
fn as_text<S: Serializer>(gohai: &Gohai, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&serde_json::to_string(gohai).map_err(ser::Error::custom)?)
}

impl Metadata {
    /// Of a host that a resource tells of, as the Collector's exporter has it.
    pub(super) fn of_resource() -> Metadata {
        Metadata { flavor: "otelcol-contrib".to_owned(), ..Metadata::default() }
    }

    /// Of the host that this process runs on.
    pub(super) fn of_own() -> Metadata {
        let (flavor, version) = (env!("CARGO_PKG_NAME").to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Metadata { version, flavor, ..Metadata::default() }
    }

    /// The host's name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.meta.hostname
    }

    /// About how many bytes of memory its texts take.
    pub(super) fn bytes(&self) -> usize {
        let Metadata { meta, internal_hostname, version, flavor, tags, gohai, resources: () } = self;
        let names = [&meta.instance_id, &meta.ec2_hostname, &meta.hostname, &meta.socket_hostname, &meta.cloud_id];
        let lists = [&meta.aliases, &tags.own, &tags.google];
        let fields = [&gohai.cpu, &gohai.memory, &gohai.network, &gohai.platform];
        let texts = [internal_hostname, version, flavor].into_iter().chain(names);
        let texts = texts.chain(lists.into_iter().flatten()).chain(fields.into_iter().flat_map(BTreeMap::values));
        texts.map(|text| bytes(text)).sum()
    }

    pub(super) fn set_hostname(&mut self, hostname: &str) {
        hostname.clone_into(&mut self.meta.hostname);
        hostname.clone_into(&mut self.internal_hostname);
    }
}
