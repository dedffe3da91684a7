//! Layer 1: listening sockets and their TLS, independent of the protocol on top.

mod certificate;
mod listener;
mod pem;
mod stream;
mod tls;

pub use listener::{Endpoint, Listener};
pub use stream::Stream;
pub use tls::{Protocols, ServerTls, Tls, TlsFault, TlsVersion};
