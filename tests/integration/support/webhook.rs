//! A receiver of webhooks, for what has no real counterpart here.

use axum::extract::State;
use axum::{Json, Router};
use serde_json::Value;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub struct Webhook {
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    pub async fn start() -> (Webhook, String) {
        let webhook = Webhook::default();
        let handler = async |State(webhook): State<Webhook>, Json(body): Json<Value>| {
            webhook.seen.lock().unwrap().push(body);
            "ok"
        };
        let router = Router::new().fallback(handler).with_state(webhook.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (webhook, url)
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }
}
