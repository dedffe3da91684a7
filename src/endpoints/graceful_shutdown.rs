//! Graceful shutdown of listeners: requests in progress can finish, within a limited time.

use crate::net::Listener;
use axum::Router;
use std::future::IntoFuture as _;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long queries in progress can continue after the shutdown begins.
pub(super) const QUERY_GRACE: Duration = Duration::from_secs(3);
/// How long connections can continue, so that responses can still be sent.
const CONNECTION_GRACE: Duration = Duration::from_millis(4500);

/// Serves a router until `cancel`; requests in progress can finish within the grace periods.
pub(super) async fn serve(listener: Listener, router: Router, cancel: CancellationToken) -> anyhow::Result<()> {
    let serving = axum::serve(listener, router).with_graceful_shutdown(cancel.clone().cancelled_owned());
    tokio::select! {
        served = serving.into_future() => Ok(served?),
        () = after(cancel, CONNECTION_GRACE) => Ok(()),
    }
}

/// Waits for the cancellation, then for the grace period.
pub(super) async fn after(cancel: CancellationToken, grace: Duration) {
    cancel.cancelled().await;
    tokio::time::sleep(grace).await;
}
