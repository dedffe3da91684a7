//! Layer 1: sockets that listen, and TLS on them. It does not know what is spoken over them.

mod certificate;
mod listener;
mod pem;
mod stream;
mod tls;

pub use listener::{Endpoint, Listener};
pub use pem::Pem;
pub use stream::Stream;
pub use tls::{Protocols, ServerTls, Tls, TlsFault, TlsVersion};
