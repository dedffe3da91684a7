//! Limits of a listener: number of connections, time for a body to arrive, and memory.

use crate::ingest::inflight::InflightPermit;
use crate::ingest::refusal::{RETRY_AFTER, Refusal};
use crate::net;
use axum::body::Body;
use axum::serve::Listener;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use std::io::{IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limits of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorSettings {
    /// Maximum number of concurrent connections; more wait until one ends.
    pub connections_max: usize,
    /// Timeout for a body to arrive.
    pub read_timeout: Duration,
}

impl Default for DoorSettings {
    fn default() -> Self {
        DoorSettings { connections_max: 1000, read_timeout: Duration::from_secs(30) }
    }
}

/// A body that was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// Larger than the limit.
    TooLarge,
    /// The memory limit or the timeout was reached: retry.
    Refused(Refusal),
    /// The sender disconnected.
    Broken(String),
}

/// Reads a body; reserves memory chunk by chunk.
pub(super) async fn read(
    body: Body,
    limit: usize,
    settings: &DoorSettings,
    room: &mut InflightPermit,
) -> std::result::Result<Bytes, Unread> {
    tokio::time::timeout(settings.read_timeout, read_to_end(body, limit, room)).await.unwrap_or_else(|_| {
        let reason = format!("the body took longer than {:?} to arrive (read_timeout)", settings.read_timeout);
        Err(Unread::Refused(Refusal::Busy { retry_after: RETRY_AFTER, reason }))
    })
}

async fn read_to_end(mut body: Body, limit: usize, room: &mut InflightPermit) -> std::result::Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|error| Unread::Broken(error.to_string()))?.into_data() else { continue };
        if first.len() + whole.len() + chunk.len() > limit {
            return Err(Unread::TooLarge);
        }
        room.take(chunk.len()).map_err(Unread::Refused)?;
        if first.is_empty() && whole.is_empty() {
            // Most bodies are a single chunk, which need not be copied.
            first = chunk;
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&chunk);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// A listener with a limit on its connections.
pub(super) struct Bounded {
    listener: net::Listener,
    places: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(listener: net::Listener, settings: &DoorSettings) -> Bounded {
        Bounded { listener, places: Arc::new(Semaphore::new(settings.connections_max.min(Semaphore::MAX_PERMITS))) }
    }
}

impl Listener for Bounded {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        let place = self.places.clone().acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Held { stream, _place: place }, address)
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that frees its slot when it ends.
pub(super) struct Held {
    stream: net::Stream,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
