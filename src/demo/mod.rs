//! Layer 4: a small shop, instrumented as any application would be, with faults to plant.
//!
//! Three services talk HTTP over loopback: `storefront` answers the customers, `catalog` and `orders` stand behind it,
//! each with a resource, a database pool and a tracer of its own. They know nothing of Spanwise but the OTLP address
//! that any application is given.
//!
//! **Invariant**: no other layer's code is used here; what the demo shows came in over the socket.

mod cache;
mod catalog;
mod database;
mod load;
mod orders;
mod settings;
mod storefront;
mod telemetry;
mod web;

pub use settings::{Fault, Settings};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

/// Opens the shop, calls `on_open` with the storefront's address, and keeps customers coming until `cancel`; what is
/// under way is then finished and all telemetry sent.
///
/// # Errors
/// When a port or the folder cannot be had.
pub async fn run(
    settings: Settings,
    on_open: impl FnOnce(std::net::SocketAddr),
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let catalog = catalog::open(&settings, cancel.clone()).await.context("the demo's catalog service")?;
    let orders = orders::open(&settings, cancel.clone()).await.context("the demo's orders service")?;
    let backends = storefront::Backends { catalog: catalog.address, orders: orders.address };
    let storefront =
        storefront::open(&settings, backends, cancel.clone()).await.context("the demo's storefront service")?;
    on_open(storefront.address);
    load::run(storefront.address, cancel).await;
    for service in [storefront, orders, catalog] {
        service.close().await;
    }
    Ok(())
}
