//! A connection that makes its TLS handshake as part of its first read or write.

use super::tls::Tls;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// Timeout of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// An accepted connection, plain or TLS.
pub struct Stream(State);

enum State {
    Plain(TcpStream),
    Handshake(Box<Handshake>),
    Tls(Box<TlsStream<TcpStream>>),
    /// The handshake failed.
    Closed,
}

struct Handshake {
    accept: tokio_rustls::Accept<TcpStream>,
    deadline: Pin<Box<Sleep>>,
    tls: Arc<Tls>,
    peer: Option<std::net::SocketAddr>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, tls: Option<&Arc<Tls>>) -> Stream {
        let Some(tls) = tls else { return Stream(State::Plain(tcp)) };
        let peer = tcp.peer_addr().ok();
        let accept = tls.acceptor().accept(tcp);
        Stream(State::Handshake(Box::new(Handshake {
            accept,
            deadline: Box::pin(sleep(HANDSHAKE)),
            tls: tls.clone(),
            peer,
        })))
    }

    /// Completes the handshake, then returns the open connection.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Io>>> {
        if let State::Handshake(handshake) = &mut self.0 {
            match ready!(handshake.poll(cx)) {
                Ok(stream) => self.0 = State::Tls(Box::new(stream)),
                Err(error) => {
                    handshake.tls.refused(handshake.peer, &error);
                    self.0 = State::Closed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.0 {
            State::Plain(tcp) => Ok(Pin::new(tcp)),
            State::Tls(stream) => Ok(Pin::new(&mut **stream)),
            State::Handshake(_) | State::Closed => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl Handshake {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TlsStream<TcpStream>>> {
        if let Poll::Ready(accepted) = Pin::new(&mut self.accept).poll(cx) {
            return Poll::Ready(accepted);
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, format!("it took longer than {HANDSHAKE:?}"))))
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        // True of plain TCP and of TLS, which encrypts the slices one after another.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            // Before the handshake ends, nothing has been written.
            State::Handshake(_) | State::Closed => Poll::Ready(Ok(())),
            _ => ready!(self.poll_open(cx))?.poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            // Dropping the socket closes it.
            State::Handshake(_) | State::Closed => Poll::Ready(Ok(())),
            _ => ready!(self.poll_open(cx))?.poll_shutdown(cx),
        }
    }
}
