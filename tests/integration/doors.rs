//! The listeners: CORS behaves as in a real Collector, and all of them parse the bearer token in the same way.

use crate::support::client::client;
use crate::support::config::Setup;
use crate::support::free_port;
use crate::support::peers::Collector;
use crate::support::server::Server;
use reqwest::Method;
use std::fmt::Write as _;

/// `cors` settings, one per listener.
const SETTINGS: [&str; 4] = [
    "allowed_origins: [\"https://*.shop.example\", \"https://One.example\"], \
     allowed_headers: [authorization, Content-Type, X-Custom], exposed_headers: [x-request-id, ETag], max_age: 600",
    "allowed_origins: [\"*\"]",
    "allowed_origins: [\"http://localhost:*\", \"https://a*a.example\"], allowed_headers: [\"*\"], max_age: -1",
    "allowed_origins: [], allowed_headers: [authorization]",
];

const ORIGINS: [Option<&str>; 9] = [
    None,
    Some("https://eu.shop.example"),
    Some("https://A.B.SHOP.example"),
    Some("https://shop.example"),
    Some("https://eu.shop.example.evil.example"),
    Some("https://one.example"),
    Some("http://localhost:3000"),
    Some("https://a.example"),
    Some("null"),
];

struct Asked {
    method: &'static str,
    path: &'static str,
    kind: &'static str,
    body: &'static str,
    /// The requested method and headers of a preflight.
    preflight: Option<(&'static str, Option<&'static str>)>,
}

const fn post(path: &'static str, kind: &'static str, body: &'static str) -> Asked {
    Asked { method: "POST", path, kind, body, preflight: None }
}

const fn plain(method: &'static str) -> Asked {
    Asked { method, path: "/v1/traces", kind: "application/json", body: "", preflight: None }
}

const fn preflight(path: &'static str, method: &'static str, headers: Option<&'static str>) -> Asked {
    Asked { method: "OPTIONS", path, kind: "", body: "", preflight: Some((method, headers)) }
}

/// Exceeds the size limit of the listeners.
const LARGE: &str = concat!(
    "{\"resourceSpans\": [], \"more\": \"",
    "----------------------------------------------------------------------------------------------------",
    "----------------------------------------------------------------------------------------------------",
    "\"}"
);

const REQUESTS: [Asked; 24] = [
    post("/v1/traces", "application/json", "{}"),
    post("/v1/logs", "application/x-protobuf", ""),
    post("/v1/metrics", "application/json", "{"),
    post("/v1/traces", "text/plain", "x"),
    post("/v1/traces", "application/json", LARGE),
    post("/nothing", "application/json", "{}"),
    plain("GET"),
    plain("HEAD"),
    plain("DELETE"),
    plain("OPTIONS"),
    preflight("/v1/traces", "POST", None),
    preflight("/nothing", "POST", None),
    preflight("/v1/traces", "GET", None),
    preflight("/v1/traces", "PUT", None),
    preflight("/v1/traces", "post", None),
    preflight("/v1/traces", "POST", Some("")),
    preflight("/v1/traces", "POST", Some("content-type")),
    preflight("/v1/traces", "POST", Some("authorization,content-type")),
    preflight("/v1/traces", "POST", Some("authorization, content-type , x-custom")),
    preflight("/v1/traces", "POST", Some("content-type,authorization")),
    preflight("/v1/traces", "POST", Some("accept,content-type,x-requested-with")),
    preflight("/v1/traces", "POST", Some("X-Custom")),
    preflight("/v1/traces", "POST", Some("x-other")),
    preflight("/v1/traces", "POST", Some("content-type,,x-custom")),
];

/// Returns what a browser sees: the status of a preflight, and the CORS headers.
async fn answer(port: u16, asked: &Asked, origin: Option<&str>) -> (Option<u16>, Vec<String>) {
    let method = Method::from_bytes(asked.method.as_bytes()).expect("a method");
    let mut request = client().request(method, format!("http://127.0.0.1:{port}{}", asked.path)).body(asked.body);
    for (name, value) in [("origin", origin), ("content-type", Some(asked.kind).filter(|kind| !kind.is_empty()))] {
        request = value.into_iter().fold(request, |request, value| request.header(name, value));
    }
    if let Some((method, headers)) = asked.preflight {
        request = request.header("access-control-request-method", method);
        request =
            headers.into_iter().fold(request, |request, value| request.header("access-control-request-headers", value));
    }
    let answer = request.send().await.unwrap_or_else(|error| panic!("{} {}: {error:?}", asked.method, asked.path));
    let told = |name: &str| name.starts_with("access-control-") || name == "vary";
    let headers = answer.headers().iter().filter(|(name, _)| told(name.as_str()));
    let mut headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.sort();
    (asked.preflight.map(|_| answer.status().as_u16()), headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn cors_is_the_collectors_on_every_answer() {
    let (theirs, ours) = ([(); 4].map(|()| free_port()), [(); 4].map(|()| free_port()));
    let http = |port: u16, cors: &str| {
        format!("protocols: {{http: {{endpoint: \"127.0.0.1:{port}\", max_request_body_size: 100, cors: {{{cors}}}}}}}")
    };
    let _collector = Collector::start(|place| {
        let mut text = String::from("receivers:\n");
        for (number, cors) in SETTINGS.iter().enumerate() {
            let _ = writeln!(text, "  otlp/{number}: {{{}}}", http(theirs[number], cors));
        }
        let ids = "otlp/0, otlp/1, otlp/2, otlp/3";
        let _ = write!(
            text,
            "exporters: {{debug: }}\nextensions: {{health_check: {{endpoint: 127.0.0.1:{}}}}}\n\
             service:\n  extensions: [health_check]\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n",
            place.health
        );
        for signal in ["traces", "metrics", "logs"] {
            let _ = writeln!(text, "    {signal}: {{receivers: [{ids}], exporters: [debug]}}");
        }
        text
    })
    .await;
    let mut setup = Setup::default();
    for (number, cors) in SETTINGS.iter().enumerate() {
        setup = setup.receiver(&format!("otlp/{number}"), &http(ours[number], cors));
        let pipeline = format!("receivers: [otlp/{number}], exporters: [performance]");
        setup = setup.pipeline(&format!("traces/{number}"), &pipeline);
    }
    let _server = Server::start(setup).await;
    let (mut compared, mut wrong) = (0, Vec::new());
    for (number, cors) in SETTINGS.iter().enumerate() {
        for (asked, origin) in REQUESTS.iter().flat_map(|asked| ORIGINS.iter().map(move |origin| (asked, *origin))) {
            let expected = answer(theirs[number], asked, origin).await;
            let found = answer(ours[number], asked, origin).await;
            compared += 1;
            // A listener without CORS handles OPTIONS like any other method.
            let is_off = number == 3;
            if found.1 != expected.1 || (found.0 != expected.0 && !is_off) {
                let Asked { method, path, preflight, .. } = asked;
                wrong.push(format!(
                    "{{{cors}}}: {method} {path} {preflight:?} from {origin:?}: found {found:?}, the Collector gives {expected:?}"
                ));
            }
        }
    }
    println!("CORS: {compared} answers compared with the Collector's, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Includes CORS headers on responses rejected for their token, which the comparison with the Collector does not cover.
#[tokio::test(flavor = "multi_thread")]
async fn every_listener_reads_the_bearer_token_in_any_case_and_spacing() {
    let (grpc, http, scrape) = (free_port(), free_port(), free_port());
    let protocols = format!(
        "protocols: {{grpc: {{endpoint: \"127.0.0.1:{grpc}\", auth_token: t0ken}}, http: {{endpoint: \"127.0.0.1:{http}\", \
         auth_token: t0ken, cors: {{allowed_origins: [\"https://shop.example\"]}}}}}}"
    );
    let setup = Setup::default()
        .receiver("otlp/token", &protocols)
        .exporter_aside("prometheus/token", &format!("endpoint: \"127.0.0.1:{scrape}\", auth_token: t0ken"))
        .sql("auth_token: t0ken")
        .pipeline("traces/token", "receivers: [otlp/token], exporters: [performance]")
        .pipeline("metrics/token", "receivers: [otlp/token], exporters: [prometheus/token]");
    let server = Server::start(setup).await;
    let url = |port: u16, path: &str| format!("http://127.0.0.1:{port}{path}");
    let over_http = client();
    let over_grpc = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let requests = || {
        [
            (
                "OTLP/HTTP",
                over_http.post(url(http, "/v1/traces")).header("content-type", "application/json").body("{}"),
            ),
            (
                "OTLP/gRPC",
                over_grpc
                    .post(url(grpc, "/opentelemetry.proto.collector.trace.v1.TraceService/Export"))
                    .header("content-type", "application/grpc")
                    .header("te", "trailers")
                    .body(vec![0; 5]),
            ),
            ("scrape", over_http.get(url(scrape, "/metrics"))),
            ("findings", over_http.get(url(server.ports.sql, "/v1/findings"))),
            (
                "SQL",
                over_http.post(url(server.ports.sql, "/v1/sql")).header("content-type", "text/plain").body("SELECT 1"),
            ),
        ]
    };
    let headers = [
        (Some("Bearer t0ken"), true),
        (Some("bearer t0ken"), true),
        (Some("BEARER   t0ken"), true),
        (Some("bEARER\tt0ken  "), true),
        (Some("Bearer t0ke"), false),
        (Some("Bearer t0kenn"), false),
        (Some("Basic t0ken"), false),
        (Some("t0ken"), false),
        (Some("Bearer"), false),
        (None, false),
    ];
    for (value, is_let_in) in headers {
        for (name, request) in requests() {
            let request = value.into_iter().fold(request, |request, value| request.header("authorization", value));
            let is_otlp = name == "OTLP/HTTP";
            let request = if is_otlp { request.header("origin", "https://shop.example") } else { request };
            let answer = request.send().await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let refused =
                answer.status() == 401 || answer.headers().get("grpc-status").is_some_and(|code| code == "16");
            assert_eq!(!refused, is_let_in, "{name} with {value:?}: {} {:?}", answer.status(), answer.headers());
            if is_otlp {
                let told = answer.headers().get("access-control-allow-origin");
                assert_eq!(told.map(http::HeaderValue::as_bytes), Some(&b"https://shop.example"[..]), "{value:?}");
            }
        }
    }
}
