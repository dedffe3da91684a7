//! Parts common to all sections of the file: components by id, notes, and listener addresses.

use super::values::Values as _;
use super::yaml::{Gather, MapReader, Node, Value};
use crate::model::fault::{Fault, did_you_mean};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

/// Name of the embedded configuration in faults.
pub const EMBEDDED_NAME: &str = "(embedded default)";

/// Collected state of reading a file, besides its faults.
pub(crate) struct Reading<'a> {
    file: &'a str,
    pub(crate) gather: &'a Gather,
    notes: RefCell<Vec<Fault>>,
    listeners: RefCell<Vec<Listener>>,
    /// Files that components write, with the component.
    files: RefCell<Vec<(PathBuf, String)>>,
    /// Whether the components are unused: they do not listen, and are only checked for faults.
    is_aside: bool,
}

struct Listener {
    address: SocketAddr,
    path: String,
    line: usize,
}

/// An entry of a section: `otlp/name` is of the kind `otlp`.
#[derive(Clone)]
pub(crate) struct Component<'a> {
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) path: String,
    pub(crate) line: usize,
    node: &'a Node,
}

/// Authentication of a listener.
#[derive(Clone, Copy)]
pub(crate) enum Guard {
    /// The listener requires a secret.
    Secret,
    /// The user allows unauthenticated clients.
    Anyone,
    /// Neither: the listener must stay on loopback.
    None,
}

impl Guard {
    pub(crate) fn of(secret: bool, anyone: bool) -> Guard {
        match (secret, anyone) {
            (true, _) => Guard::Secret,
            (false, true) => Guard::Anyone,
            (false, false) => Guard::None,
        }
    }
}

impl<'a> Component<'a> {
    /// Returns the settings; `None` and a fault if they are not a map.
    pub(crate) fn settings(&self, reading: &Reading<'a>) -> Option<MapReader<'a>> {
        reading.gather.map(self.node, &self.path)
    }

    pub(crate) fn fault(&self, reading: &Reading<'_>, message: impl Into<String>) {
        reading.gather.fault(self.line, &self.path, message);
    }
}

impl<'a> Reading<'a> {
    pub(crate) fn new(file: &'a str, gather: &'a Gather) -> Reading<'a> {
        Reading {
            file,
            gather,
            notes: RefCell::default(),
            listeners: RefCell::default(),
            files: RefCell::default(),
            is_aside: false,
        }
    }

    /// Creates the state for unused components, which are only checked for faults.
    pub(crate) fn aside(file: &'a str, gather: &'a Gather) -> Reading<'a> {
        Reading { is_aside: true, ..Reading::new(file, gather) }
    }

    /// Returns whether this is the embedded file, in which nothing was set by the user.
    pub(crate) fn is_embedded(&self) -> bool {
        self.file == EMBEDDED_NAME
    }

    /// Returns the components of a section, in the order of the file.
    pub(crate) fn section(&self, top: &MapReader<'a>, section: &str) -> Vec<Component<'a>> {
        let Some(map) = top.map(section) else { return Vec::new() };
        let component = |entry: &'a super::yaml::Entry| {
            let (kind, name) = entry.key.split_once('/').unwrap_or((&entry.key, "-"));
            let path = map.path(&entry.key);
            if kind.is_empty() || name.trim().is_empty() {
                self.gather.fault(entry.line, &path, "expected an id of the form `type` or `type/name`");
                return None;
            }
            Some(Component { id: &entry.key, kind, path, line: entry.line, node: &entry.node })
        };
        map.entries().iter().filter_map(component).collect()
    }

    /// Reports a component of unknown kind, with its entry in `advice`, the nearest known kind, or the advice `others`.
    pub(crate) fn unknown(&self, component: &Component<'_>, known: &[&str], advice: &[(&str, &str)], others: &str) {
        // Newer Collectors spell some kinds differently: `k8s_attributes` was `k8sattributes`.
        let plain = |word: &str| word.replace('_', "");
        let kind = component.kind;
        if let Some((_, message)) = advice.iter().find(|(word, _)| plain(word) == plain(kind)) {
            return component.fault(self, *message);
        }
        let hint = match did_you_mean(kind, known.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("supported are {}; {others}", known.join(", ")),
        };
        component.fault(self, format!("there is no component of the type `{kind}` here; {hint}"));
    }

    /// Adds a note for something that is not a fault, but differs from the file.
    pub(crate) fn note(&self, line: usize, path: impl Into<String>, message: impl Into<String>) {
        self.notes.borrow_mut().push(Fault::new(self.file, line, path, message));
    }

    /// Adds a note at a key of a map, if it is present.
    pub(crate) fn note_key(&self, map: &MapReader<'_>, key: &str, message: &str) {
        if let Some(node) = map.get(key).filter(|node| node.value != Value::Null) {
            self.note(node.line, map.path(key), message);
        }
    }

    /// Adds notes for keys of a Collector that are accepted and ignored.
    pub(crate) fn without_effect(&self, map: &MapReader<'_>, keys: &[&str]) {
        for key in keys {
            self.note_key(map, key, "has no effect here; remove it");
        }
    }

    /// Reports keys of a Collector that would have an effect and are not supported.
    pub(crate) fn not_yet(&self, map: &MapReader<'_>, keys: &[(&str, &str)]) {
        for (key, instead) in keys {
            if let Some(node) = map.get(key).filter(|node| node.value != Value::Null) {
                self.gather.fault(node.line, map.path(key), format!("is not supported yet; {instead}"));
            }
        }
    }

    /// Reads the address under `endpoint` and checks that it is free; an address off loopback needs the guard.
    pub(crate) fn listen(&self, map: &MapReader<'_>, default: SocketAddr, guard: Guard) -> SocketAddr {
        let key = "endpoint";
        let address = match map.text(key).map(|text| resolve(&text)) {
            None => default,
            Some(Ok(address)) => address,
            Some(Err(message)) => {
                map.fault(key, message);
                return default;
            }
        };
        let line = map.get(key).map_or(map.line(), |node| node.line);
        if !address.ip().to_canonical().is_loopback() && matches!(guard, Guard::None) {
            map.fault(
                key,
                format!(
                    "{address} is reachable from other machines without authentication; {}, or \
                     `allow_unauthenticated: true` if anyone may connect",
                    "listen on 127.0.0.1, set a secret (`auth_token`, for Postgres `password`), require client certificates \
                     (`tls.client_ca_file`)"
                ),
            );
        }
        self.claim(address, map.path(key), line);
        address
    }

    /// Claims an address; a second claim is a fault.
    pub(crate) fn claim(&self, address: SocketAddr, path: String, line: usize) {
        if self.is_aside {
            return;
        }
        let mut listeners = self.listeners.borrow_mut();
        let same = |other: &&Listener| {
            let (a, b) = (other.address.ip(), address.ip());
            other.address.port() == address.port() && (a == b || a.is_unspecified() || b.is_unspecified())
        };
        if let Some(other) = listeners.iter().find(same).filter(|_| address.port() != 0) {
            let place = if other.line > 0 { format!(" on line {}", other.line) } else { String::new() };
            let message = format!("{address} is already used by {}{place}; expected another port", other.path);
            self.gather.fault(line, &path, message);
        }
        listeners.push(Listener { address, path, line });
    }

    /// Claims a file to write; a second claim is a fault.
    pub(crate) fn claim_file(&self, map: &MapReader<'_>, key: &str, file: PathBuf) {
        if self.is_aside {
            return;
        }
        let mut files = self.files.borrow_mut();
        match files.iter().find(|(known, _)| *known == file) {
            Some((_, path)) => map.fault(key, format!("is the file of {path}, too; expected another one")),
            None => files.push((file, map.path(key))),
        }
    }

    /// Returns the component that listens at the address of a sender.
    pub(crate) fn listens_at(&self, host: &str, port: u16) -> Option<String> {
        let ip = if host == "localhost" { Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { host.parse::<IpAddr>().ok() }?;
        let reached = |listener: &&Listener| {
            let own = listener.address.ip();
            listener.address.port() == port && (own == ip || (own.is_unspecified() && ip.is_loopback()))
        };
        self.listeners.borrow().iter().find(reached).map(|listener| listener.path.clone())
    }

    /// Takes all notes, by line.
    pub(crate) fn take_notes(&self) -> Vec<Fault> {
        let mut notes = std::mem::take(&mut *self.notes.borrow_mut());
        notes.sort_by_key(|note| note.line);
        notes
    }
}

/// Returns an address on loopback.
pub(crate) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Resolves `host:port`; `:port` means all interfaces.
pub(crate) fn resolve(text: &str) -> Result<SocketAddr, String> {
    let expected = |found: &str| format!("expected an address such as 127.0.0.1:4317, found {found:?}");
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| expected(text))?;
    let port: u16 = port.parse().map_err(|_| expected(text))?;
    match host {
        "" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
        "localhost" => Ok(loopback(port)),
        host if host.contains("//") => Err(format!("{}, which is a URL", expected(text))),
        host => {
            let found = (host, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let found = found.map_err(|error| format!("{}, whose host cannot be resolved: {error}", expected(text)))?;
            let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
            first.copied().ok_or_else(|| format!("{}, whose host has no address", expected(text)))
        }
    }
}
