//! The endpoint that Prometheus scrapes.

use super::accept::{self, Format, Wish};
use super::body::Body;
use super::exposition::{self, Style};
use super::families::Remark;
use super::layout::Layout;
use super::names::Translation;
use super::naming::{Labels, Naming};
use super::selection::Selection;
use crate::delivery::settings::Secret;
use crate::model::scrape::Scrape;
use crate::model::unix_time;
use crate::net::Listener;
use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Maximum cached layouts: one for each negotiated format in use.
const LAYOUTS_MAX: usize = 3;
/// Maximum remarks that are remembered; once reached, no more are logged.
const TOLD_MAX: usize = 10_000;

/// Source of the scraped samples.
#[async_trait]
pub trait ScrapeSource: Send + Sync {
    /// Returns all current samples.
    ///
    /// # Errors
    /// When it cannot be read; the scrape is answered 503, and Prometheus marks the target down.
    async fn scrape(&self) -> anyhow::Result<Scrape>;
}

/// Settings of `exporters.prometheus`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct PrometheusSettings {
    /// Prefix of every name, followed by an underscore.
    pub namespace: String,
    /// Labels of every series.
    pub const_labels: BTreeMap<String, String>,
    /// Whether samples have timestamps. Off, as in the Collector: a series with timestamps is never marked stale.
    pub send_timestamps: bool,
    /// Whether `OpenMetrics` is served to clients that accept it. Off, as in the Collector: it prints bounds as `50.0`, where
    /// dashboards expect `50`.
    pub enable_open_metrics: bool,
    /// How names are translated.
    pub translation: Translation,
    /// How long a series is shown after it was last received.
    pub metric_expiration: Duration,
    /// Resource attributes that become labels of each series, besides `target_info`.
    pub resource_labels: Selection,
    /// Omits the labels of the instrumentation scope.
    pub without_scope_info: bool,
    /// Includes created timestamps in `OpenMetrics` too.
    pub created_timestamps: bool,
    /// Includes classic buckets for exponential histograms in the protobuf format too, where they are native.
    pub classic_histograms: bool,
    /// URL path.
    pub path: String,
    /// Maximum concurrent scrapes; more are answered 503.
    pub scrapes_max: usize,
    /// Timeout of one scrape.
    pub timeout: Duration,
    /// Token that a scraper must send.
    pub auth_token: Option<Secret>,
}

impl Default for PrometheusSettings {
    fn default() -> Self {
        PrometheusSettings {
            namespace: String::new(),
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            enable_open_metrics: false,
            translation: Translation::default(),
            metric_expiration: Duration::from_mins(5),
            resource_labels: Selection::default(),
            without_scope_info: false,
            created_timestamps: true,
            classic_histograms: false,
            path: "/metrics".to_owned(),
            scrapes_max: 4,
            timeout: Duration::from_secs(10),
            auth_token: None,
        }
    }
}

/// Serves scrapes until cancelled; scrapes in flight are answered first.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: impl Into<Listener>,
    source: Arc<dyn ScrapeSource>,
    settings: PrometheusSettings,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let path = if settings.path.starts_with('/') { settings.path.clone() } else { format!("/{}", settings.path) };
    let endpoint = Arc::new(Endpoint {
        source,
        naming: naming(&settings),
        layouts: Mutex::default(),
        scrapes: Semaphore::new(settings.scrapes_max.max(1)),
        told: Mutex::default(),
        settings,
    });
    let router = Router::new().route(&path, get(answer)).with_state(endpoint);
    axum::serve(listener.into(), router).with_graceful_shutdown(cancel.cancelled_owned()).await?;
    Ok(())
}

struct Endpoint {
    source: Arc<dyn ScrapeSource>,
    settings: PrometheusSettings,
    /// Naming without escaping.
    naming: Naming,
    /// Layouts of previous scrapes, by negotiated format; the most recently used comes last.
    layouts: Mutex<Vec<(Wish, Layout)>>,
    scrapes: Semaphore,
    /// Remarks that have been logged, so that each is logged once.
    told: Mutex<HashSet<Remark>>,
}

fn naming(settings: &PrometheusSettings) -> Naming {
    let translation = settings.translation;
    let mut const_labels = Labels::new();
    for (name, value) in &settings.const_labels {
        if let Some(label) = translation.label(name) {
            const_labels.insert(label.into_owned(), value.clone());
        }
    }
    Naming {
        translation,
        namespace: translation.namespace(&settings.namespace),
        const_labels,
        resource_labels: settings.resource_labels.clone(),
        without_scope: settings.without_scope_info,
        ..Naming::default()
    }
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    if !endpoint.is_allowed(&headers) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "a bearer token is required\n")
            .into_response();
    }
    let Ok(_permit) = endpoint.scrapes.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at once\n").into_response();
    };
    let scrape = match tokio::time::timeout(endpoint.settings.timeout, endpoint.source.scrape()).await {
        Ok(Ok(scrape)) => scrape,
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "a scrape failed");
            return (StatusCode::SERVICE_UNAVAILABLE, "the metrics cannot be read\n").into_response();
        }
        Err(_) => return (StatusCode::SERVICE_UNAVAILABLE, "the metrics could not be read in time\n").into_response(),
    };
    let text_of = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wish = accept::wish(text_of(header::ACCEPT), endpoint.settings.enable_open_metrics);
    let with_gzip = accept::takes_gzip(text_of(header::ACCEPT_ENCODING));
    let shared = Arc::clone(&endpoint);
    // Printing many series takes a while and would block a worker.
    let printed = tokio::task::spawn_blocking(move || shared.print(&scrape, wish, with_gzip)).await;
    let Ok(Ok(body)) = printed else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be encoded\n").into_response();
    };
    let mut response = body.into_response();
    let head = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&wish.content_type()) {
        head.insert(header::CONTENT_TYPE, content_type);
    }
    head.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if with_gzip {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

impl Endpoint {
    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        self.settings.auth_token.as_ref().is_none_or(|token| token.is_borne_by(headers))
    }

    fn print(&self, scrape: &Scrape, wish: Wish, with_gzip: bool) -> std::io::Result<Vec<u8>> {
        let naming = Naming { escaping: wish.escaping, ..self.naming.clone() };
        let style = Style {
            with_times: self.settings.send_timestamps,
            with_created: self.settings.created_timestamps,
            with_classic: self.settings.classic_histograms,
        };
        let mut layout = self.take_layout(wish);
        let kept = (&mut layout, Body::new(with_gzip), live_from_ms(self.settings.metric_expiration));
        let (body, remarks) = exposition::print(scrape, &naming, wish, &style, kept)?;
        self.keep_layout(wish, layout);
        remarks.into_iter().for_each(|remark| self.tell(remark));
        Ok(body)
    }

    /// Returns the cached layout of a format. It is removed from the cache, so that scrapes do not wait for one another.
    fn take_layout(&self, wish: Wish) -> Layout {
        let mut layouts = self.layouts.lock();
        let kept = layouts.iter().position(|(of, _)| same_labels(*of, wish));
        kept.map(|at| layouts.remove(at).1).unwrap_or_default()
    }

    fn keep_layout(&self, wish: Wish, layout: Layout) {
        let mut layouts = self.layouts.lock();
        layouts.retain(|(of, _)| !same_labels(*of, wish));
        if layouts.len() >= LAYOUTS_MAX {
            layouts.remove(0);
        }
        layouts.push((wish, layout));
    }

    /// Logs a remark once.
    fn tell(&self, remark: Remark) {
        let mut told = self.told.lock();
        if told.len() >= TOLD_MAX || !told.insert(remark.clone()) {
            return;
        }
        drop(told);
        match remark {
            Remark::Collision(name, kind) => tracing::warn!(
                name,
                ?kind,
                "two metrics of different types or units have the same Prometheus name: the second is dropped"
            ),
            Remark::Descriptions(name) => {
                tracing::info!(name, "senders describe a metric differently: only one description is shown");
            }
            Remark::Nameless(name) => {
                tracing::warn!(name, "dropped a metric: no character of its name is valid in Prometheus");
            }
            Remark::Repeated(name) => tracing::warn!(name, "a summary has a duplicate quantile: the first is kept"),
        }
    }
}

/// Returns true if both render labels the same way: all text formats do.
fn same_labels(one: Wish, other: Wish) -> bool {
    one.escaping == other.escaping && (one.format == Format::Protobuf) == (other.format == Format::Protobuf)
}

/// Returns the time of our clock before which samples have expired.
fn live_from_ms(expiration: Duration) -> i64 {
    SystemTime::now().checked_sub(expiration).map_or(0, unix_time::millis)
}

#[cfg(test)]
mod tests;
