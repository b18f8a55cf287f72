//! A connection from its first byte on: whether it speaks TLS, then one message after the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::SinkExt;
use pgwire::api::cancel::DefaultCancelHandler;
use pgwire::api::{ClientInfo, DefaultClient, NoopHandler, PgWireConnectionState};
use pgwire::error::PgWireError;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::tokio::server::{PgWireMessageServerCodec, process_error, process_message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

use super::Door;
use super::conversation::{Conversation, Prepared};
use super::errors::fatal;
use super::messages::{HEAD_BYTES, Known, Messages};
use crate::serve::connections::{Connection, Lane, Place, Stage, TimedStream, until};
use crate::serve::tls::{self, Certified};

/// What a client begins with.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
/// A client may ask for TLS, and for what is not spoken here, each once.
const REQUESTS_MAX: usize = 2;
/// For what a connection is told at its end.
const FAREWELL: Duration = Duration::from_secs(1);

trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for S {}

type Stream = BufReader<TimedStream<Box<dyn Duplex>, Arc<Stage>>>;
type Socket = Framed<Stream, PgWireMessageServerCodec<Arc<Prepared>>>;

/// Answers one client until it goes.
pub(super) async fn answer(connection: Connection, door: Door) {
    let Connection { stream, peer, place, mut evicted, mut stopped } = connection;
    let shared = place.shared.clone();
    let _ = stream.set_nodelay(true);
    let limit = shared.limits.header_timeout;
    let begun = tokio::select! {
        begun = tokio::time::timeout(limit, begin(stream, &place)) => begun,
        Ok(()) = &mut evicted => return shared.count("evicted"),
        () = until(&mut stopped) => return,
    };
    let begun = match begun {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => return shared.count("no-tls"),
        Ok(Err(_)) => return,
        Err(_) => return shared.count("timeout"),
    };
    let Begun { stream, head, certified, is_secure } = begun;
    let (known, stage) = (Known::default(), Arc::new(Stage::new()));
    let timed = TimedStream::new(stream, stage.clone(), &shared.limits);
    let mut messages = Messages::new(known.clone(), door.api.now().bodies().clone());
    let client = DefaultClient::new(SocketAddr::new(peer, 0), is_secure);
    // It writes; what a client sends is read from what is below it.
    let mut socket = Framed::new(BufReader::new(timed), PgWireMessageServerCodec::new(client));
    socket.set_state(PgWireConnectionState::AwaitingStartup);
    let must_be_secure = shared.tls.is_some() && !is_secure;
    let cancels = Arc::new(DefaultCancelHandler::new(door.cancels.clone()));
    let conversation = Arc::new(Conversation::new(door, peer, certified, known));
    let talk = async {
        let mut first = Some(head);
        loop {
            let stream = socket.get_mut();
            let read = match first.take() {
                Some(head) => messages.first(stream, head).await.map(Some),
                None => messages.next(stream).await,
            };
            let message = match read {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::OutOfMemory) => {
                    farewell(&mut socket, "08P01", &error.to_string()).await;
                    break;
                }
                Err(error) => return Err(error),
            };
            place.is_busy();
            stage.answers();
            let goes_on = handle(message, &mut socket, &conversation, &cancels, must_be_secure).await?;
            stage.is_idle();
            place.waits();
            if !goes_on {
                break;
            }
        }
        Ok::<(), io::Error>(())
    };
    let ended = tokio::select! {
        ended = talk => ended,
        Ok(()) = &mut evicted => {
            shared.count("evicted");
            farewell(&mut socket, "57P05", "terminating connection: it waited longest, and another one needs its place").await;
            Ok(())
        }
        () = until(&mut stopped) => {
            farewell(&mut socket, "57P01", "terminating connection: the daemon ends").await;
            Ok(())
        }
    };
    if ended.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        shared.count("timeout");
    }
}

/// A connection of which it is known whether it speaks TLS.
struct Begun {
    stream: Box<dyn Duplex>,
    /// Of the first message.
    head: [u8; HEAD_BYTES],
    certified: Option<Certified>,
    is_secure: bool,
}

/// # Errors
/// If the client goes, or says what nobody begins with.
async fn begin(mut stream: TcpStream, place: &Place) -> io::Result<Begun> {
    if place.lane == Lane::Reserve {
        place.shared.count("unserved");
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    for _ in 0..REQUESTS_MAX {
        let head = head(&mut stream).await?;
        match (startup_length(&head), code(&head)) {
            (HEAD_BYTES, SSL_REQUEST) if let Some(tls) = &place.shared.tls => {
                // What else was sent in the clear is read by TLS, and is none.
                stream.write_all(b"S").await?;
                let mut stream = tls.accept(stream).await.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                let certified = tls::certified(&stream);
                let head = self::head(&mut stream).await?;
                return Ok(Begun { stream: Box::new(stream), head, certified, is_secure: true });
            }
            (HEAD_BYTES, SSL_REQUEST | GSS_REQUEST) => stream.write_all(b"N").await?,
            _ => return Ok(Begun { stream: Box::new(stream), head, certified: None, is_secure: false }),
        }
    }
    let head = head(&mut stream).await?;
    Ok(Begun { stream: Box::new(stream), head, certified: None, is_secure: false })
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; HEAD_BYTES]> {
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    Ok(head)
}

fn startup_length(head: &[u8; HEAD_BYTES]) -> usize {
    let [a, b, c, d, ..] = *head;
    u32::from_be_bytes([a, b, c, d]) as usize
}

fn code(head: &[u8; HEAD_BYTES]) -> u32 {
    let [.., a, b, c, d] = *head;
    u32::from_be_bytes([a, b, c, d])
}

/// Answers one message; whether more may follow.
async fn handle(
    message: PgWireFrontendMessage,
    socket: &mut Socket,
    conversation: &Arc<Conversation>,
    cancels: &Arc<DefaultCancelHandler>,
    must_be_secure: bool,
) -> io::Result<bool> {
    if matches!(message, PgWireFrontendMessage::Terminate(_)) {
        return Ok(false);
    }
    // Clients ask for the end of a query in the clear, and name nothing but its key.
    let is_cancel = matches!(message, PgWireFrontendMessage::CancelRequest(_));
    if must_be_secure && !is_cancel {
        let refused = fatal("28000", "this listener speaks TLS only: connect with `sslmode=require`");
        process_error(socket, refused, false).await?;
        return Ok(false);
    }
    let is_extended = message.is_extended_query();
    let (copies, talk) = (Arc::new(NoopHandler), conversation);
    let done = process_message(message, socket, talk.clone(), talk.clone(), talk.clone(), copies, cancels.clone());
    if let Err(error) = done.await {
        if let PgWireError::IoError(error) = error {
            return Err(error);
        }
        let is_fatal = error.is_fatal();
        process_error(socket, error, is_extended).await?;
        return Ok(!is_fatal);
    }
    Ok(!is_cancel)
}

async fn farewell(socket: &mut Socket, code: &str, message: &str) {
    // Who does not take it, goes without it.
    let told = tokio::time::timeout(FAREWELL, process_error(socket, fatal(code, message), false));
    drop(told.await);
    drop(tokio::time::timeout(FAREWELL, socket.close()).await);
}
