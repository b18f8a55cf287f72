//! Accepting connections, within limits of their number and of the time that each may take (ADR 18).

mod descriptors;
mod places;
mod timed_stream;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub use self::descriptors::within_descriptors;
use self::places::{ConnectionId, Entered, Lane, Places};
use self::timed_stream::{Stage, TimedStream};
use super::{health, problem};
use crate::config::ConnectionLimits;
use crate::serve::tls::{self, Certified, Tls};
use crate::telemetry;

/// Most bytes of a request's head, and of an answer's part that waits to be written.
const BUFFER_BYTES: usize = 32 * 1024;
/// An evicted connection has so long to send what remains of its last answer.
const FAREWELL: Duration = Duration::from_secs(1);
/// After the system refused a connection, because descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener with its limits, and a name for its metrics.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) name: &'static str,
    pub(super) socket: TcpListener,
    pub(super) limits: ConnectionLimits,
    /// None: whoever listens on the way can read all of it.
    pub(super) tls: Option<Tls>,
}

/// What the connections of a listener share.
struct Shared {
    listener: &'static str,
    limits: ConnectionLimits,
    tls: Option<Tls>,
    places: Mutex<Places>,
    router: TowerToHyperService<Router>,
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Answers until `shutdown`, then finishes what was asked, for `drain` at most.
pub(super) async fn serve(listener: Listener, router: Router, shutdown: impl Future<Output = ()>, drain: Duration) {
    let Listener { name, socket, limits, tls } = listener;
    let places = Mutex::new(Places::new(limits.max, limits.max_per_peer));
    let shared = Arc::new(Shared { listener: name, limits, tls, places, router: TowerToHyperService::new(router) });
    let (stop, stopped) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => admit(&shared, stream, peer.ip().to_canonical(), &stopped),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(listener = name, %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((socket, stopped));
    stop.send_replace(true);
    // Each connection holds a receiver while it lasts.
    let _ = tokio::time::timeout(drain, stop.closed()).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn admit(shared: &Arc<Shared>, stream: TcpStream, peer: IpAddr, stopped: &watch::Receiver<bool>) {
    let entered = shared.places().enter(peer);
    match entered {
        Some(entered) => drop(tokio::spawn(answer(shared.clone(), stream, Peer(peer), entered, stopped.clone()))),
        None => telemetry::count_connection(shared.listener, "refused"),
    }
    telemetry::set_connections(shared.listener, shared.places().held());
}

/// Gives the place back, however the connection ends.
struct Place {
    shared: Arc<Shared>,
    id: ConnectionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = {
            let mut places = self.shared.places();
            places.leave(self.id);
            places.held()
        };
        telemetry::set_connections(self.shared.listener, held);
    }
}

/// Answers the requests of one connection.
async fn answer(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: Peer,
    entered: Entered,
    mut stopped: watch::Receiver<bool>,
) {
    let Entered { id, lane, mut evicted } = entered;
    let place = Place { shared: shared.clone(), id };
    let stage = Arc::new(Stage::new());
    // Answers are small or sent in large parts: waiting for more to send with it only costs time.
    let _ = stream.set_nodelay(true);
    let secured = tokio::select! {
        secured = secured(&shared, stream) => secured,
        Ok(()) = &mut evicted => {
            telemetry::count_connection(shared.listener, "evicted");
            None
        }
        () = until(&mut stopped) => None,
    };
    let Some((stream, certified)) = secured else { return };
    let io = TokioIo::new(TimedStream::new(stream, stage.clone(), &shared.limits));
    let service = service_fn({
        let (shared, stage) = (shared.clone(), stage.clone());
        move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            if let Some(certified) = &certified {
                request.extensions_mut().insert(certified.clone());
            }
            respond(Exchange::begin(&shared, id, &stage), request, lane)
        }
    });
    let connection = http1::Builder::new()
        // The stream has the time-outs.
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .keep_alive(lane == Lane::Full)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // The places outlive their connections, so it is said or never comes.
        Ok(()) = &mut evicted => {
            telemetry::count_connection(shared.listener, "evicted");
            connection.as_mut().graceful_shutdown();
            // Without a whole request there is nothing to finish.
            let farewell = if stage.owes_head() { Duration::ZERO } else { FAREWELL };
            tokio::time::timeout(farewell, connection).await.unwrap_or(Ok(()))
        }
        () = until(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if ended.is_err_and(|error| is_timeout(&error)) {
        telemetry::count_connection(shared.listener, "timeout");
    }
    drop(place);
}

/// What a connection is read from and written to.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// The stream as it is, or below TLS, and whom the client's certificate names. None where they do not come to an understanding in the
/// time that a request's head may take.
async fn secured(shared: &Shared, stream: TcpStream) -> Option<(Box<dyn Duplex>, Option<Arc<Certified>>)> {
    let Some(tls) = &shared.tls else { return Some((Box::new(stream), None)) };
    match tokio::time::timeout(shared.limits.header_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certified = tls::certified(&stream).map(Arc::new);
            Some((Box::new(stream), certified))
        }
        Ok(Err(_)) => {
            telemetry::count_connection(shared.listener, "no-tls");
            None
        }
        Err(_) => {
            telemetry::count_connection(shared.listener, "timeout");
            None
        }
    }
}

async fn until(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

fn is_timeout(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

async fn respond(
    exchange: Exchange,
    request: Request<Incoming>,
    lane: Lane,
) -> Result<Response<Measured>, std::convert::Infallible> {
    let shared = exchange.shared.clone();
    let whole = Whole { shared: shared.clone(), id: exchange.id };
    let response = if lane == Lane::Full || health::is_asked_by(&request) {
        shared.router.call(request.map(|body| Body::new(Received::new(body, whole)))).await?
    } else {
        telemetry::count_connection(shared.listener, "unserved");
        let detail = "too many connections are open, and all of them are busy".to_owned();
        let mut refused = problem::plain(503, "overloaded", "Too many connections", detail, request.uri());
        refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        refused
    };
    Ok(response.map(|body| Measured { body, _exchange: exchange }))
}

/// A request and its answer, from the request's head to the end of the answer's body.
struct Exchange {
    shared: Arc<Shared>,
    id: ConnectionId,
    stage: Arc<Stage>,
}

impl Exchange {
    fn begin(shared: &Arc<Shared>, id: ConnectionId, stage: &Arc<Stage>) -> Self {
        stage.answers();
        Exchange { shared: shared.clone(), id, stage: stage.clone() }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stage.is_idle();
        self.shared.places().waits(self.id);
    }
}

/// Makes its connection busy once the request is there: until then it only waits.
struct Whole {
    shared: Arc<Shared>,
    id: ConnectionId,
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.shared.places().is_busy(self.id);
    }
}

/// A request's body, with whose end the request is whole.
struct Received {
    body: Incoming,
    whole: Option<Whole>,
}

impl Received {
    fn new(body: Incoming, whole: Whole) -> Self {
        let whole = (!body.is_end_stream()).then_some(whole);
        Received { body, whole }
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.body.is_end_stream() || matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.whole = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, with which its exchange ends.
struct Measured {
    body: Body,
    _exchange: Exchange,
}

impl HttpBody for Measured {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
