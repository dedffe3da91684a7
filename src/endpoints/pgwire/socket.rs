//! Connection handling: limits message sizes and waiting times, and detects disconnects while a query runs.

use super::errors;
use super::login::Login;
use super::session::Session;
use super::shared::{Bounds, Shared};
use super::statements::Prepared;
use super::wire::Wire;
use crate::endpoints::graceful_shutdown::{QUERY_GRACE, after};
use crate::net::Tls;
use futures::{SinkExt as _, StreamExt as _};
use pgwire::api::cancel::DefaultCancelHandler;
use pgwire::api::{ClientInfo as _, DefaultClient, NoopHandler, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage, SslNegotiationMetaMessage};
use pgwire::tokio::server::{PgWireMessageServerCodec, process_error, process_message};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

type Socket = Framed<Wire, PgWireMessageServerCodec<Prepared>>;

/// Interval of disconnect checks while unread input is pending.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Serves one client until it disconnects or the connection is ended.
pub(super) async fn talk(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    full: bool,
    cancel: CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let client = DefaultClient::new(stream.peer_addr()?, false);
    let wire = Wire::new(stream, shared.bounds.stall);
    let mut socket = Framed::new(wire, PgWireMessageServerCodec::new(client));
    let handlers = Handlers {
        login: Arc::new(Login::new(&shared, full)),
        session: Arc::new(Session::new(shared.clone())),
        cancel: Arc::new(DefaultCancelHandler::new(shared.manager.clone())),
    };
    loop {
        let message = match next(&mut socket, tls.as_deref(), &shared.bounds, &cancel).await {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(last) => return end(&mut socket, *last).await,
        };
        let extended = message.is_extended_query();
        match handlers.handle(&mut socket, message, &cancel).await {
            Handled::Done => {}
            Handled::Gone => return Ok(()),
            Handled::Fault(error) => {
                let info = errors::refine(error);
                if info.is_fatal() {
                    return end(&mut socket, info).await;
                }
                process_error(&mut socket, PgWireError::UserError(Box::new(info)), extended).await?;
            }
        }
    }
}

/// Sends the error and closes the connection.
async fn end(socket: &mut Socket, last: ErrorInfo) -> io::Result<()> {
    socket.send(PgWireBackendMessage::ErrorResponse(last.into())).await
}

/// Reads the next message; `None` if the client has disconnected.
async fn next(
    socket: &mut Socket,
    tls: Option<&Tls>,
    bounds: &Bounds,
    cancel: &CancellationToken,
) -> Result<Option<PgWireFrontendMessage>, Box<ErrorInfo>> {
    let fatal = |code, message: String| Err(Box::new(errors::info("FATAL", code, message)));
    loop {
        let begins =
            !matches!(socket.state(), PgWireConnectionState::ReadyForQuery | PgWireConnectionState::AwaitingSync);
        let (bytes_max, patience) =
            if begins { (bounds.login_bytes_max, bounds.login) } else { (bounds.message_bytes_max, bounds.idle) };
        socket.get_mut().left = bytes_max;
        let message = tokio::select! {
            () = cancel.cancelled() => return fatal("57P01", "the server ends".to_owned()),
            message = timeout(patience, socket.next()) => message,
        };
        match message {
            Err(_) if begins => return Ok(None),
            Err(_) => return fatal("57P05", format!("the connection was idle for {patience:?}")),
            Ok(None | Some(Ok(PgWireFrontendMessage::Terminate(_)))) => return Ok(None),
            Ok(Some(Ok(PgWireFrontendMessage::SslNegotiation(asked)))) => {
                if negotiate(socket, &asked, tls, bounds.login).await.is_err() {
                    return Ok(None);
                }
            }
            // Rejected before the client has sent credentials.
            Ok(Some(Ok(PgWireFrontendMessage::Startup(_)))) if tls.is_some() && !socket.is_secure() => {
                let message =
                    "only encrypted connections are taken here: connect with sslmode=require, verify-ca or verify-full";
                return fatal("28000", message.to_owned());
            }
            Ok(Some(Ok(message))) => return Ok(Some(message)),
            Ok(Some(Err(PgWireError::IoError(error)))) if error.kind() == io::ErrorKind::FileTooLarge => {
                return fatal("54000", format!("a message has more than {bytes_max} bytes"));
            }
            Ok(Some(Err(PgWireError::IoError(_)))) => return Ok(None),
            Ok(Some(Err(error))) => return fatal("08P01", error.to_string()),
        }
    }
}

/// Negotiates TLS if the listener has it. After a refusal, clients that do not require encryption continue without.
async fn negotiate(
    socket: &mut Socket,
    asked: &SslNegotiationMetaMessage,
    tls: Option<&Tls>,
    patience: Duration,
) -> io::Result<()> {
    match (asked, tls) {
        (SslNegotiationMetaMessage::PostgresSsl(_), Some(tls)) if !socket.is_secure() => {
            socket.send(PgWireBackendMessage::SslResponse(SslResponse::Accept)).await?;
            // Bytes before the handshake are unencrypted, and must not be processed as encrypted ones.
            if !socket.read_buffer().is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes before the TLS handshake"));
            }
            socket.get_mut().encrypt(tls, patience).await?;
            socket.codec_mut().client_info.is_secure = true;
            socket.set_state(PgWireConnectionState::AwaitingStartup);
            Ok(())
        }
        (SslNegotiationMetaMessage::PostgresSsl(_), _) => {
            socket.send(PgWireBackendMessage::SslResponse(SslResponse::Refuse)).await
        }
        (SslNegotiationMetaMessage::PostgresGss(_), _) => {
            socket.send(PgWireBackendMessage::GssEncResponse(GssEncResponse::Refuse)).await
        }
        (SslNegotiationMetaMessage::None, _) => {
            socket.set_state(PgWireConnectionState::AwaitingStartup);
            Ok(())
        }
    }
}

struct Handlers {
    login: Arc<Login>,
    session: Arc<Session>,
    cancel: Arc<DefaultCancelHandler>,
}

/// Result of handling a message.
enum Handled {
    Done,
    Fault(PgWireError),
    /// The client has disconnected.
    Gone,
}

impl Handlers {
    async fn handle(&self, socket: &mut Socket, message: PgWireFrontendMessage, cancel: &CancellationToken) -> Handled {
        let stream = socket.get_ref().tcp();
        let is_cancel = matches!(message, PgWireFrontendMessage::CancelRequest(_));
        let (session, nothing) = (self.session.clone(), Arc::new(NoopHandler));
        let handling = process_message(
            message,
            socket,
            self.login.clone(),
            session.clone(),
            session,
            nothing,
            self.cancel.clone(),
        );
        tokio::select! {
            handled = handling => match handled {
                Ok(()) if is_cancel => Handled::Gone,
                Ok(()) => Handled::Done,
                Err(PgWireError::IoError(_)) => Handled::Gone,
                Err(error) => Handled::Fault(error),
            },
            () = left(&stream), if !is_cancel => Handled::Gone,
            () = after(cancel.clone(), QUERY_GRACE) => Handled::Fault(errors::fatal("57P01", "the server ends")),
        }
    }
}

/// Returns when the client has closed its side. Terminated drivers do that, and nobody reads the response.
async fn left(stream: &TcpStream) {
    loop {
        match stream.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => sleep(LOOK_AGAIN).await,
            _ => return,
        }
    }
}
