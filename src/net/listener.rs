//! Listening sockets, with or without TLS.

use super::stream::Stream;
use super::tls::{Protocols, ServerTls, Tls};
use anyhow::Context as _;
use std::fmt;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// Address and TLS of a listener, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: SocketAddr,
    /// TLS settings; `None` means plain text.
    pub tls: Option<ServerTls>,
}

impl Endpoint {
    /// Creates an endpoint without TLS.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Endpoint {
        Endpoint { address, tls: None }
    }

    /// Returns `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Listener {
        Listener { tcp, tls: None }
    }
}

impl Listener {
    /// Binds the socket; `key` is its key in the configuration.
    ///
    /// # Errors
    /// When the address is in use, or a certificate or key cannot be used.
    pub async fn bind(endpoint: &Endpoint, protocols: Protocols, key: &str) -> anyhow::Result<Listener> {
        let tls = match &endpoint.tls {
            Some(settings) => Some(
                Tls::open(settings.clone(), protocols).map_err(|fault| anyhow::anyhow!("{}.{fault}", settings.key))?,
            ),
            None => None,
        };
        let address = endpoint.address;
        let tcp = TcpListener::bind(address).await;
        let tcp = tcp.with_context(|| format!("{key}: cannot listen on {address}; is another program there?"))?;
        Ok(Listener { tcp, tls })
    }

    /// Returns the TLS state, for reloading.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// Returns `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Returns the bound address.
    ///
    /// # Errors
    /// When the operating system cannot report it.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Accepts the next connection, before any byte is read from it.
    pub(crate) async fn accept_tcp(&self) -> Result<(TcpStream, SocketAddr)> {
        self.tcp.accept().await
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    /// Does not wait for the TLS handshake: each connection makes its own, so a slow client blocks no other.
    async fn accept(&mut self) -> (Stream, SocketAddr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.tcp).await;
        // A response takes several writes: Nagle's algorithm would delay the last one until a delayed ACK, 40 ms.
        let _as_it_is = stream.set_nodelay(true);
        (Stream::new(stream, self.tls.as_ref()), address)
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
