//! `slack` and `webhook`: notifications of findings.

use crate::alerts::{ChannelKind, ChannelSettings};
use crate::catalog::component::{Component, Reading};
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::config as common;
use crate::model::finding::Severity;
use http::Uri;
use std::time::Duration;

pub(super) fn read(reading: &Reading<'_>, component: &Component<'_>, map: MapReader<'_>) -> Option<ChannelSettings> {
    let kind = if component.kind == "slack" { ChannelKind::Slack } else { ChannelKind::Webhook };
    let url = if map.need("url") { map.secret("url") } else { None };
    // The URL allows anyone to post to the channel, so it is never shown, not even in a fault.
    let url = url.filter(|url| {
        let fits = url.reveal().parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !fits {
            map.fault(
                "url",
                "expected a URL that begins with https:// or http://, found something else (it is not shown)",
            );
        }
        fits
    });
    let severities = [("warning", Severity::Warning), ("critical", Severity::Critical)];
    let headers = map.headers("headers");
    let severity_min = map.word("severity_min", &severities).unwrap_or(Severity::Warning);
    let send_resolved = map.bool("send_resolved").unwrap_or(true);
    let timeout = map.duration_above_zero("timeout").unwrap_or(Duration::from_secs(10));
    let retry = common::retry(&map);
    if kind == ChannelKind::Slack {
        reading.not_yet(&map, &[("channel", "an incoming webhook only writes to its own channel; remove it")]);
    }
    map.finish();
    let id = component.id.to_owned();
    Some(ChannelSettings { id, kind, url: url?, headers, severity_min, send_resolved, timeout, retry })
}
