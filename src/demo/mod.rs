//! Layer 4: a small shop, instrumented like any application, with injectable faults.
//!
//! Three services talk HTTP over loopback: `storefront` serves the customers, with `catalog` and `orders` behind it. Each has
//! its own resource, database pool and tracer. They know nothing of Spanwise except the OTLP address that any application is
//! configured with.
//!
//! **Invariant**: the demo uses no code of any other layer; everything it shows was received over the socket.

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

/// Opens the shop, calls `on_open` with the storefront's address, and generates load until `cancel`; then finishes requests in
/// flight and flushes all telemetry.
///
/// # Errors
/// When a port or the folder is not available.
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
