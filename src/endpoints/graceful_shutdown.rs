//! How listeners end: what is under way may end by itself, and nothing holds the server up for long.

use crate::net::Listener;
use axum::Router;
use std::future::IntoFuture as _;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a query that is under way may go on after the server has been told to end.
pub(super) const QUERY_GRACE: Duration = Duration::from_secs(3);
/// How long a connection may, so that an answer can still be sent.
const CONNECTION_GRACE: Duration = Duration::from_millis(4500);

/// Serves a router until `cancel`; requests under way are answered, for as long as the graces last.
pub(super) async fn serve(listener: Listener, router: Router, cancel: CancellationToken) -> anyhow::Result<()> {
    let serving = axum::serve(listener, router).with_graceful_shutdown(cancel.clone().cancelled_owned());
    tokio::select! {
        served = serving.into_future() => Ok(served?),
        () = after(cancel, CONNECTION_GRACE) => Ok(()),
    }
}

/// Returns some time after the cancellation.
pub(super) async fn after(cancel: CancellationToken, grace: Duration) {
    cancel.cancelled().await;
    tokio::time::sleep(grace).await;
}
