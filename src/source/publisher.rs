//! A connection that only tells: it connects and reconnects by itself, keeps nothing for later, and no one waits for it for long.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, jetstream};
use tokio::time::timeout;

use super::connect::{Complaints, ConnectError, begin, jetstream_context};
use crate::config;

/// For anything that is asked or told.
const LONGEST: Duration = Duration::from_secs(2);
/// Between looks at whether there is a connection.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Publishes at most once: what there is no connection for is not sent, now or later.
pub struct Publisher {
    client: Client,
    jetstream: jetstream::Context,
    complaints: Complaints,
}

impl Publisher {
    /// Begins to connect, and does not wait for it.
    ///
    /// # Errors
    /// A file that the settings name cannot be read, or an address is none.
    pub async fn begin(nats: &config::Nats) -> Result<Self, ConnectError> {
        let complaints = Complaints::default();
        let client = begin(nats, &complaints).await?;
        Ok(Self { jetstream: jetstream_context(client.clone(), nats), client, complaints })
    }

    /// Waits until there is a connection.
    pub async fn connected(&self) {
        while !self.is_connected() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the message was handed to a server.
    pub async fn publish(&self, subject: String, message: Vec<u8>) -> bool {
        self.is_connected()
            && matches!(timeout(LONGEST, self.client.publish(subject, message.into())).await, Ok(Ok(())))
    }

    /// The stream that takes what is published to a subject, as far as the server tells.
    pub async fn stream_of(&self, subject: &str) -> Option<String> {
        if !self.is_connected() {
            return None;
        }
        timeout(LONGEST, self.jetstream.stream_by_subject(subject)).await.ok()?.ok()
    }

    /// What the server has last complained of, once.
    pub fn complaint(&self) -> Option<String> {
        self.complaints.take()
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }
}
