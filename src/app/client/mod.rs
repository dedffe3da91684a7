//! An HTTP client for a running Spanwise.

use crate::delivery::settings::{Secret, TlsSettings};
use crate::model::finding::Finding;
use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Default URL of the server.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4380";
/// Environment variable with the token.
pub const TOKEN_VARIABLE: &str = "SPANWISE_TOKEN";

/// Longer than the server's default query timeout, so that its own error arrives first.
const SQL_TIMEOUT: Duration = Duration::from_mins(10);
const FINDINGS_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of characters shown of an unknown response.
const SHOWN_CHARS: usize = 500;

/// A client for one Spanwise.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    token: Option<Secret>,
}

/// Result of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlAnswer {
    /// The rows.
    pub rows: Vec<Map<String, Value>>,
    /// True if there are more rows.
    pub truncated: bool,
    /// The response as received.
    pub body: Value,
}

impl Client {
    /// Creates a client for `endpoint`, such as `http://127.0.0.1:4380`.
    ///
    /// # Errors
    /// Returns an error if the endpoint is not a URL, or a file of `tls` cannot be used.
    pub fn new(endpoint: &str, token: Option<Secret>, tls: &TlsSettings) -> anyhow::Result<Client> {
        let http = unproxied(endpoint, tls)?;
        Ok(Client { http, endpoint: endpoint.trim_end_matches('/').to_owned(), token })
    }

    /// Runs a query.
    ///
    /// # Errors
    /// Returns an error if the server does not respond or reports an error.
    pub async fn sql(&self, query: &str) -> anyhow::Result<SqlAnswer> {
        let request = self.http.post(format!("{}/v1/sql", self.endpoint)).json(&json!({"query": query}));
        let body = self.send(request.timeout(SQL_TIMEOUT)).await?;
        let rows = self.list(&body, "rows")?.iter().map(|row| row.as_object().cloned());
        let rows = rows.collect::<Option<Vec<_>>>().with_context(|| self.strange(&body.to_string()))?;
        let truncated = body.get("truncated").and_then(Value::as_bool).unwrap_or(false);
        Ok(SqlAnswer { rows, truncated, body })
    }

    /// Returns all findings, firing ones first.
    ///
    /// # Errors
    /// Returns an error if the server does not respond, or not as Spanwise does.
    pub async fn findings(&self) -> anyhow::Result<Vec<Finding>> {
        let request = self.http.get(format!("{}/v1/findings?all=true", self.endpoint));
        let body = self.send(request.timeout(FINDINGS_TIMEOUT)).await?;
        let findings = self.list(&body, "findings")?.iter().map(|finding| serde_json::from_value(finding.clone()));
        findings.collect::<Result<_, _>>().with_context(|| {
            format!("the findings of {} have a format that this version does not support", self.endpoint)
        })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        };
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("{} ended its response early", self.endpoint))?;
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            bail!("{} requires a token: set {TOKEN_VARIABLE} to its extensions.sql.auth_token", self.endpoint);
        }
        let body = serde_json::from_str::<Value>(&text);
        if !status.is_success() {
            let said = body.ok().and_then(|body| said(&body)).unwrap_or_else(|| cut(&text));
            bail!("{} returned {}: {said}", self.endpoint, status.as_u16());
        }
        body.map_err(|_| anyhow::anyhow!(self.strange(&text)))
    }

    fn list<'a>(&self, body: &'a Value, key: &str) -> anyhow::Result<&'a Vec<Value>> {
        body.get(key).and_then(Value::as_array).with_context(|| self.strange(&body.to_string()))
    }

    fn strange(&self, text: &str) -> String {
        format!("{} responds, but not like Spanwise: {}", self.endpoint, cut(text))
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let endpoint = &self.endpoint;
        if let Some(why) = untrusted(error) {
            anyhow::anyhow!("{endpoint}: {why}")
        } else if error.is_connect() {
            anyhow::anyhow!(
                "no response from Spanwise at {endpoint}: start it with `spanwise`, or set another address with --endpoint"
            )
        } else if error.is_timeout() {
            anyhow::anyhow!("{endpoint} does not respond in time")
        } else {
            // The error names the URL, which contains no secret; its causes describe the failure.
            let causes: Vec<String> = std::iter::successors(std::error::Error::source(error), |cause| cause.source())
                .map(ToString::to_string)
                .collect();
            anyhow::anyhow!("{endpoint}: {error}: {}", causes.join(": "))
        }
    }
}

/// Creates an HTTP client for `endpoint`, without a proxy for loopback addresses, which no proxy can reach.
///
/// # Errors
/// Returns an error if the endpoint is not a URL, or a file of `tls` cannot be used.
pub(super) fn unproxied(endpoint: &str, tls: &TlsSettings) -> anyhow::Result<reqwest::Client> {
    let url = reqwest::Url::parse(endpoint)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .with_context(|| format!("--endpoint: expected a URL such as {DEFAULT_ENDPOINT}, found {endpoint:?}"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
    let builder = if loopback { builder.no_proxy() } else { builder };
    tls.apply(builder)?.build().context("cannot set up the HTTP client")
}

/// Returns the message of an error body: `{"error": "…"}`, `{"error": {"message": "…"}}` or `{"message": "…"}`.
fn said(body: &Value) -> Option<String> {
    let error = body.get("error");
    let nested = error.and_then(|error| error.get("message"));
    [error, nested, body.get("message")].into_iter().flatten().find_map(Value::as_str).map(str::to_owned)
}

fn cut(text: &str) -> String {
    let text = text.trim();
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown }
}

/// Returns the reason why a TLS connection failed, with advice.
pub(super) fn untrusted(error: &reqwest::Error) -> Option<String> {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let text =
        causes.map(ToString::to_string).find(|text| text.contains("certificate") || text.contains("HTTP version"))?;
    Some(if text.contains("HTTP version") {
        "the port does not speak plain HTTP: use https://".to_owned()
    } else if text.contains("CertificateRequired") {
        format!("{text}: pass --cert-file and --key-file")
    } else {
        format!("{text}: pass --ca-file with the CA certificate of the server")
    })
}

#[cfg(test)]
mod tests;
