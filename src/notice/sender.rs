//! The connection that notices go over. It is begun once and made anew by itself; what cannot be sent meanwhile is not kept.

use std::time::Duration;

use tokio::time::timeout;

use super::Wanted;
use crate::config::Nats;
use crate::source::Publisher;

/// The first connection may take as long, so that what is parked at the start is told.
const CONNECT_LONGEST: Duration = Duration::from_secs(5);

/// Sends to one subject, if nothing speaks against it.
pub(super) struct Sender {
    wanted: Wanted,
    nats: Nats,
    publisher: Option<Publisher>,
    /// The stream that would take a notice, though a source reads all of it.
    taken_by: Option<String>,
    /// Why the connection could not be begun, as far as the log has it.
    failure: Option<String>,
}

impl Sender {
    pub(super) fn new(wanted: Wanted, nats: Nats) -> Self {
        Self { wanted, nats, publisher: None, taken_by: None, failure: None }
    }

    /// Begins the connection, and waits a little for it.
    pub(super) async fn connect(&mut self) {
        if let Some(publisher) = self.begun().await {
            // Without it the first notices are dropped and summed up later.
            let _ = timeout(CONNECT_LONGEST, publisher.connected()).await;
        }
    }

    /// Asks the server whether a stream takes the subject that a source reads whole. Each notice would become an event, and be parked
    /// in its turn.
    pub(super) async fn look_where_it_goes(&mut self) {
        let subject = self.wanted.subject.clone();
        let Some(publisher) = self.begun().await else { return };
        let taken_by = publisher.stream_of(&subject).await.filter(|stream| self.wanted.streams.contains(stream));
        if let Some(stream) = taken_by.as_ref().filter(|_| taken_by != self.taken_by) {
            tracing::error!(
                subject,
                stream,
                "no notice of parked events is sent, because a source reads the stream that takes them; choose another \
                 `parked.notify.subject`"
            );
        }
        self.taken_by = taken_by;
    }

    /// Whether it was handed to a server. Whether anybody has heard it nobody knows.
    pub(super) async fn send(&mut self, notice: Vec<u8>) -> bool {
        if self.taken_by.is_some() {
            return false;
        }
        let subject = self.wanted.subject.clone();
        match self.begun().await {
            Some(publisher) => publisher.publish(subject, notice).await,
            None => false,
        }
    }

    /// Logs what the server has refused, which it says after it was sent.
    pub(super) fn log_complaint(&self) {
        if let Some(complaint) = self.publisher.as_ref().and_then(Publisher::complaint) {
            tracing::warn!(
                subject = self.wanted.subject,
                error = complaint,
                "NATS refuses something of the notices of parked events"
            );
        }
    }

    async fn begun(&mut self) -> Option<&Publisher> {
        if self.publisher.is_none() {
            match Publisher::begin(&self.nats).await {
                Ok(publisher) => self.publisher = Some(publisher),
                Err(error) => {
                    let failure = error.to_string();
                    if self.failure.as_ref() != Some(&failure) {
                        tracing::error!(%error, "notices of parked events cannot be sent; they are dropped until that works");
                        self.failure = Some(failure);
                    }
                }
            }
        }
        self.publisher.as_ref()
    }
}
