//! The service `storefront`: the public entry point of the shop.

use super::settings::{Fault, Settings};
use super::telemetry::Telemetry;
use super::web::{Answer, Call, Client, Failure, Service, traced};
use axum::Router;
use axum::http::{Method, StatusCode};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Response time of the recommendation partner.
const PARTNER: Duration = Duration::from_millis(10);
const SLOW_PARTNER: Duration = Duration::from_millis(450);
/// The checkout works for this long before it begins to fail; then one in so many requests fails.
const GOOD_FOR: Duration = Duration::from_secs(5);
const ONE_FAILS_IN: u32 = 3;

/// Addresses of the backend services.
#[derive(Clone, Copy)]
pub(super) struct Backends {
    pub(super) catalog: SocketAddr,
    pub(super) orders: SocketAddr,
}

pub(super) async fn open(
    settings: &Settings,
    backends: Backends,
    cancel: CancellationToken,
) -> anyhow::Result<Service> {
    let telemetry = Telemetry::start("storefront", &settings.otlp_endpoint)?;
    let client = Client::new(&telemetry)?;
    let partner = if settings.has(Fault::SlowRoute) { SLOW_PARTNER } else { PARTNER };
    let fails_from = settings.has(Fault::Errors).then(|| Instant::now() + GOOD_FOR);
    let pass = |route: &'static str, backend: SocketAddr, to: fn(&Call) -> Result<String, Failure>| {
        let client = client.clone();
        traced(&telemetry, Method::GET, route, move |call| {
            let client = client.clone();
            async move {
                let path = to(&call)?;
                client.send(&call, Method::GET, backend, &path).await
            }
        })
    };
    let router = Router::new()
        .route("/search", pass("/search", backends.catalog, |call| Ok(format!("/products/search?q={}", call.search()))))
        .route(
            "/products/{id}",
            pass("/products/{id}", backends.catalog, |call| Ok(format!("/products/{}", call.id()?))),
        )
        .route("/orders/{id}", pass("/orders/{id}", backends.orders, |call| Ok(format!("/orders/{}", call.id()?))))
        .route(
            "/recommendations",
            traced(&telemetry, Method::GET, "/recommendations", move |_call| async move {
                tokio::time::sleep(partner).await;
                Ok(serde_json::json!({"products": [1, 2, 3]}))
            }),
        )
        .route("/checkout", {
            let client = client.clone();
            traced(&telemetry, Method::POST, "/checkout", move |call| {
                checkout(client.clone(), backends.orders, fails_from, call)
            })
        });
    Service::serve(router, telemetry, cancel).await
}

async fn checkout(client: Client, orders: SocketAddr, fails_from: Option<Instant>, call: Call) -> Answer {
    if fails_from.is_some_and(|from| Instant::now() >= from) && rand::random_ratio(1, ONE_FAILS_IN) {
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the payment provider refused the connection"));
    }
    client.send(&call, Method::POST, orders, "/orders").await
}
