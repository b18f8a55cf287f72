//! How much has been asked of the server. Pure: it says when to ask for more, `reader` asks.
//!
//! Two requests are outstanding at most, each bounded in messages and bytes, so what is on the way to the reader is
//! bounded, and the next messages are already under way while the last ones are taken.

use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use serde::Serialize;

const BATCH: usize = 32_768;
/// Two of these stay below the 64 MiB at which a server, by default, disconnects a slow client.
const BATCH_BYTES: usize = 16 << 20;
const EXPIRES: Duration = Duration::from_secs(30);
/// The server says at least this often that a request still stands.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);

/// The requests of one consumer.
#[derive(Debug)]
pub(super) struct Pulls {
    batch: usize,
    expires: Duration,
    max_bytes: usize,
    /// Messages asked for and neither received nor given up by the server.
    outstanding: usize,
    /// The next message is larger than any request for bytes: ask for it alone, without a limit.
    oversize: bool,
}

/// The body of a pull request.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Request {
    batch: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
    /// Nanoseconds, as both durations on the wire.
    expires: u64,
    idle_heartbeat: u64,
}

/// What a message without payload from the server means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// All is well.
    Fine,
    /// This consumer is no longer any good.
    Lost(String),
}

impl Pulls {
    /// Limits that the server put on the consumer count where they are lower than ours; 0 is none.
    pub(super) fn new(max_batch: i64, max_bytes: i64, max_expires: Duration) -> Self {
        let lower = |ours: usize, theirs: i64| match usize::try_from(theirs) {
            Ok(theirs) if theirs > 0 => ours.min(theirs),
            _ => ours,
        };
        Self {
            batch: lower(BATCH, max_batch),
            max_bytes: lower(BATCH_BYTES, max_bytes),
            expires: if max_expires.is_zero() { EXPIRES } else { EXPIRES.min(max_expires) },
            outstanding: 0,
            oversize: false,
        }
    }

    /// The request to send now, if any. It counts as sent.
    pub(super) fn next_request(&mut self) -> Option<Request> {
        if self.oversize {
            // Only with nothing else outstanding is the next message the large one.
            if self.outstanding > 0 {
                return None;
            }
            self.outstanding = 1;
            return Some(self.request(1, None));
        }
        if self.outstanding > self.batch {
            return None;
        }
        self.outstanding += self.batch;
        Some(self.request(self.batch, Some(self.max_bytes)))
    }

    pub(super) fn received(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.oversize = false;
    }

    /// Takes a status message.
    pub(super) fn notice(&mut self, status: StatusCode, message: &Message) -> Notice {
        let description = message.description.as_deref().unwrap_or_default();
        let headers = message.headers.as_ref();
        match status.as_u16() {
            100 => Notice::Fine,
            // Expired, or the next message does not fit into the bytes that are left.
            404 | 408 => self.given_up(headers),
            409 if description.contains("MaxBytes") => {
                self.oversize |= number(headers, "Nats-Pending-Bytes") == Some(self.max_bytes);
                self.given_up(headers)
            }
            // All that was asked for has come; said only of requests that are limited in bytes.
            409 if description.contains("Batch Completed") => Notice::Fine,
            503 => Notice::Lost("the consumer is gone".to_owned()),
            code => Notice::Lost(format!("the server ended the consumer: {code} {description}")),
        }
    }

    fn given_up(&mut self, headers: Option<&HeaderMap>) -> Notice {
        let Some(pending) = number(headers, "Nats-Pending-Messages") else {
            return Notice::Lost("the server gave up a request without saying how much of it".to_owned());
        };
        self.outstanding = self.outstanding.saturating_sub(pending);
        Notice::Fine
    }

    fn request(&self, batch: usize, max_bytes: Option<usize>) -> Request {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // The server refuses a heartbeat of more than half the expiry.
        let heartbeat = HEARTBEAT.min(self.expires / 2);
        Request { batch, max_bytes, expires: nanoseconds(self.expires), idle_heartbeat: nanoseconds(heartbeat) }
    }
}

fn number(headers: Option<&HeaderMap>, name: &str) -> Option<usize> {
    headers?.get(name)?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn status(code: u16, description: &str, headers: &[(&str, &str)]) -> (StatusCode, Message) {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.insert(*name, *value));
        let status = StatusCode::from_u16(code).ok();
        let message = Message {
            subject: "inbox".into(),
            reply: None,
            payload: Default::default(),
            headers: Some(map),
            status,
            description: Some(description.to_owned()),
            length: 0,
        };
        (status.unwrap_or(StatusCode::OK), message)
    }

    #[test]
    fn two_requests_stand_at_a_time() {
        let mut pulls = Pulls::new(10, 0, Duration::ZERO);
        assert!(pulls.next_request().is_some() && pulls.next_request().is_some());
        assert_eq!(pulls.next_request(), None);
        (0..10).for_each(|_| pulls.received());
        assert!(pulls.next_request().is_some());
        assert_eq!(pulls.next_request(), None);
    }

    #[test]
    fn what_expires_is_asked_for_again() {
        let mut pulls = Pulls::new(10, 0, Duration::ZERO);
        while pulls.next_request().is_some() {}
        let (code, message) = status(408, "Request Timeout", &[("Nats-Pending-Messages", "10")]);
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        assert!(pulls.next_request().is_some());
    }

    #[test]
    fn a_message_larger_than_any_request_is_fetched_alone() {
        let mut pulls = Pulls::new(10, 1000, Duration::ZERO);
        while pulls.next_request().is_some() {}
        let refused = [("Nats-Pending-Messages", "10"), ("Nats-Pending-Bytes", "1000")];
        let (code, message) = status(409, "Message Size Exceeds MaxBytes", &refused);
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        assert_eq!(pulls.next_request(), None, "the other request may still deliver");
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        let alone = pulls.next_request().unwrap();
        assert_eq!((alone.batch, alone.max_bytes), (1, None));
        pulls.received();
        let normal = pulls.next_request().unwrap();
        assert_eq!((normal.batch, normal.max_bytes), (10, Some(1000)));
    }

    #[test]
    fn a_completed_request_changes_nothing() {
        let mut pulls = Pulls::new(10, 0, Duration::ZERO);
        while pulls.next_request().is_some() {}
        let (code, message) = status(409, "Batch Completed", &[("Nats-Pending-Messages", "0")]);
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        assert_eq!(pulls.next_request(), None);
    }

    #[test]
    fn a_deleted_consumer_is_lost() {
        let (code, message) = status(409, "Consumer Deleted", &[]);
        assert!(matches!(Pulls::new(0, 0, Duration::ZERO).notice(code, &message), Notice::Lost(_)));
    }
}
