//! The host that this process runs on, as far as Linux shows it to every user, with the names of `gohai`, which the Collector's
//! exporter uses. File systems, processes and cloud metadata services are not included.

use super::payload::{Fields, Gohai, Metadata};
use crate::delivery::attributes::Attributes;
use crate::exporters::datadog::resource::{Place, place, text};
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::net::UdpSocket;

/// The machine's name in Linux.
const NAME: &str = "/proc/sys/kernel/hostname";
/// A documentation address without an owner. Looking up the route to it sends nothing.
const ELSEWHERE: &str = "192.0.2.1:9";

const CPU: [(&str, &str); 9] = [
    ("vendor_id", "vendor_id"),
    ("model name", "model_name"),
    ("cpu cores", "cpu_cores"),
    ("siblings", "cpu_logical_processors"),
    ("cpu MHz", "mhz"),
    ("cache size", "cache_size"),
    ("cpu family", "family"),
    ("model", "model"),
    ("stepping", "stepping"),
];

/// Returns the host's metadata and tags. Its name is `hostname`, unless `first`, the first received resource, sets another.
pub(super) fn metadata(hostname: &str, tags: &[String], first: Option<&Attributes<'_>>) -> Metadata {
    let mut metadata = Metadata::of_own();
    metadata.set_hostname(hostname);
    if let Some(first) = first {
        of_first(&mut metadata, first);
    }
    metadata.tags.own.extend_from_slice(tags);
    metadata.meta.socket_hostname = line(NAME);
    metadata.gohai = machine();
    metadata
}

/// Adds what the Collector's exporter reads from the first resource.
fn of_first(metadata: &mut Metadata, first: &Attributes<'_>) {
    if let Place::Host(host) = place(first)
        && !host.is_empty()
    {
        metadata.set_hostname(&host);
    }
    let of = |key: &str| text(first, key).unwrap_or_default().to_owned();
    match of("cloud.provider").as_str() {
        "aws" => {
            (metadata.meta.instance_id, metadata.meta.ec2_hostname) = (of("host.id"), of("host.name"));
            let tags =
                first.iter().filter_map(|(key, _)| Some(format!("{}:{}", key.strip_prefix("ec2.tag.")?, of(key))));
            metadata.tags.own.extend(tags);
        }
        "gcp" => {
            let named = [
                ("instance-id", "host.id"),
                ("zone", "cloud.availability_zone"),
                ("instance-type", "host.type"),
                ("project", "cloud.account.id"),
            ];
            let told = named.into_iter().filter(|(_, key)| text(first, key).is_some());
            metadata.tags.google = told.map(|(tag, key)| format!("{tag}:{}", of(key))).collect();
        }
        _ => {}
    }
}

fn machine() -> Gohai {
    let of = |path: &str| read_to_string(path).unwrap_or_default();
    Gohai {
        cpu: cpu(&of("/proc/cpuinfo")),
        memory: memory(&of("/proc/meminfo")),
        network: network(),
        platform: platform(),
        ..Gohai::default()
    }
}

fn line(path: &str) -> String {
    read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// From the last processor, like `gohai`; cores and threads of all sockets.
fn cpu(info: &str) -> Fields {
    let pairs = || info.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim()));
    let mut fields = Fields::new();
    for (key, value) in pairs() {
        if let Some((_, field)) = CPU.iter().find(|(known, _)| *known == key) {
            fields.insert(field, value.to_owned());
        }
    }
    let sockets: BTreeSet<&str> = pairs().filter(|(key, _)| *key == "physical id").map(|(_, value)| value).collect();
    for field in ["cpu_cores", "cpu_logical_processors"] {
        if let Some(number) = fields.get_mut(field)
            && let Ok(of_socket) = number.parse::<usize>()
        {
            *number = (of_socket * sockets.len()).to_string();
        }
    }
    fields
}

/// Including the unit: `16384kB`.
fn memory(info: &str) -> Fields {
    let named = |line: &str| {
        let (key, value) = line.split_once(':')?;
        let field = match key {
            "MemTotal" => "total",
            "SwapTotal" => "swap_total",
            _ => return None,
        };
        Some((field, value.split_whitespace().collect()))
    };
    info.lines().filter_map(named).collect()
}

fn platform() -> Fields {
    let architecture = std::env::consts::ARCH;
    let go = match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Fields::from([
        ("hostname", line(NAME)),
        ("kernel_name", line("/proc/sys/kernel/ostype")),
        ("kernel_release", line("/proc/sys/kernel/osrelease")),
        ("machine", architecture.to_owned()),
        ("processor", architecture.to_owned()),
        ("hardware_platform", architecture.to_owned()),
        ("os", "GNU/Linux".to_owned()),
        ("GOOS", std::env::consts::OS.to_owned()),
        ("GOOARCH", go.to_owned()),
    ])
}

/// Returns the addresses through which the machine reaches others.
fn network() -> Fields {
    let mut fields = Fields::new();
    let Some(interface) = outward(&read_to_string("/proc/net/route").unwrap_or_default()) else { return fields };
    let mac = line(&format!("/sys/class/net/{interface}/address"));
    let v6 = v6(&read_to_string("/proc/net/if_inet6").unwrap_or_default(), &interface);
    for (field, address) in [("ipaddress", v4()), ("ipaddressv6", v6), ("macaddress", Some(mac))] {
        fields.extend(address.filter(|address| !address.is_empty()).map(|address| (field, address)));
    }
    fields
}

fn v4() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect(ELSEWHERE).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

/// Returns the interface of the default route.
fn outward(routes: &str) -> Option<String> {
    let mut routes = routes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    routes.find(|route| route.get(1) == Some(&"00000000")).map(|route| route[0].to_owned())
}

/// Returns the address of an interface with the widest scope, which the kernel lists first; `/proc` is unordered.
pub(super) fn v6(addresses: &str, interface: &str) -> Option<String> {
    let fields = addresses.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_interface = fields.filter(|fields| fields.len() == 6 && fields[5] == interface);
    // Scopes: 00 is global, 40 site, 20 link, 10 host.
    let widest = of_interface.min_by_key(|fields| match fields[3] {
        "00" => 0,
        "40" => 1,
        _ => 2,
    })?;
    u128::from_str_radix(widest[0], 16).ok().map(|bits| std::net::Ipv6Addr::from(bits).to_string())
}
