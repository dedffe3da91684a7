//! `spanwise query-worker`: the process that runs external queries. The server starts it; its standard input is a socket to
//! the server.

use crate::endpoints::pgwire::PgDialect;
use crate::engine::{Dialect, Plain, confine, serve};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

/// Returns all SQL dialects.
fn dialects() -> Vec<Arc<dyn Dialect>> {
    vec![Arc::new(Plain), Arc::new(PgDialect::default())]
}

/// Answers queries until the server closes the socket.
#[must_use]
pub(super) fn run(memory_bytes: usize) -> ExitCode {
    // A panic is caught and reported to the client; standard error is only for failures that end the process.
    std::panic::set_hook(Box::new(|_| {}));
    let serving = || {
        let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        // Standard input is not a socket if someone runs the command by hand.
        socket.peer_addr()?;
        serve(socket, dialects(), memory_bytes, || confine(memory_bytes as u64))
    };
    match serving() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "spanwise: a query worker is started by the server, which talks to it on standard input: {error}"
            );
            ExitCode::FAILURE
        }
    }
}
