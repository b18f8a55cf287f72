//! The PostgreSQL protocol: psql, drivers and tools read as they read from PostgreSQL, under the same limits and policies as over HTTP.
//!
//! A connection only reads. Its session says how fresh answers have to be, by settings; its transaction may read one snapshot. An
//! answer is rendered whole, within the limits of all answers, before its first row is sent.

mod catalog;
mod connection;
mod conversation;
mod errors;
mod messages;
mod parameters;
mod rows;
mod session;
mod settings;
mod statements;
mod types;
mod values;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pgwire::api::{ConnectionManager, RandomPidSecretKeyGenerator};
use tokio::net::TcpListener;

use crate::config::Postgres;
use crate::serve::audit::Audit;
use crate::serve::auth::Gate;
use crate::serve::connections::{Listener, accept};
use crate::serve::http::CurrentApi;
use crate::serve::tls::Tls;

/// What all connections have in common. Cheap to clone.
#[derive(Clone)]
struct Door {
    api: CurrentApi,
    gate: Gate,
    audit: Audit,
    /// Of the queries that run, each by its connection's number and key.
    cancels: Arc<ConnectionManager>,
    keys: Arc<RandomPidSecretKeyGenerator>,
}

/// A bound listener that does not answer yet.
pub struct PostgresServer {
    listener: Listener,
    door: Door,
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresServer").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl PostgresServer {
    /// Answers those whom the gate lets in, and tells of the others.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn bind(config: &Postgres, api: CurrentApi, gate: Gate, audit: Audit) -> io::Result<Self> {
        let socket = TcpListener::bind(&config.listen).await?;
        let listener = Listener { name: "postgres", socket, limits: config.connections.clone(), tls: None };
        let (cancels, keys) = (Arc::new(ConnectionManager::new()), Arc::default());
        Ok(Self { listener, door: Door { api, gate, audit, cancels, keys } })
    }

    /// Speaks TLS, and nothing else.
    pub fn secured_by(self, tls: Tls) -> Self {
        Self { listener: Listener { tls: Some(tls), ..self.listener }, ..self }
    }

    /// # Errors
    /// Where the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.socket.local_addr()
    }

    /// Answers until `shutdown`, and tells each connection then that it ends.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let door = self.door;
        accept(self.listener, |connection| connection::answer(connection, door.clone()), shutdown, DRAIN).await;
    }
}

/// For connections to be told that they end.
const DRAIN: Duration = Duration::from_secs(3);
