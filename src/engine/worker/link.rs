//! The worker's end of the socket: sends messages to the server, and passes received rows to their scans.

use super::codec::Frame;
use super::message::FromWorker;
use arrow::buffer::Buffer;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The worker's end of the socket.
#[derive(Debug)]
pub(super) struct Link {
    writer: Mutex<UnixStream>,
    /// Receivers of each scan's rows; requests limit what is in transit.
    scans: Mutex<HashMap<u32, UnboundedSender<Vec<u8>>>>,
    next: AtomicU32,
    /// Number of frames of the answer that may be sent.
    pub(super) credit: Semaphore,
}

impl Link {
    pub(super) fn new(writer: UnixStream) -> Arc<Link> {
        let writer = Mutex::new(writer);
        Arc::new(Link { writer, scans: Mutex::default(), next: AtomicU32::new(0), credit: Semaphore::new(0) })
    }

    /// Sends a message.
    pub(super) fn send(&self, message: &FromWorker, body: Vec<Buffer>) -> io::Result<()> {
        let frame = Frame::new(message, body)?;
        frame.write(&mut *self.writer.lock())
    }

    /// Passes rows to their scan, unless it has ended.
    pub(super) fn rows(&self, scan: u32, bytes: Vec<u8>) {
        let scans = self.scans.lock();
        if let Some(scan) = scans.get(&scan) {
            let _ended = scan.send(bytes);
        }
    }

    /// Ends a scan.
    pub(super) fn end(&self, scan: u32) {
        self.scans.lock().remove(&scan);
    }

    pub(super) fn begin(&self) -> (u32, UnboundedReceiver<Vec<u8>>) {
        let (scan, (send, receive)) = (self.next.fetch_add(1, Ordering::Relaxed), unbounded_channel());
        self.scans.lock().insert(scan, send);
        (scan, receive)
    }
}
