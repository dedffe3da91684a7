//! Byte stream of a connection, with or without TLS. Limits the size of a message, and the time to wait for a client that does
//! not read.

use crate::net::Tls;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;

/// A byte stream that limits the size of a message.
pub(super) struct Wire {
    conn: Conn,
    stream: Arc<TcpStream>,
    /// Number of bytes that can still be received.
    pub(super) left: usize,
}

enum Conn {
    Plain(Tcp),
    Tls(Box<TlsStream<Tcp>>),
    /// The handshake failed.
    Closed,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Wire {
        let stream = Arc::new(stream);
        Wire { conn: Conn::Plain(Tcp { stream: stream.clone(), stalled: None, patience }), stream, left: 0 }
    }

    /// Returns the underlying socket, to detect disconnects.
    pub(super) fn tcp(&self) -> Arc<TcpStream> {
        self.stream.clone()
    }

    /// Makes the TLS handshake; all later bytes are encrypted.
    pub(super) async fn encrypt(&mut self, tls: &Tls, patience: Duration) -> io::Result<()> {
        let Conn::Plain(tcp) = std::mem::replace(&mut self.conn, Conn::Closed) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the connection is encrypted already"));
        };
        let accepted = timeout(patience, tls.acceptor().accept(tcp)).await;
        match accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => self.conn = Conn::Tls(Box::new(stream)),
            Err(error) => {
                tls.refused(self.stream.peer_addr().ok(), &error);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let most = self.left.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        match &mut self.conn {
            Conn::Plain(tcp) => ready!(Pin::new(tcp).poll_read(cx, &mut part))?,
            Conn::Tls(stream) => ready!(Pin::new(&mut **stream).poll_read(cx, &mut part))?,
            Conn::Closed => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
        let read = part.filled().len();
        buf.advance(read);
        self.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.conn {
            Conn::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Conn::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
            Conn::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.conn {
            Conn::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Conn::Plain(_) | Conn::Closed => Poll::Ready(Ok(())),
        }
    }

    /// Dropping the stream closes it; TLS sends a close notification first.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.conn {
            Conn::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Conn::Plain(_) | Conn::Closed => Poll::Ready(Ok(())),
        }
    }
}

/// A socket with a timeout for writes to a client that does not read.
struct Tcp {
    stream: Arc<TcpStream>,
    stalled: Option<Pin<Box<Sleep>>>,
    patience: Duration,
}

impl AsyncRead for Tcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buf.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    let patience = self.patience;
                    let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
                    ready!(stalled.as_mut().poll(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            match self.stream.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.stalled = None;
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
