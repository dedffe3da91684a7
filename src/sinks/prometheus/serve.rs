//! The endpoint that Prometheus scrapes.

use super::accept;
use super::families::{Labels, name_scrape};
use super::names;
use super::text;
use crate::model::scrape::Scrape;
use crate::sinks::settings::Secret;
use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use std::collections::{BTreeMap, HashSet};
use std::io::BufWriter;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How much text is compressed at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Where a scrape comes from.
#[async_trait]
pub trait ScrapeSource: Send + Sync {
    /// Everything to show, now.
    ///
    /// # Errors
    /// When it cannot be read; the scrape is answered 503, and Prometheus marks the target down.
    async fn scrape(&self) -> anyhow::Result<Scrape>;
}

/// Settings of `exporters.prometheus`.
#[derive(Debug, Clone)]
pub struct PrometheusSettings {
    /// Put before every name, with an underscore.
    pub namespace: String,
    /// Labels of every series.
    pub const_labels: BTreeMap<String, String>,
    /// Print when a value was measured. Off, as in the Collector: a series with times is never marked stale.
    pub send_timestamps: bool,
    /// Give `OpenMetrics` to whoever asks for it. Off, as in the Collector: it writes bounds as `50.0`, where dashboards
    /// expect `50`.
    pub enable_open_metrics: bool,
    /// Where it is served.
    pub path: String,
    /// Scrapes answered at once; more are answered 503.
    pub scrapes_max: usize,
    /// How long one scrape may take.
    pub timeout: Duration,
    /// Token that a scraper must bear.
    pub auth_token: Option<Secret>,
}

impl Default for PrometheusSettings {
    fn default() -> Self {
        PrometheusSettings {
            namespace: String::new(),
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            enable_open_metrics: false,
            path: "/metrics".to_owned(),
            scrapes_max: 4,
            timeout: Duration::from_secs(10),
            auth_token: None,
        }
    }
}

/// Serves scrapes until it is cancelled; those under way are answered first.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    source: Arc<dyn ScrapeSource>,
    settings: PrometheusSettings,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let path = if settings.path.starts_with('/') { settings.path.clone() } else { format!("/{}", settings.path) };
    let endpoint = Arc::new(Endpoint {
        source,
        namespace: names::namespace(&settings.namespace),
        const_labels: names::labels(&settings.const_labels),
        scrapes: Semaphore::new(settings.scrapes_max.max(1)),
        told: Mutex::default(),
        settings,
    });
    let router = Router::new().route(&path, get(answer)).with_state(endpoint);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await?;
    Ok(())
}

struct Endpoint {
    source: Arc<dyn ScrapeSource>,
    settings: PrometheusSettings,
    namespace: String,
    const_labels: Labels,
    scrapes: Semaphore,
    /// Names of which a fault has been logged, so that each is logged once.
    told: Mutex<HashSet<String>>,
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    if !endpoint.is_allowed(&headers) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "a bearer token is needed\n")
            .into_response();
    }
    let Ok(_permit) = endpoint.scrapes.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at once\n").into_response();
    };
    let scrape = match tokio::time::timeout(endpoint.settings.timeout, endpoint.source.scrape()).await {
        Ok(Ok(scrape)) => scrape,
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "a scrape failed");
            return (StatusCode::SERVICE_UNAVAILABLE, "the metrics cannot be read now\n").into_response();
        }
        Err(_) => return (StatusCode::SERVICE_UNAVAILABLE, "the metrics could not be read in time\n").into_response(),
    };
    let text_of = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = if endpoint.settings.enable_open_metrics {
        accept::format(text_of(header::ACCEPT))
    } else {
        text::Format::Text004
    };
    let with_gzip = accept::takes_gzip(text_of(header::ACCEPT_ENCODING));
    let shared = Arc::clone(&endpoint);
    // Printing takes a while where there are many series, and would hold up a worker.
    let printed = tokio::task::spawn_blocking(move || shared.print(&scrape, format, with_gzip)).await;
    let Ok(Ok(body)) = printed else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be printed\n").into_response();
    };
    let mut response = body.into_response();
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    head.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if with_gzip {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

impl Endpoint {
    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.settings.auth_token else { return true };
        let sent = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let bearer = sent.and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        bearer.is_some_and(|(_, sent)| token.equals(sent.trim()))
    }

    /// Whether nothing has been said of a name yet.
    fn is_news(&self, name: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }

    fn print(&self, scrape: &Scrape, format: text::Format, with_gzip: bool) -> std::io::Result<Vec<u8>> {
        let named = name_scrape(scrape, &self.namespace, &self.const_labels);
        for (name, kind) in named.collisions.iter().filter(|(name, _)| self.is_news(name)) {
            tracing::warn!(
                name,
                ?kind,
                "two metrics of different types or units have one Prometheus name: the second is left out"
            );
        }
        for name in named.repeated.iter().filter(|name| self.is_news(name)) {
            tracing::warn!(name, "a summary gives a quantile twice: the first is kept");
        }
        let with_times = self.settings.send_timestamps;
        if !with_gzip {
            let mut body = Vec::new();
            text::print(&named, format, with_times, &mut body)?;
            return Ok(body);
        }
        // The text itself is never held: pieces of it go through the encoder.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        text::print(&named, format, with_times, BufWriter::with_capacity(PIECE_BYTES, &mut encoder))?;
        encoder.finish()
    }
}

#[cfg(test)]
mod tests;
