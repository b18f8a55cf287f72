//! How much has been asked of the server. Pure: it says when to ask for more, `reader` asks.
//!
//! Two or three requests are outstanding, each bounded in messages and bytes, so what is on the way to the reader is
//! bounded, and the next messages are already under way while the last ones are taken.
//!
//! A request asks for as many bytes as came within half a second, so that on a slow link whatever else is asked of the
//! server is answered within about a second, and the server, which gives up a client that does not take within 10 s what
//! was sent, does not.

use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

const BATCH: usize = 32_768;
/// Three of these stay below the 64 MiB at which a server, by default, disconnects a slow client.
const BATCH_BYTES_MAX: usize = 16 << 20;
const BATCH_BYTES_MIN: usize = 64 << 10;
/// How long the bytes of a request should take to come.
const ROUND: Duration = Duration::from_millis(500);
const EXPIRES: Duration = Duration::from_secs(30);
/// The server says at least this often that a request still stands.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);

/// The requests of one consumer.
#[derive(Debug)]
pub(super) struct Pulls {
    batch: usize,
    expires: Duration,
    /// The bytes of the next request, and the most that one may have.
    bytes: usize,
    bytes_max: usize,
    /// Asked for and neither received nor given up by the server.
    outstanding: Amount,
    round: Round,
    /// The mean size of the messages of the last round; none before the first.
    mean: Option<usize>,
    /// The next message is larger than a request for bytes: ask for it alone, without a limit.
    oversize: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    messages: usize,
    bytes: usize,
}

/// The time in which the bytes of one request come.
#[derive(Debug)]
struct Round {
    began: Instant,
    received: Amount,
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
    pub(super) fn new(max_batch: i64, max_bytes: i64, max_expires: Duration, now: Instant) -> Self {
        let lower = |ours: usize, theirs: i64| match usize::try_from(theirs) {
            Ok(theirs) if theirs > 0 => ours.min(theirs),
            _ => ours,
        };
        let bytes_max = lower(BATCH_BYTES_MAX, max_bytes);
        Self {
            batch: lower(BATCH, max_batch),
            bytes: BATCH_BYTES_MIN.min(bytes_max),
            bytes_max,
            expires: if max_expires.is_zero() { EXPIRES } else { EXPIRES.min(max_expires) },
            outstanding: Amount::default(),
            round: Round { began: now, received: Amount::default() },
            mean: None,
            oversize: false,
        }
    }

    /// The request to send now, if any. It counts as sent.
    pub(super) fn next_request(&mut self) -> Option<Request> {
        if self.oversize {
            // Only with nothing else outstanding is the next message the large one.
            if self.outstanding.messages > 0 {
                return None;
            }
            self.outstanding = Amount { messages: 1, bytes: self.bytes };
            return Some(self.request(1, None));
        }
        // A request ends by its messages or by its bytes, and what is left of the other never comes.
        let Amount { messages, bytes } = self.outstanding;
        let likely = match self.mean {
            Some(mean) => {
                Amount { messages: messages.min(bytes / mean), bytes: bytes.min(messages.saturating_mul(mean)) }
            }
            None => self.outstanding,
        };
        let is_enough = likely.messages > self.batch
            || likely.bytes > self.bytes
            || messages > self.batch.saturating_mul(2)
            || bytes > self.bytes.saturating_mul(2);
        if is_enough {
            return None;
        }
        self.outstanding.messages += self.batch;
        self.outstanding.bytes += self.bytes;
        Some(self.request(self.batch, Some(self.bytes)))
    }

    /// Takes the arrival of a message, with its size as the server counts it.
    pub(super) fn received(&mut self, bytes: usize, now: Instant) {
        self.settle(Amount { messages: 1, bytes });
        self.oversize = false;
        self.round.received.messages += 1;
        self.round.received.bytes += bytes;
        let received = self.round.received;
        if received.bytes >= self.bytes {
            let elapsed = now.saturating_duration_since(self.round.began).max(Duration::from_millis(1));
            let wanted = received.bytes as f64 * ROUND.as_secs_f64() / elapsed.as_secs_f64();
            // Twice or half at a time: one round may have waited for something else than the link.
            let wanted = (wanted as usize).clamp(self.bytes / 2, self.bytes.saturating_mul(2));
            self.bytes = wanted.clamp(BATCH_BYTES_MIN.min(self.bytes_max), self.bytes_max);
            self.mean = Some((received.bytes / received.messages).max(1));
            self.round = Round { began: now, received: Amount::default() };
        }
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
                let asked = Request::bytes_of_reply(&message.subject);
                self.oversize |= asked.is_some() && asked == number(headers, "Nats-Pending-Bytes");
                self.given_up(headers)
            }
            // All messages that were asked for have come, of fewer bytes.
            409 if description.contains("Batch Completed") => self.given_up(headers),
            503 => Notice::Lost("the consumer is gone".to_owned()),
            code => Notice::Lost(format!("the server ended the consumer: {code} {description}")),
        }
    }

    fn given_up(&mut self, headers: Option<&HeaderMap>) -> Notice {
        let Some(messages) = number(headers, "Nats-Pending-Messages") else {
            return Notice::Lost("the server gave up a request without saying how much of it".to_owned());
        };
        self.settle(Amount { messages, bytes: number(headers, "Nats-Pending-Bytes").unwrap_or(0) });
        Notice::Fine
    }

    /// Where either is used up nothing is outstanding: the server says nothing of a request whose last byte was used.
    fn settle(&mut self, amount: Amount) {
        let messages = self.outstanding.messages.saturating_sub(amount.messages);
        let bytes = self.outstanding.bytes.saturating_sub(amount.bytes);
        self.outstanding = match messages == 0 || bytes == 0 {
            true => Amount::default(),
            false => Amount { messages, bytes },
        };
    }

    fn request(&self, batch: usize, max_bytes: Option<usize>) -> Request {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // The server refuses a heartbeat of more than half the expiry.
        let heartbeat = HEARTBEAT.min(self.expires / 2);
        Request { batch, max_bytes, expires: nanoseconds(self.expires), idle_heartbeat: nanoseconds(heartbeat) }
    }
}

impl Request {
    /// The last token of the subject to which the server answers. By it, the server's notices say of which request they are.
    pub(super) fn reply_token(&self) -> usize {
        self.max_bytes.unwrap_or(0)
    }

    fn bytes_of_reply(subject: &str) -> Option<usize> {
        subject.rsplit('.').next()?.parse().ok()
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
            subject: "inbox.65536".into(),
            reply: None,
            payload: Default::default(),
            headers: Some(map),
            status,
            description: Some(description.to_owned()),
            length: 0,
        };
        (status.unwrap_or(StatusCode::OK), message)
    }

    fn pulls(max_batch: i64, max_bytes: i64) -> Pulls {
        Pulls::new(max_batch, max_bytes, Duration::ZERO, Instant::now())
    }

    /// A server at the end of a link: it answers every request in full, as fast as the link carries it.
    struct Link {
        pulls: Pulls,
        now: Instant,
        /// The most bytes that ever were outstanding.
        most: usize,
    }

    impl Link {
        fn carry(&mut self, messages: usize, size: usize, bytes_per_s: usize) {
            for _ in 0..messages {
                while self.pulls.next_request().is_some() {}
                self.most = self.most.max(self.pulls.outstanding.bytes);
                self.now += Duration::from_secs_f64(size as f64 / bytes_per_s as f64);
                self.pulls.received(size, self.now);
            }
        }
    }

    fn link() -> Link {
        let now = Instant::now();
        Link { pulls: Pulls::new(0, 0, Duration::ZERO, now), now, most: 0 }
    }

    #[test]
    fn two_requests_stand_at_a_time() {
        let mut pulls = pulls(0, 0);
        assert!(pulls.next_request().is_some() && pulls.next_request().is_some());
        assert_eq!(pulls.next_request(), None);
        let now = Instant::now();
        (0..60).for_each(|_| pulls.received(1_000, now));
        assert_eq!(pulls.next_request(), None);
        (0..10).for_each(|_| pulls.received(1_000, now));
        assert!(pulls.next_request().is_some());
    }

    #[test]
    fn requests_that_end_by_their_messages_are_renewed_before_their_end() {
        let mut pulls = Pulls { mean: Some(10), ..pulls(1_000, 0) };
        while pulls.next_request().is_some() {}
        let now = Instant::now();
        (0..999).for_each(|_| pulls.received(10, now));
        assert_eq!(pulls.next_request(), None);
        pulls.received(10, now);
        assert!(pulls.next_request().is_some());
        assert_eq!(pulls.next_request(), None);
    }

    #[test]
    fn a_completed_request_gives_its_bytes_back() {
        let mut pulls = pulls(10, 0);
        while pulls.next_request().is_some() {}
        let now = Instant::now();
        (0..10).for_each(|_| pulls.received(100, now));
        assert_eq!(pulls.next_request(), None);
        let rest = [("Nats-Pending-Messages", "0"), ("Nats-Pending-Bytes", "64536")];
        let (code, message) = status(409, "Batch Completed", &rest);
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        assert!(pulls.next_request().is_some());
    }

    #[test]
    fn on_a_fast_link_requests_are_as_large_as_they_may_be() {
        let mut link = link();
        link.carry(60_000, 10_000, 1_000_000_000);
        assert_eq!(link.pulls.bytes, BATCH_BYTES_MAX);
    }

    #[test]
    fn on_a_slow_link_little_is_on_its_way() {
        let mut link = link();
        link.carry(6_000, 10_000, 1_000_000);
        assert!((400_000..600_000).contains(&link.pulls.bytes), "{}", link.pulls.bytes);
        assert!(link.most < 1_300_000, "{}", link.most);
    }

    #[test]
    fn requests_follow_a_link_that_changes() {
        let mut link = link();
        link.carry(6_000, 10_000, 100_000);
        let slow = link.pulls.bytes;
        link.carry(60_000, 10_000, 1_000_000_000);
        let fast = link.pulls.bytes;
        link.carry(10_000, 10_000, 100_000);
        assert_eq!((slow, fast, link.pulls.bytes), (BATCH_BYTES_MIN, BATCH_BYTES_MAX, BATCH_BYTES_MIN));
    }

    #[test]
    fn what_expires_is_asked_for_again() {
        let mut pulls = pulls(10, 0);
        while pulls.next_request().is_some() {}
        let (code, message) =
            status(408, "Request Timeout", &[("Nats-Pending-Messages", "10"), ("Nats-Pending-Bytes", "65536")]);
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        assert!(pulls.next_request().is_some());
        assert_eq!(pulls.next_request(), None);
    }

    #[test]
    fn a_request_whose_last_byte_was_used_is_not_waited_for() {
        let mut pulls = pulls(1_000, 0);
        while pulls.next_request().is_some() {}
        pulls.received(2 * BATCH_BYTES_MIN, Instant::now());
        assert!(pulls.next_request().is_some() && pulls.next_request().is_some());
    }

    #[test]
    fn a_message_larger_than_a_request_is_fetched_alone() {
        let mut pulls = pulls(10, 0);
        while pulls.next_request().is_some() {}
        let refused = [("Nats-Pending-Messages", "10"), ("Nats-Pending-Bytes", "65536")];
        let (code, message) = status(409, "Message Size Exceeds MaxBytes", &refused);
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        assert_eq!(pulls.next_request(), None, "the other request may still deliver");
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        let alone = pulls.next_request().unwrap();
        assert_eq!((alone.batch, alone.max_bytes), (1, None));
        pulls.received(100_000, Instant::now() + Duration::from_secs(10));
        let normal = pulls.next_request().unwrap();
        assert_eq!((normal.batch, normal.max_bytes), (10, Some(65_536)));
    }

    #[test]
    fn a_message_larger_than_what_is_left_of_a_request_is_not() {
        let mut pulls = pulls(10, 0);
        while pulls.next_request().is_some() {}
        let rest = [("Nats-Pending-Messages", "8"), ("Nats-Pending-Bytes", "700")];
        let (code, message) = status(409, "Message Size Exceeds MaxBytes", &rest);
        assert_eq!(pulls.notice(code, &message), Notice::Fine);
        let now = Instant::now();
        pulls.received(32_500, now);
        assert_eq!(pulls.next_request(), None);
        pulls.received(32_500, now);
        assert_eq!(pulls.next_request().unwrap().batch, 10);
    }

    #[test]
    fn a_deleted_consumer_is_lost() {
        let (code, message) = status(409, "Consumer Deleted", &[]);
        assert!(matches!(pulls(0, 0).notice(code, &message), Notice::Lost(_)));
    }
}
