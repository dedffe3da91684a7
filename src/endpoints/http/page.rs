//! The page: findings with their limits, and a place to ask SQL. It holds no data; its script asks for them.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};

const PAGE: &str = include_str!("page.html");
/// Nothing from elsewhere, and nothing that could be put into the page by data.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, PAGE).into_response()
}
