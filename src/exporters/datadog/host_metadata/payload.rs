//! The intake's message for one host (`inframetadata/payload` of the Agent's OTLP mapping).

use serde::{Serialize, Serializer, ser};
use std::collections::BTreeMap;

/// Fields of a part, by Datadog's names.
pub(super) type Fields = BTreeMap<&'static str, String>;

/// Metadata of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    pub(super) meta: Meta,
    #[serde(rename = "internalHostname")]
    internal_hostname: String,
    /// Version of the reporter on the host; empty if reported by a resource.
    #[serde(rename = "otel_version")]
    version: String,
    /// The reporter.
    #[serde(rename = "agent-flavor")]
    flavor: String,
    #[serde(rename = "host-tags")]
    pub(super) tags: Tags,
    #[serde(serialize_with = "as_text")]
    pub(super) gohai: Gohai,
    /// Its processes, which are never reported.
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
    /// Its name in its cloud.
    #[serde(rename = "ccrid", skip_serializing_if = "String::is_empty")]
    pub(super) cloud_id: String,
}

/// Its tags, by origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tags {
    #[serde(rename = "otel", skip_serializing_if = "Vec::is_empty")]
    pub(super) own: Vec<String>,
    #[serde(rename = "google cloud platform", skip_serializing_if = "Vec::is_empty")]
    pub(super) google: Vec<String>,
}

/// The machine, by the parts of Datadog's inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Gohai {
    pub(super) cpu: Fields,
    /// File systems, which are never reported.
    pub(super) filesystem: [(); 0],
    pub(super) memory: Fields,
    pub(super) network: Fields,
    pub(super) platform: Fields,
}

/// Memory of a text in bytes, including the fixed part.
pub(super) fn bytes(text: &str) -> usize {
    size_of::<String>() + text.len()
}

/// The payload contains the inventory as JSON in a text.
fn as_text<S: Serializer>(gohai: &Gohai, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&serde_json::to_string(gohai).map_err(ser::Error::custom)?)
}

impl Metadata {
    /// Metadata of a host reported by a resource, as in the Collector's exporter.
    pub(super) fn of_resource() -> Metadata {
        Metadata { flavor: "otelcol-contrib".to_owned(), ..Metadata::default() }
    }

    /// Metadata of the host that this process runs on.
    pub(super) fn of_own() -> Metadata {
        let (flavor, version) = (env!("CARGO_PKG_NAME").to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Metadata { version, flavor, ..Metadata::default() }
    }

    /// The host's name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.meta.hostname
    }

    /// Approximate memory of its texts, in bytes.
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
