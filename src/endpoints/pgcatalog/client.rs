//! The client of a statement.

use crate::engine::postgres::Zone;
use crate::model::unix_time;
use std::net::SocketAddr;
use std::time::SystemTime;

/// Client and session of a statement.
#[derive(Debug, Clone, Default)]
pub(in crate::endpoints) struct Client {
    pub(in crate::endpoints) user: String,
    pub(in crate::endpoints) database: String,
    pub(in crate::endpoints) settings: Vec<Setting>,
    pub(in crate::endpoints) pid: i64,
    pub(in crate::endpoints) address: Option<SocketAddr>,
    /// Start time of the server, and the current time, in microseconds since the epoch.
    pub(in crate::endpoints) since_us: i64,
    pub(in crate::endpoints) now_us: i64,
    /// Text of the statement.
    pub(in crate::endpoints) query: String,
}

/// A setting of the session.
#[derive(Debug, Clone)]
pub(in crate::endpoints) struct Setting {
    pub(in crate::endpoints) name: &'static str,
    pub(in crate::endpoints) value: String,
    pub(in crate::endpoints) default: &'static str,
}

impl Client {
    /// Returns a copy with the current time.
    pub(super) fn now(&self) -> Client {
        Client { now_us: unix_time::micros(SystemTime::now()), ..self.clone() }
    }

    /// Returns the session's time zone.
    pub(super) fn zone(&self) -> Zone {
        self.setting("timezone").and_then(Zone::set).unwrap_or_else(Zone::utc)
    }

    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.name.eq_ignore_ascii_case(name));
        setting.map(|setting| setting.value.as_str())
    }
}
