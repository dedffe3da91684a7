//! SIGTERM, Ctrl-C and SIGHUP, with handlers installed before anything else.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Signals of the process, collected from its creation on: one that arrives before the server is ready is kept.
pub struct Signals {
    /// Cancelled by SIGTERM and Ctrl-C; the second one ends the process at once.
    pub cancel: CancellationToken,
    pub(super) hangups: Signal,
}

impl Signals {
    /// Creates the signals for another server in the same process.
    pub(super) fn again(&self) -> anyhow::Result<Signals> {
        Ok(Signals { cancel: self.cancel.clone(), hangups: signal(SignalKind::hangup())? })
    }
}

/// Installs the handlers; before that, each signal would end the process.
///
/// # Errors
/// Returns an error if the handlers cannot be installed.
pub fn on_signal() -> anyhow::Result<Signals> {
    let hangups = signal(SignalKind::hangup())?;
    let cancel = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = cancel.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(130);
            }
            token.cancel();
        }
    });
    Ok(Signals { cancel, hangups })
}
