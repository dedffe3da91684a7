//! HTTP client of the tests: no proxy, and a timeout on everything.

use serde_json::Value;
use std::sync::Once;
use std::time::Duration;

/// Returns a client for loopback.
pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _another_test_was_first = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().expect("a client")
}

/// Returns the status and the body of the response.
pub(crate) async fn get(url: &str) -> Result<(u16, String), String> {
    let answer = client().get(url).send().await.map_err(|error| format!("{url}: {error}"))?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(|error| format!("{url}: {error}"))?;
    Ok((status, body))
}

/// Returns the JSON of a successful response.
pub(crate) async fn get_json(url: &str) -> Result<Value, String> {
    let (status, body) = get(url).await?;
    if status != 200 {
        return Err(format!("{url}: {status}: {body}"));
    }
    serde_json::from_str(&body).map_err(|error| format!("{url}: {error}: {body}"))
}
