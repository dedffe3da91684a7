//! SIGTERM, Ctrl-C and SIGHUP, taken before anything else is done.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the process is told from outside, from when this was made on: one that comes before the server is ready waits.
pub struct Signals {
    /// SIGTERM and Ctrl-C cancel it; the second time the process ends at once.
    pub cancel: CancellationToken,
    pub(super) hangups: Signal,
}

impl Signals {
    /// The same for a server that is started once more.
    pub(super) fn again(&self) -> anyhow::Result<Signals> {
        Ok(Signals { cancel: self.cancel.clone(), hangups: signal(SignalKind::hangup())? })
    }
}

/// Takes the signals; before, each of them would end the process.
///
/// # Errors
/// When the signals cannot be had.
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
