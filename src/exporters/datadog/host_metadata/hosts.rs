//! Host metadata from resources, by the rules of Datadog's own host map (`inframetadata` of the Agent's OTLP mapping): a
//! resource with `datadog.host.use_as_metadata: true` and a host name is reported when it contains something new. Two
//! differences: a second IPv4 address is not taken for IPv6, and values that are too long are left out.

use super::payload::{Fields, Metadata, bytes};
use super::values::{Found, bounded, first, text, texts, unexpected};
use crate::delivery::attributes::Attributes;
use crate::exporters::datadog::numbers::shortest;
use crate::exporters::datadog::resource::{Place, place};
use crate::model::protobuf::fields;
use crate::model::signal::Signal;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use std::collections::BTreeMap;

/// Maximum number and total bytes of known hosts; others are reported in the next period.
pub(super) const HOSTS_MAX: usize = 10_000;
pub(super) const BYTES_MAX: usize = 32 << 20;

/// Maximum size of a host, since longer values are left out: besides two lists it has 23 texts of at most 1 KiB, three names of
/// its own and a few fixed words.
pub(super) const HOST_BYTES_MAX: usize = 64 << 10;
const TAGS_BYTES_MAX: usize = 32 << 10;
const ALIASES_BYTES_MAX: usize = 6 << 10;
/// Maximum length of a DNS name; Datadog accepts no longer ones.
const NAME_BYTES_MAX: usize = 255;

/// Attribute of resources that describe their host.
const USE: &str = "datadog.host.use_as_metadata";
/// Prefix of the user's own host tags.
const TAG: &str = "datadog.host.tag.";
const ALIASES: &str = "datadog.host.aliases";

/// Other attributes that are tags of the host.
const TAGS: [(&str, &str); 6] = [
    ("deployment.environment", "env"),
    ("deployment.environment.name", "env"),
    ("k8s.cluster.name", "cluster_name"),
    ("cloud.provider", "cloud_provider"),
    ("cloud.region", "region"),
    ("cloud.availability_zone", "zone"),
];

const PLATFORM: [(&str, &str); 9] = [
    ("os", "os.description"),
    ("GOOS", "os.type"),
    ("GOOARCH", "host.arch"),
    ("processor", "host.arch"),
    ("machine", "host.arch"),
    ("hardware_platform", "host.arch"),
    ("kernel_name", "os.kernel.name"),
    ("kernel_release", "os.kernel.release"),
    ("kernel_version", "os.kernel.version"),
];

const CPU: [(&str, &str); 6] = [
    ("vendor_id", "host.cpu.vendor.id"),
    ("model_name", "host.cpu.model.name"),
    ("cache_size", "host.cpu.cache.l2.size"),
    ("family", "host.cpu.family"),
    ("model", "host.cpu.model.id"),
    ("stepping", "host.cpu.stepping"),
];

/// Metrics with a last value that is a field of the CPU, and their factor.
const MEASURED: [(&str, &str, f64); 3] = [
    ("system.cpu.physical.count", "cpu_cores", 1.0),
    ("system.cpu.logical.count", "cpu_logical_processors", 1.0),
    ("system.cpu.frequency", "mhz", 1e-6),
];

/// Updates one aspect of a host from a resource; returns true if it changed.
type Fill = fn(&mut Metadata, &Attributes<'_>) -> Result<bool, String>;

const FILLS: [Fill; 7] = [tags, aliases, cloud_id, instance_id, ec2_hostname, mac, addresses];

/// All known hosts.
#[derive(Debug, Default)]
pub struct Hosts {
    by_name: BTreeMap<String, Metadata>,
    bytes: usize,
}

/// Host data of a request.
#[derive(Debug, Default)]
pub struct Seen {
    /// Changed hosts, in the order of their resources, each with its state at that point.
    pub changed: Vec<Metadata>,
    /// Unreadable values.
    pub faults: Vec<String>,
}

impl Hosts {
    /// Reads the resources of an OTLP request.
    pub fn see(&mut self, signal: Signal, request: &[u8]) -> Seen {
        let mut changed = Vec::new();
        let faults = self.see_each(signal, request, |host| changed.push(host.clone()));
        Seen { changed, faults }
    }

    /// The same, with a callback for each changed host. Returns the unreadable values.
    pub(super) fn see_each(
        &mut self,
        signal: Signal,
        request: &[u8],
        mut changed: impl FnMut(&Metadata),
    ) -> Vec<String> {
        let mut faults = Vec::new();
        // Most resources do not have it, and decoding them would be wasted.
        for of_resource in inner(request, 1).filter(|of_resource| names_use(of_resource)) {
            let Some(resource) = resource_of(of_resource) else { continue };
            let attributes = Attributes::of(&resource.attributes);
            match is_told_of(&attributes) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            }
            let host = match place(&attributes) {
                Place::Host(host) if host.len() > NAME_BYTES_MAX => {
                    faults.push(format!("a host name of more than {NAME_BYTES_MAX} bytes"));
                    continue;
                }
                Place::Host(host) if !host.is_empty() => host,
                Place::Serverless => continue,
                Place::Host(_) | Place::Unknown => {
                    faults.push(format!("{USE} is true, and no attribute names a host, such as host.name"));
                    continue;
                }
            };
            let metrics = if signal == Signal::Metrics { measured(of_resource) } else { Vec::new() };
            if let Some(host) = self.update(&host, &attributes, &metrics, &mut faults) {
                changed(host);
            }
        }
        faults
    }

    /// Updates a host; returns it if it changed.
    fn update(
        &mut self,
        host: &str,
        attributes: &Attributes<'_>,
        metrics: &[Metric],
        faults: &mut Vec<String>,
    ) -> Option<&Metadata> {
        let bytes_before = self.by_name.get(host).map(Metadata::bytes);
        if bytes_before.is_none() && self.by_name.len() >= HOSTS_MAX {
            faults.push(format!("more than {HOSTS_MAX} hosts in one `host_metadata.reporter_period`"));
            return None;
        }
        let known = self.by_name.entry(host.to_owned()).or_insert_with(Metadata::of_resource);
        let changed = fill(known, host, attributes, metrics, faults) || bytes_before.is_none();
        let bytes = known.bytes();
        self.bytes = self.bytes + bytes - bytes_before.unwrap_or_default();
        if self.bytes > BYTES_MAX {
            self.by_name.remove(host);
            self.bytes -= bytes;
            faults.push(format!("more than {BYTES_MAX} bytes of hosts in one `host_metadata.reporter_period`"));
            return None;
        }
        if changed { self.by_name.get(host) } else { None }
    }

    /// Returns a known host.
    pub(super) fn get(&self, host: &str) -> Option<&Metadata> {
        self.by_name.get(host)
    }

    /// Sets the known state of a host.
    pub(super) fn set(&mut self, metadata: Metadata) {
        self.bytes += metadata.bytes();
        let before = self.by_name.insert(metadata.hostname().to_owned(), metadata);
        self.bytes -= before.as_ref().map_or(0, Metadata::bytes);
    }

    /// Removes and returns all known hosts.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Metadata> + use<> {
        std::mem::take(self).by_name.into_values()
    }
}

/// Updates a host from all data of a resource; returns true if it changed.
fn fill(
    known: &mut Metadata,
    host: &str,
    attributes: &Attributes<'_>,
    metrics: &[Metric],
    faults: &mut Vec<String>,
) -> bool {
    let mut changed = false;
    known.set_hostname(host);
    known.gohai.platform.insert("hostname", host.to_owned());
    for fill in FILLS {
        match fill(known, attributes) {
            Ok(is_new) => changed |= is_new,
            Err(fault) => faults.push(fault),
        }
    }
    for (fields, named) in [(&mut known.gohai.platform, &PLATFORM[..]), (&mut known.gohai.cpu, &CPU[..])] {
        for (field, key) in named {
            match text(attributes, key) {
                Ok(value) => changed |= value.is_some_and(|value| put(fields, field, value)),
                Err(fault) => faults.push(fault),
            }
        }
    }
    for metric in metrics {
        changed |= measure(&mut known.gohai.cpu, metric);
    }
    changed
}

/// Returns the first resource of a request.
pub(super) fn first_resource(request: &[u8]) -> Option<Resource> {
    inner(request, 1).next().and_then(resource_of)
}

/// Iterates over the messages in a field of a message.
fn inner(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |field| field.inner_of(&[number]))
}

/// Returns the resource of spans, metrics or logs, if it is readable.
fn resource_of(of_resource: &[u8]) -> Option<Resource> {
    inner(of_resource, 1).next().and_then(|resource| Resource::decode(resource).ok())
}

/// Returns true if an attribute has this key.
fn names_use(of_resource: &[u8]) -> bool {
    let mut attributes = inner(of_resource, 1).flat_map(|resource| inner(resource, 1));
    attributes.any(|attribute| inner(attribute, 1).any(|key| key == USE.as_bytes()))
}

/// Returns the metrics of a resource that describe its CPU.
fn measured(of_resource: &[u8]) -> Vec<Metric> {
    let metrics = inner(of_resource, 2).flat_map(|scope| inner(scope, 2));
    let is_known = |name: &[u8]| MEASURED.iter().any(|(known, ..)| known.as_bytes() == name);
    let named = metrics.filter(|metric| inner(metric, 1).next().is_some_and(is_known));
    named.filter_map(|metric| Metric::decode(metric).ok()).collect()
}

fn is_told_of(attributes: &Attributes<'_>) -> Result<bool, String> {
    match first(attributes, USE) {
        None => Ok(false),
        Some(Found(Some(Value::BoolValue(truth)))) => Ok(*truth),
        Some(Found(other)) => Err(unexpected(USE, "true or false", other)),
    }
}

/// Sets a field; returns true if it changed. Empty and missing are equal.
fn put(fields: &mut Fields, field: &'static str, value: String) -> bool {
    let before = fields.insert(field, value.clone());
    before.unwrap_or_default() != value
}

fn replace<T: PartialEq>(known: &mut T, now: T) -> bool {
    let is_new = *known != now;
    *known = now;
    is_new
}

fn set(known: &mut String, now: Option<String>) -> bool {
    now.is_some_and(|now| replace(known, now))
}

/// Tags are kept if a resource has none, or one of them is unreadable.
fn tags(known: &mut Metadata, attributes: &Attributes<'_>) -> Result<bool, String> {
    let mut tags = Vec::new();
    for (key, value) in attributes.iter() {
        let own = key.strip_prefix(TAG);
        let tag = own.or_else(|| TAGS.iter().find(|(known, _)| *known == key).map(|(_, tag)| *tag));
        match (tag, value) {
            (None, _) => {}
            (Some(_), Some(Value::StringValue(text))) if own.is_some() && text.is_empty() => {
                return Err(format!("{key}: expected text, found none"));
            }
            (Some(tag), Some(Value::StringValue(text))) => tags.push(format!("{tag}:{text}")),
            (Some(_), other) => return Err(unexpected(key, "text", other)),
        }
    }
    bounded("tags of a host", tags.iter().map(|tag| bytes(tag)).sum(), TAGS_BYTES_MAX)?;
    tags.sort();
    Ok(!tags.is_empty() && replace(&mut known.tags.own, tags))
}

/// Aliases are kept if a resource does not have the attribute.
fn aliases(known: &mut Metadata, attributes: &Attributes<'_>) -> Result<bool, String> {
    let Some(Found(Some(Value::ArrayValue(list)))) = first(attributes, ALIASES) else { return Ok(false) };
    let texts = list.values.iter().filter_map(|entry| match &entry.value {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    bounded(ALIASES, texts.iter().map(|text| bytes(text)).sum(), ALIASES_BYTES_MAX)?;
    Ok(replace(&mut known.meta.aliases, texts))
}

/// Sets its name in its cloud.
fn cloud_id(known: &mut Metadata, attributes: &Attributes<'_>) -> Result<bool, String> {
    Ok(set(&mut known.meta.cloud_id, text(attributes, "datadog.ccrid")?))
}

fn instance_id(known: &mut Metadata, attributes: &Attributes<'_>) -> Result<bool, String> {
    Ok(set(&mut known.meta.instance_id, of_aws(attributes, "host.id")?))
}

fn ec2_hostname(known: &mut Metadata, attributes: &Attributes<'_>) -> Result<bool, String> {
    Ok(set(&mut known.meta.ec2_hostname, of_aws(attributes, "host.name")?))
}

fn of_aws(attributes: &Attributes<'_>, key: &str) -> Result<Option<String>, String> {
    if text(attributes, "cloud.provider")?.as_deref() == Some("aws") { text(attributes, key) } else { Ok(None) }
}

fn mac(known: &mut Metadata, attributes: &Attributes<'_>) -> Result<bool, String> {
    let Some(all) = texts(attributes, "host.mac")? else { return Ok(false) };
    Ok(put(&mut known.gohai.network, "macaddress", all[0].replace('-', ":").to_lowercase()))
}

/// Sets its first address of each kind.
fn addresses(known: &mut Metadata, attributes: &Attributes<'_>) -> Result<bool, String> {
    let Some(all) = texts(attributes, "host.ip")? else { return Ok(false) };
    let is_v6 = |address: &str| address.matches(':').count() >= 2;
    let mut changed = false;
    for (field, wanted) in [("ipaddress", false), ("ipaddressv6", true)] {
        let address = all.iter().find(|address| is_v6(address) == wanted);
        changed |= address.is_some_and(|address| put(&mut known.gohai.network, field, (*address).to_owned()));
    }
    Ok(changed)
}

fn measure(cpu: &mut Fields, metric: &Metric) -> bool {
    let points = match &metric.data {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(Data::Sum(sum)) => &sum.data_points,
        _ => return false,
    };
    let Some((_, field, factor)) = MEASURED.iter().find(|(name, ..)| *name == metric.name) else { return false };
    let value = match points.last().and_then(|point| point.value) {
        Some(Number::AsDouble(value)) => value,
        #[expect(clippy::cast_precision_loss, reason = "as Datadog's mapping counts")]
        Some(Number::AsInt(value)) => value as f64,
        None => return false,
    };
    put(cpu, field, shortest(value * factor))
}
