//! SIGHUP reads the configuration again; a broken file leaves the old one running.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::server::Server;
use crate::support::until;
use serde_json::json;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_leaves_the_old_one_running_and_a_good_one_is_taken() {
    let server =
        Server::start(Setup::default().performance("budgets: {api: {mine: {match: \"GET /a\", limit: 9ms}}}")).await;
    let limit = "SELECT limit_value FROM budgets WHERE name = 'mine'";
    server.until_number(limit, 9.0).await;
    let good = std::fs::read_to_string(server.config()).expect("the configuration");

    std::fs::write(server.config(), good.replace("connectors:", "conectors:")).expect("written");
    server.signal("HUP");
    until("the fault to be logged", WITHIN, || async {
        let log = server.log();
        if log.contains("conectors") && log.contains("connectors") { Ok(()) } else { Err(log) }
    })
    .await;
    assert_eq!(server.sql(limit).await, [json!({"limit_value": 9.0})], "the old file is in force");
    send(&server.http_url("/v1/traces"), &traces("shop", vec![route_span(1, "GET", "/a", 8.0)])).await;
    server.until_number("SELECT count(*) FROM spans", 1.0).await;

    std::fs::write(server.config(), good.replace("limit: 9ms", "limit: 7ms")).expect("written");
    server.signal("HUP");
    server.until_number(limit, 7.0).await;
    assert_eq!(server.number("SELECT count(*) FROM spans").await.to_string(), "1", "a reload loses nothing");
}
