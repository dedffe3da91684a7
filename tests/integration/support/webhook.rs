//! A webhook receiver that records the alerts it receives.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// The received requests, in order.
type Kept = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A receiver that listens on its own port until dropped.
pub(crate) struct WebhookReceiver {
    url: String,
    kept: Kept,
    task: tokio::task::JoinHandle<()>,
}

impl WebhookReceiver {
    pub(crate) async fn start() -> WebhookReceiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let kept = Kept::default();
        let router = Router::new().route("/hook", post(keep)).with_state(kept.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the receiver serves");
        });
        WebhookReceiver { url, kept, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the received bodies and their headers.
    pub(crate) fn told(&self) -> Vec<(HeaderMap, Value)> {
        self.kept.lock().expect("not poisoned").clone()
    }
}

async fn keep(State(kept): State<Kept>, headers: HeaderMap, Json(body): Json<Value>) -> StatusCode {
    kept.lock().expect("not poisoned").push((headers, body));
    StatusCode::OK
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
