use super::*;
use axum::Json;
use axum::http::HeaderMap;
use axum::routing::{get, post};

/// Starts a server with these responses and returns its address.
async fn server() -> String {
    let router = axum::Router::new()
        .route(
            "/v1/sql",
            post(|Json(body): Json<Value>| async move {
                match body["query"].as_str() {
                    Some("good") => (StatusCode::OK, r#"{"rows":[{"a":1}],"truncated":true}"#),
                    Some("bad") => (StatusCode::BAD_REQUEST, r#"{"error":"no such table"}"#),
                    Some("nested") => (StatusCode::BAD_REQUEST, r#"{"error":{"message":"too long"}}"#),
                    _ => (StatusCode::OK, "<html>"),
                }
            }),
        )
        .route(
            "/v1/findings",
            get(|headers: HeaderMap| async move {
                match headers.get("authorization").and_then(|value| value.to_str().ok()) {
                    Some("Bearer t0ken") => (StatusCode::OK, r#"{"findings":[]}"#),
                    _ => (StatusCode::UNAUTHORIZED, ""),
                }
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn client(endpoint: &str, token: Option<&str>) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(endpoint, token.map(Secret::new), &TlsSettings::default()).expect("a client")
}

#[tokio::test]
async fn answers_and_what_the_server_says_of_a_bad_query() {
    let client = client(&format!("{}/", server().await), None);
    let answer = client.sql("good").await.expect("rows");
    assert_eq!((answer.rows.len(), answer.truncated), (1, true));
    assert!(client.sql("bad").await.expect_err("bad").to_string().ends_with("returned 400: no such table"));
    assert!(client.sql("nested").await.expect_err("bad").to_string().ends_with("returned 400: too long"));
    assert!(client.sql("other").await.expect_err("HTML").to_string().ends_with("not like Spanwise: <html>"));
}

#[tokio::test]
async fn a_token_is_shown_where_there_is_one() {
    let endpoint = server().await;
    assert!(client(&endpoint, Some("t0ken")).findings().await.expect("findings").is_empty());
    let error = client(&endpoint, None).findings().await.expect_err("no token").to_string();
    assert!(error.contains("requires a token: set SPANWISE_TOKEN"), "{error}");
}

#[tokio::test]
async fn where_nobody_listens_it_says_what_to_do() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let error = client(&format!("http://{address}"), None).sql("x").await.expect_err("nobody").to_string();
    assert_eq!(
        error,
        format!(
            "no response from Spanwise at http://{address}: start it with `spanwise`, or set another address with --endpoint"
        )
    );
    assert!(Client::new("127.0.0.1:4380", None, &TlsSettings::default()).is_err());
}
