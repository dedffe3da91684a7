//! The shop's customers: a fixed mix of requests at fixed rates, open loop.

use axum::http::Method;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Number of products that customers look at; few, so that the cache is useful.
const POPULAR: u64 = 40;

/// A kind of request and its rate.
struct Visit {
    method: Method,
    every: Duration,
    path: fn(u64) -> String,
    /// Requests per burst: customers do not arrive one by one.
    at_once: u64,
}

fn visits() -> [Visit; 5] {
    let visit =
        |method, every_ms, at_once, path| Visit { method, every: Duration::from_millis(every_ms), path, at_once };
    [
        visit(Method::GET, 500, 1, |n| format!("/search?q=sku-{}", n * 7 % 50_000 + 1)),
        visit(Method::GET, 50, 1, |n| format!("/products/{}", n * 13 % POPULAR + 1)),
        visit(Method::GET, 800, 4, |n| format!("/orders/{}", n % 1_000 + 1)),
        visit(Method::GET, 400, 1, |_| "/recommendations".to_owned()),
        visit(Method::POST, 200, 1, |_| "/checkout".to_owned()),
    ]
}

/// Sends customers until `cancel`, then waits for those still in the shop.
pub(super) async fn run(storefront: SocketAddr, cancel: CancellationToken) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build() else { return };
    let tasks = TaskTracker::new();
    for visit in visits() {
        let (client, cancel, customers) = (client.clone(), cancel.clone(), tasks.clone());
        tasks.spawn(async move {
            let mut tick = tokio::time::interval(visit.every);
            tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut number = 0;
            while cancel.run_until_cancelled(tick.tick()).await.is_some() {
                for _ in 0..visit.at_once {
                    number += 1;
                    let url = format!("http://{storefront}{}", (visit.path)(number));
                    let request = client.request(visit.method.clone(), url);
                    // Responses are visible in the traces; nothing else needs them.
                    customers.spawn(async move { drop(request.send().await) });
                }
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}
