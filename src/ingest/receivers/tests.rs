//! Tests of the receivers over plain sockets, with data that no client would send.

use super::{DoorSettings, http};
use crate::catalog::schemas;
use crate::ingest::decode::Decoder;
use crate::ingest::{Admission, IngestSettings};
use crate::log::{Log, LogSettings};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

struct Bench {
    address: std::net::SocketAddr,
    admission: Arc<Admission>,
    _folder: tempfile::TempDir,
    _until: DropGuard,
}

impl Bench {
    async fn new(door: DoorSettings, inflight_bytes_max: usize) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let (log, committed, _) =
            Log::open(LogSettings { dir: folder.path().join("log"), ..LogSettings::default() }).unwrap();
        drop(committed);
        let decoder = Decoder::new(&schemas::builtin().unwrap_or_else(|faults| panic!("{faults}")));
        let settings = IngestSettings { inflight_bytes_max, ..IngestSettings::default() };
        let admission = Admission::new(log, Arc::new(decoder), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let settings = http::HttpSettings { door, ..http::HttpSettings::default() };
        tokio::spawn(http::serve(listener, "otlp".into(), settings, admission.clone(), cancel.clone()));
        Bench { address, admission, _folder: folder, _until: cancel.drop_guard() }
    }

    /// Opens a connection and sends the head of a request and the start of its body.
    async fn begun(&self, first_line: &str, length: usize, body: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{first_line} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n"
        );
        socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        socket
    }

    async fn until_held(&self, bytes: usize) {
        for _ in 0..1000 {
            if self.admission.inflight_bytes() == bytes {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("expected {bytes} bytes to be held, found {}", self.admission.inflight_bytes());
    }
}

/// Reads the start of the response, in lower case.
async fn answer(socket: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes[..read]).to_lowercase()
}

#[tokio::test]
async fn bodies_on_their_way_take_room_and_give_it_back() {
    let bench = Bench::new(DoorSettings::default(), 100_000).await;
    let first = bench.begun("POST /v1/traces", 90_000, &vec![0; 60_000]).await;
    bench.until_held(60_000).await;
    let mut second = bench.begun("POST /v1/traces", 60_000, &vec![0; 50_000]).await;
    let refused = answer(&mut second).await;
    assert!(refused.starts_with("http/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    bench.until_held(60_000).await;
    drop(first);
    bench.until_held(0).await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let door = DoorSettings { read_timeout: Duration::from_millis(100), ..DoorSettings::default() };
    let bench = Bench::new(door, 1 << 20).await;
    let mut socket = bench.begun("POST /v1/traces", 1000, &[0; 10]).await;
    let refused = answer(&mut socket).await;
    assert!(refused.starts_with("http/1.1 503") && refused.contains("read_timeout"), "{refused}");
    bench.until_held(0).await;
}

#[tokio::test]
async fn a_connection_more_than_may_be_waits_for_one_to_end() {
    let bench = Bench::new(DoorSettings { connections_max: 1, ..DoorSettings::default() }, 1 << 20).await;
    let first = bench.begun("POST /v1/traces", 10, &[]).await;
    let mut second = bench.begun("POST /v1/traces", 0, &[]).await;
    let early = tokio::time::timeout(Duration::from_millis(300), answer(&mut second)).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    assert!(answer(&mut second).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn refusals_are_in_the_request_s_encoding_also_of_other_methods_and_paths() {
    let bench = Bench::new(DoorSettings::default(), 1 << 20).await;
    for (first_line, status) in [("GET /v1/traces", "405"), ("POST /v2/traces", "404")] {
        let refused = answer(&mut bench.begun(first_line, 0, &[]).await).await;
        assert!(refused.starts_with(&format!("http/1.1 {status}")), "{refused}");
        assert!(refused.contains("content-type: application/x-protobuf") && refused.contains("expected "), "{refused}");
    }
}
