//! `load_balancing`: OTLP to several targets, each with its share of the traces. Each target is a separate reader, so an
//! unavailable one only delays its share.

use super::{Protocol, config as otlp};
use crate::catalog::component::Reading;
use crate::catalog::yaml::{MapReader, Value};
use crate::delivery::config as common;
use crate::delivery::processors::{Change, Processor, RoutingKey, Share};
use crate::exporters::exporter_type::{Declared, ExporterSettings, ExporterType};
use crate::model::signal::Signal;
use std::sync::Arc;

/// The type `load_balancing`.
pub(crate) const TYPE: ExporterType =
    ExporterType { names: &["load_balancing", "loadbalancing"], signals: &Signal::ALL, read };

fn read(declared: Declared<'_, '_>) -> Vec<ExporterSettings> {
    let Declared { reading, component, map, feeds } = declared;
    let keys = [("traceID", RoutingKey::TraceId), ("service", RoutingKey::Service)];
    let by = map.word("routing_key", &keys).unwrap_or(RoutingKey::TraceId);
    let (protocol, spoken) = match protocol(&map) {
        Some((protocol, map)) => (protocol, Some(map)),
        None => (Protocol::Grpc, None),
    };
    let addresses = addresses(reading, &map, protocol);
    // The Collector accepts these here or under the protocol.
    let of_protocol = spoken.as_ref().filter(|map| map.has("sending_queue") || map.has("retry_on_failure"));
    let delivery = common::delivery(reading, component.id, of_protocol.unwrap_or(&map));
    let rate = common::rate(&map);
    let settings = spoken.map(|spoken| otlp::spoken(reading, spoken, protocol, String::new(), [None, None, None]));
    reading.not_yet(&map, &[("routing_attributes", "write `routing_key: service` or `traceID`")]);
    map.finish();
    let Some(settings) = settings else { return Vec::new() };
    let target = |(own, address): (usize, &String)| {
        let id = format!("{}@{address}", component.id);
        let share = Change::Share(Share::new(&addresses, own, by));
        let share = Arc::new(Processor { id: id.clone(), change: share });
        let mut feeds = feeds.clone();
        feeds.iter_mut().for_each(|feed| feed.processors.push(share.clone()));
        let mut settings = settings.clone();
        settings.endpoint.clone_from(address);
        let delivery = crate::delivery::DeliverySettings { id, ..delivery.clone() };
        ExporterSettings { delivery, rate, feeds, kind: Arc::new(settings) }
    };
    addresses.iter().enumerate().map(target).collect()
}

/// Returns the protocol with its settings.
fn protocol<'a>(map: &MapReader<'a>) -> Option<(Protocol, MapReader<'a>)> {
    if !map.need("protocol") {
        return None;
    }
    let protocols = map.map("protocol")?;
    let known = [("otlp", Protocol::Grpc), ("otlp_grpc", Protocol::Grpc), ("otlp_http", Protocol::Http)];
    let mut given = known.into_iter().filter_map(|(name, protocol)| Some((protocol, protocols.map(name)?)));
    let first = given.next();
    if first.is_none() && !protocols.has_unknown() {
        map.fault("protocol", "expected otlp or otlp_http with its settings, found neither");
    }
    if given.next().is_some() {
        map.fault("protocol", "expected one protocol, found more");
    }
    drop(given);
    protocols.finish();
    first
}

/// Reads `resolver.static.hostnames`.
fn addresses(reading: &Reading<'_>, map: &MapReader<'_>, protocol: Protocol) -> Vec<String> {
    let Some(resolver) = map.need("resolver").then(|| map.map("resolver")).flatten() else { return Vec::new() };
    let instead = "list the addresses under `static: {hostnames: […]}`";
    reading.not_yet(&resolver, &[("dns", instead), ("k8s", instead), ("aws_cloud_map", instead)]);
    let list = resolver.need("static").then(|| resolver.map("static")).flatten();
    resolver.finish();
    let Some(list) = list else { return Vec::new() };
    let nodes = list.list("hostnames").unwrap_or_default();
    if list.need("hostnames") && nodes.is_empty() {
        list.fault("hostnames", "expected at least one address, found none");
    }
    let mut addresses = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{}[{index}]", list.path("hostnames"));
        let Value::Text(text) = &node.value else {
            reading.gather.expected(node, path, "an address such as otel-1.example:4317");
            continue;
        };
        // As in the Collector, the default port is that of OTLP.
        let has_port = protocol == Protocol::Http || text.rsplit_once(':').is_some();
        let text = if has_port { text.clone() } else { format!("{text}:4317") };
        match common::address(reading, &text, protocol == Protocol::Http) {
            Ok(address) if addresses.contains(&address) => {
                reading.gather.fault(node.line, path, format!("{address:?} is already in this list"));
            }
            Ok(address) => addresses.push(address),
            Err(message) => reading.gather.fault(node.line, path, message),
        }
    }
    list.finish();
    addresses
}
