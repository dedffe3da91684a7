//! A target that behaves as its `Case` defines and records the accepted items. Third-party decoders read the requests.

use super::cases::Case;
use super::exporters::{Exporter, Item, Verdict};
use crate::support::free_port;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

/// Longer than an exporter's timeout.
const SILENCE: Duration = Duration::from_secs(3);
/// Time until the `Nobody` target listens.
const ABSENCE: Duration = Duration::from_secs(2);
/// Maximum number of items in a request to the `Oversized` target.
pub(crate) const ITEMS_MAX: usize = 7;
/// Maximum size of a request, and so of an item, to the `Oversized` target.
pub(crate) const BYTES_MAX: usize = 100_000;
/// Requests answered with an error before the operator fixes the cause.
const UNTIL_MENDED: u64 = 6;
/// Delay that the target asks for.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Period after the target asks for a delay in which no request may arrive; earlier ones were already in flight.
const PATIENCE: std::ops::Range<Duration> = Duration::from_millis(700)..Duration::from_millis(1800);
/// Number of the item that is always rejected.
pub(crate) const POISON: u64 = 7;

/// A target that listens on its own port until the test ends.
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) case: Case,
    kept: Arc<Kept>,
}

struct Kept {
    case: Case,
    exporter: &'static Exporter,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: u64,
    taken: Vec<Item>,
    /// When the target last asked for a delay; `impatient` is set if a request arrived during it.
    asked: Option<Instant>,
    impatient: bool,
}

impl Target {
    pub(crate) fn start(exporter: &'static Exporter, case: Case) -> Target {
        let port = free_port();
        let kept = Arc::new(Kept { case, exporter, seen: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(kept.clone());
        tokio::spawn(async move {
            if case == Case::Nobody {
                tokio::time::sleep(ABSENCE).await;
            }
            let inner = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let behind = inner.local_addr().expect("an address");
            tokio::spawn(async move { axum::serve(inner, router).await });
            let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port");
            let mut connections = 0;
            loop {
                let (mut client, _) = listener.accept().await.expect("a connection");
                connections += 1;
                if case == Case::Reset && connections <= 3 {
                    tokio::spawn(cut(client));
                    continue;
                }
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(behind).await.expect("the target itself");
                    let _either_end_goes = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Target { port, case, kept }
    }

    /// Returns the accepted items in order of arrival.
    pub(crate) fn taken(&self) -> Vec<Item> {
        self.kept.seen.lock().expect("no test fails while it holds this").taken.clone()
    }

    /// Returns whether a request arrived during the delay that the target asked for.
    pub(crate) fn was_pressed(&self) -> bool {
        self.kept.seen.lock().expect("no test fails while it holds this").impatient
    }
}

/// Reads a few bytes and resets the connection.
async fn cut(mut client: TcpStream) {
    let _a_little = client.read(&mut [0; 64]).await;
    let _reset = client.set_zero_linger();
}

async fn answer(State(kept): State<Arc<Kept>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let body = to_bytes(request.into_body(), usize::MAX).await.expect("a request's body");
    let exporter = kept.exporter;
    if let Some(answer) = (exporter.handshake)(&path) {
        return answer;
    }
    let items = (exporter.items)(&path, &body);
    let first = {
        let mut seen = kept.seen.lock().expect("no test fails while it holds this");
        seen.requests += 1;
        seen.impatient |= seen.asked.is_some_and(|asked| PATIENCE.contains(&asked.elapsed()));
        seen.requests
    };
    let verdict = match kept.case {
        Case::Refusal if items.iter().any(|item| item.number == POISON) => Verdict::Refused,
        Case::TooMany if first == 1 => {
            kept.seen.lock().expect("no test fails while it holds this").asked = Some(Instant::now());
            Verdict::Busy(RETRY_AFTER)
        }
        Case::Unavailable if first <= 4 => Verdict::Unavailable,
        Case::TimeOut if first <= 2 => {
            tokio::time::sleep(SILENCE).await;
            return (exporter.answer)(&path, &items, &Verdict::Taken);
        }
        Case::Garbage if first <= UNTIL_MENDED => return html(),
        Case::Denied if first <= UNTIL_MENDED => Verdict::Denied,
        Case::Partial if items.iter().any(|item| item.number == POISON) => Verdict::But(POISON),
        Case::Oversized if items.len() > ITEMS_MAX || body.len() > BYTES_MAX => Verdict::TooLarge,
        _ => Verdict::Taken,
    };
    match kept.case {
        Case::Slow => tokio::time::sleep(Duration::from_millis(100)).await,
        // Slow enough that the sender is killed before it has sent everything.
        Case::Restart => tokio::time::sleep(Duration::from_millis(500)).await,
        _ => {}
    }
    let takes = |item: &&Item| match verdict {
        Verdict::Taken => true,
        Verdict::But(number) => item.number != number,
        _ => false,
    };
    let taken: Vec<Item> = items.iter().filter(takes).cloned().collect();
    kept.seen.lock().expect("no test fails while it holds this").taken.extend(taken);
    (exporter.answer)(&path, &items, &verdict)
}

/// Returns a page such as a captive proxy serves.
fn html() -> Response<Body> {
    let page = "<!doctype html><html><body>Please sign in to the network.</body></html>";
    let answer = Response::builder().status(StatusCode::OK).header("content-type", "text/html; charset=utf-8");
    answer.body(Body::from(page)).expect("a response")
}
