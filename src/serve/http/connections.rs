//! HTTP over the connections of a listener: one request after the other, each answered by the router.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
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
use tokio::net::TcpStream;

use super::held_body::HeldBody;
use super::{health, problem};
pub(super) use crate::serve::connections::Listener;
use crate::serve::connections::{Connection, Lane, Place, Shared, Stage, TimedStream, accept, until};
use crate::serve::tls::{self, Certified};

/// Most bytes of a request's head, and of an answer's part that waits to be written.
const BUFFER_BYTES: usize = 32 * 1024;
/// An evicted connection has so long to send what remains of its last answer.
const FAREWELL: Duration = Duration::from_secs(1);

type Routes = TowerToHyperService<Router>;

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Answers until `shutdown`, then finishes what was asked, for `drain` at most.
pub(super) async fn serve(listener: Listener, router: Router, shutdown: impl Future<Output = ()>, drain: Duration) {
    let routes = TowerToHyperService::new(router);
    accept(listener, |connection| answer(connection, routes.clone()), shutdown, drain).await;
}

/// Answers the requests of one connection.
async fn answer(connection: Connection, routes: Routes) {
    let Connection { stream, peer, place, mut evicted, mut stopped } = connection;
    let (place, peer) = (Arc::new(place), Peer(peer));
    let shared = place.shared.clone();
    let stage = Arc::new(Stage::new());
    // Answers are small or sent in large parts: waiting for more to send with it only costs time.
    let _ = stream.set_nodelay(true);
    let secured = tokio::select! {
        secured = secured(&shared, stream) => secured,
        Ok(()) = &mut evicted => {
            shared.count("evicted");
            None
        }
        () = until(&mut stopped) => None,
    };
    let Some((stream, certified)) = secured else { return };
    let io = TokioIo::new(TimedStream::new(stream, stage.clone(), &shared.limits));
    let service = service_fn({
        let (place, stage) = (place.clone(), stage.clone());
        move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            if let Some(certified) = &certified {
                request.extensions_mut().insert(certified.clone());
            }
            respond(Exchange::begin(&place, &stage), request, routes.clone())
        }
    });
    let connection = http1::Builder::new()
        // The stream has the time-outs.
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .keep_alive(place.lane == Lane::Full)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // The places outlive their connections, so it is said or never comes.
        Ok(()) = &mut evicted => {
            shared.count("evicted");
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
        shared.count("timeout");
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
            shared.count("no-tls");
            None
        }
        Err(_) => {
            shared.count("timeout");
            None
        }
    }
}

fn is_timeout(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

async fn respond(
    exchange: Exchange,
    request: Request<Incoming>,
    routes: Routes,
) -> Result<Response<HeldBody<Exchange>>, std::convert::Infallible> {
    let place = exchange.place.clone();
    let whole = Whole(place.clone());
    let response = if place.lane == Lane::Full || health::is_asked_by(&request) {
        routes.call(request.map(|body| Body::new(Received::new(body, whole)))).await?
    } else {
        place.shared.count("unserved");
        let detail = "too many connections are open, and all of them are busy".to_owned();
        let mut refused = problem::plain(503, "overloaded", "Too many connections", detail, request.uri());
        refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        refused
    };
    // The exchange ends with the answer's body.
    Ok(response.map(|body| HeldBody::new(body, exchange)))
}

/// A request and its answer, from the request's head to the end of the answer's body.
struct Exchange {
    place: Arc<Place>,
    stage: Arc<Stage>,
}

impl Exchange {
    fn begin(place: &Arc<Place>, stage: &Arc<Stage>) -> Self {
        stage.answers();
        Exchange { place: place.clone(), stage: stage.clone() }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stage.is_idle();
        self.place.waits();
    }
}

/// Makes its connection busy once the request is there: until then it only waits.
struct Whole(Arc<Place>);

impl Drop for Whole {
    fn drop(&mut self) {
        self.0.is_busy();
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
