//! Accepting connections, within limits of their number and of the time that each may take, whatever is spoken on them (ADR 18).

mod descriptors;
mod places;
mod timed_stream;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

pub use self::descriptors::within_descriptors;
pub(super) use self::places::Lane;
use self::places::{ConnectionId, Entered, Places};
pub(super) use self::timed_stream::{Stage, TimedStream};
use crate::config::ConnectionLimits;
use crate::serve::tls::Tls;
use crate::telemetry;

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
pub(super) struct Shared {
    pub(super) listener: &'static str,
    pub(super) limits: ConnectionLimits,
    pub(super) tls: Option<Tls>,
    places: Mutex<Places>,
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts how a connection ended, or why it did not begin.
    pub(super) fn count(&self, outcome: &'static str) {
        telemetry::count_connection(self.listener, outcome);
    }
}

/// A connection that was let in.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: IpAddr,
    pub(super) place: Place,
    /// Resolves when it has to go.
    pub(super) evicted: oneshot::Receiver<()>,
    /// Becomes true when the listener ends.
    pub(super) stopped: watch::Receiver<bool>,
}

/// The place of a connection, given back however the connection ends.
pub(super) struct Place {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: Lane,
    id: ConnectionId,
}

impl Place {
    /// A request has begun.
    pub(super) fn is_busy(&self) {
        self.shared.places().is_busy(self.id);
    }

    /// The answer is handed over.
    pub(super) fn waits(&self) {
        self.shared.places().waits(self.id);
    }
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

/// Has each connection answered by `answer` until `shutdown`, then gives those under way `drain` at most.
pub(super) async fn accept<F>(
    listener: Listener,
    answer: impl Fn(Connection) -> F,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let Listener { name, socket, limits, tls } = listener;
    let places = Mutex::new(Places::new(limits.max, limits.max_per_peer));
    let shared = Arc::new(Shared { listener: name, limits, tls, places });
    let (stop, stopped) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = peer.ip().to_canonical();
                let entered = shared.places().enter(peer);
                match entered {
                    Some(Entered { id, lane, evicted }) => {
                        let place = Place { shared: shared.clone(), lane, id };
                        let stopped = stopped.clone();
                        drop(tokio::spawn(answer(Connection { stream, peer, place, evicted, stopped })));
                    }
                    None => shared.count("refused"),
                }
                telemetry::set_connections(name, shared.places().held());
            }
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

/// Waits until the listener ends.
pub(super) async fn until(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}
