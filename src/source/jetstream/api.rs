//! The requests to the JetStream API that reading needs, with only the facts that it uses from their answers.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, Subscriber};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::JetStreamOptions;
use super::flow::{self, Silence};
use super::pulls::{Pulls, Request};
use crate::source::connect::{Complaints, connect_and_hear};
use crate::source::{explain, jetstream_context};

/// An abandoned consumer disappears after this, or earlier where the stream wants it so.
const INACTIVE: Duration = Duration::from_secs(30);
const RECONNECT: Duration = Duration::from_secs(3);
/// Answers are waited for as long as bytes flow, so the client library's own time-out is out of the way.
const NO_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection, for one stream.
#[derive(Debug, Clone)]
pub(super) struct StreamApi {
    pub(super) client: Client,
    context: Context,
    stream: String,
    filter_subjects: Vec<String>,
    prefix: String,
    complaints: Complaints,
}

/// What the stream's leader says about the stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct StreamFacts {
    pub(super) created: String,
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct StreamConfig {
    /// `limits`, `workqueue` or `interest`.
    pub(super) retention: String,
    #[serde(default)]
    pub(super) max_msgs_per_subject: i64,
    #[serde(default)]
    pub(super) allow_msg_ttl: bool,
    #[serde(default)]
    pub(super) allow_rollup_hdrs: bool,
    #[serde(default)]
    pub(super) mirror: Option<Mirror>,
    #[serde(default)]
    pub(super) consumer_limits: ConsumerLimits,
}

/// The stream that this one copies, and what it leaves out of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Mirror {
    #[serde(default)]
    filter_subject: String,
    #[serde(default)]
    subject_transforms: Option<Vec<Value>>,
}

impl StreamConfig {
    /// Whether sequences are left out of the stream that it was never meant to hold.
    pub(super) fn is_filtered_mirror(&self) -> bool {
        let leaves_out = |mirror: &Mirror| !mirror.filter_subject.is_empty() || mirror.subject_transforms.is_some();
        self.mirror.as_ref().is_some_and(leaves_out)
    }
}

/// What the stream allows of its consumers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct ConsumerLimits {
    /// Nanoseconds; 0 if there is no limit.
    #[serde(default)]
    pub(super) inactive_threshold: u64,
}

impl ConsumerLimits {
    /// How long a consumer of ours is kept while nothing is heard of its reader.
    fn inactive(self) -> Duration {
        match self.inactive_threshold {
            0 => INACTIVE,
            limit => INACTIVE.min(Duration::from_nanos(limit)),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct StreamState {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    /// Deleted messages between the two.
    #[serde(default)]
    pub(super) num_deleted: u64,
    /// Their sequences, where they were asked for.
    #[serde(default)]
    pub(super) deleted: Option<Vec<u64>>,
}

/// A message as the stream stores it.
#[derive(Debug, Deserialize)]
pub(super) struct StoredMessage {
    pub(super) seq: u64,
    pub(super) subject: String,
    /// Both in base64.
    #[serde(default)]
    pub(super) hdrs: Option<String>,
    #[serde(default)]
    pub(super) data: Option<String>,
    /// RFC 3339.
    pub(super) time: String,
}

impl StoredMessage {
    /// Microseconds since the epoch; none if that cannot be read.
    pub(super) fn stored_at_us(&self) -> Option<i64> {
        chrono::DateTime::parse_from_rfc3339(&self.time).ok().map(|time| time.timestamp_micros())
    }
}

/// A consumer and what it sends.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) messages: Subscriber,
    pub(super) pulls: Pulls,
    /// Messages that it has yet to deliver, as far as it knows.
    pub(super) pending: u64,
    name: String,
    inbox: String,
    subject: String,
}

/// Whether a server can be reached over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Connected,
    /// The client library goes on trying.
    Away,
    /// It does not: its task has panicked, as it does over a lone `\r` in the value of a header
    /// (<https://github.com/nats-io/nats.rs/pull/1612>).
    Gone,
}

/// The first message from some sequence on that the source reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStored {
    NotAsked,
    Nothing,
    At(u64),
}

/// What the stream's leader says, in this order: first the stream, then what is stored from a sequence on. So whatever
/// the stream held when its last sequence was read has been looked at.
#[derive(Debug)]
pub(super) struct LeaderReply {
    pub(super) facts: StreamFacts,
    pub(super) next: NextStored,
}

/// Why a request failed: worth another try, in words for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ApiError(String);

impl StreamApi {
    pub(super) async fn connect(options: &JetStreamOptions) -> Result<Self, ApiError> {
        let complaints = Complaints::default();
        let connected = connect_and_hear(&options.nats, &complaints).await;
        let client = connected.map_err(|error| ApiError(explain(&error)))?;
        let mut context = jetstream_context(client.clone(), &options.nats);
        context.set_timeout(NO_TIMEOUT);
        Ok(Self {
            context,
            client,
            stream: options.stream.clone(),
            filter_subjects: options.filter_subjects.clone(),
            prefix: options.nats.api_prefix(),
            complaints,
        })
    }

    pub(super) async fn stream(&self) -> Result<StreamFacts, ApiError> {
        self.info(&json!({})).await
    }

    /// All that the stream's leader says about the stream.
    pub(super) async fn report(&self) -> Result<Value, ApiError> {
        self.info(&json!({})).await
    }

    pub(super) fn stream_name(&self) -> &str {
        &self.stream
    }

    /// The sequences of deleted messages behind `after`, in ascending order.
    pub(super) async fn deleted(&self, after: u64) -> Result<Vec<u64>, ApiError> {
        let facts: StreamFacts = self.info(&json!({"deleted_details": true})).await?;
        let mut deleted = facts.state.deleted.unwrap_or_default();
        deleted.retain(|sequence| *sequence > after);
        deleted.sort_unstable();
        Ok(deleted)
    }

    async fn info<T: DeserializeOwned>(&self, details: &Value) -> Result<T, ApiError> {
        match self.request(&format!("STREAM.INFO.{}", self.stream), details).await? {
            Response::Ok(facts) => Ok(facts),
            Response::Err { error } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                let stream = &self.stream;
                Err(ApiError(format!("stream `{stream}` does not exist; create it or fix `jetstream.stream`")))
            }
            Response::Err { error } => Err(ApiError(format!("stream `{}`: {error}", self.stream))),
        }
    }

    /// Requests the facts of the stream, and those of the first message stored from a sequence on.
    pub(super) async fn ask(self, from: Option<u64>) -> Result<LeaderReply, ApiError> {
        let facts = self.stream().await?;
        let next = match from {
            Some(sequence) => self.next_sequence(sequence).await?.map_or(NextStored::Nothing, NextStored::At),
            None => NextStored::NotAsked,
        };
        Ok(LeaderReply { facts, next })
    }

    /// What the server has said since the last call about what it does not do, such as a permission that is missing.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complaints.take()
    }

    /// Waits until the connection stands, for a few seconds.
    pub(super) async fn reach(&self) -> Reach {
        match timeout(RECONNECT, self.client.flush()).await {
            Ok(Ok(())) => Reach::Connected,
            Ok(Err(_)) => Reach::Gone,
            Err(_) => Reach::Away,
        }
    }

    /// The first stored message from `sequence` on that this source reads, according to the stream's leader. A consumer
    /// may run on a follower that has not heard of it yet, so its own count of pending messages proves nothing.
    async fn next_sequence(&self, sequence: u64) -> Result<Option<u64>, ApiError> {
        Ok(self.next_stored(sequence).await?.map(|message| message.seq))
    }

    /// The first stored message from `sequence` on that this source reads, whatever the client library makes of it.
    pub(super) async fn next_stored(&self, sequence: u64) -> Result<Option<StoredMessage>, ApiError> {
        let everything = [">".to_owned()];
        let filters = if self.filter_subjects.is_empty() { &everything[..] } else { &self.filter_subjects };
        let mut first: Option<StoredMessage> = None;
        for filter in filters {
            let found = self.stored(&json!({"seq": sequence, "next_by_subj": filter})).await?;
            first = match (first, found) {
                (Some(first), Some(found)) if found.seq >= first.seq => Some(first),
                (first, found) => found.or(first),
            };
        }
        Ok(first)
    }

    /// The message at a sequence; none if it was deleted, or never stored.
    pub(super) async fn message(&self, sequence: u64) -> Result<Option<StoredMessage>, ApiError> {
        self.stored(&json!({"seq": sequence})).await
    }

    async fn stored(&self, which: &Value) -> Result<Option<StoredMessage>, ApiError> {
        #[derive(Deserialize)]
        struct Found {
            message: StoredMessage,
        }
        match self.request(&format!("STREAM.MSG.GET.{}", self.stream), which).await? {
            Response::Ok(Found { message }) => Ok(Some(message)),
            Response::Err { error } if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
            Response::Err { error } => Err(ApiError(format!("stream `{}`: {error}", self.stream))),
        }
    }

    /// A new consumer that delivers from `sequence` on, within what the stream allows.
    pub(super) async fn consume(
        &self,
        source: &str,
        sequence: u64,
        limits: ConsumerLimits,
    ) -> Result<Consumer, ApiError> {
        let inbox = self.client.new_inbox();
        let unique = inbox.rsplit('.').next().unwrap_or_default();
        let config = pull::Config {
            name: Some(format!("readside-{unique}")),
            description: Some(format!("readside source {source}")),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: sequence },
            ack_policy: AckPolicy::None,
            filter_subjects: self.filter_subjects.clone(),
            inactive_threshold: limits.inactive(),
            num_replicas: 1,
            memory_storage: true,
            ..Default::default()
        };
        let creation = self.context.create_consumer_on_stream(config, self.stream.as_str());
        let consumer = self
            .wait(creation)
            .await?
            .map_err(|error| ApiError(format!("no consumer on stream `{}`: {}", self.stream, explain(&error))))?;
        let info = consumer.cached_info();
        let messages = self.client.subscribe(format!("{inbox}.*")).await.map_err(|error| ApiError(explain(&error)))?;
        Ok(Consumer {
            messages,
            pulls: Pulls::new(info.config.max_batch, info.config.max_bytes, info.config.max_expires, Instant::now()),
            pending: info.num_pending,
            subject: format!("{}.CONSUMER.MSG.NEXT.{}.{}", self.prefix, self.stream, info.name),
            name: info.name.clone(),
            inbox,
        })
    }

    /// Sends whatever pull requests are due.
    pub(super) async fn pull(&self, consumer: &mut Consumer) -> Result<(), ApiError> {
        while let Some(request) = consumer.pulls.next_request() {
            self.send(consumer, &request).await?;
        }
        Ok(())
    }

    /// Removes a consumer without waiting for it; the server would do so itself after a while.
    pub(super) fn abandon(&self, consumer: Consumer) {
        let api = self.clone();
        tokio::spawn(async move { api.delete(&consumer).await });
    }

    /// Removes a consumer.
    pub(super) async fn delete(&self, consumer: &Consumer) {
        let subject = format!("CONSUMER.DELETE.{}.{}", self.stream, consumer.name);
        let answer: Result<Response<Value>, ApiError> = self.request(&subject, &json!({})).await;
        if let Err(error) = answer {
            tracing::debug!(%error, subject, "consumer left to expire");
        }
    }

    async fn send(&self, consumer: &Consumer, request: &Request) -> Result<(), ApiError> {
        let body = serde_json::to_vec(request).map_err(|error| ApiError(error.to_string()))?;
        let reply = format!("{}.{}", consumer.inbox, request.reply_token());
        self.client
            .publish_with_reply(consumer.subject.clone(), reply, body.into())
            .await
            .map_err(|error| ApiError(explain(&error)))
    }

    async fn request<T: DeserializeOwned>(&self, subject: &str, body: &Value) -> Result<Response<T>, ApiError> {
        let answer = self.wait(self.context.request(subject.to_owned(), body)).await?;
        answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => {
                ApiError("the server has no JetStream for this account or domain; enable it".to_owned())
            }
            _ => ApiError(explain(&error)),
        })
    }

    /// Waits for an answer for as long as bytes flow.
    async fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, ApiError> {
        match flow::answer(&self.client, &self.complaints, answer).await {
            Ok(answer) => Ok(answer),
            Err(silence) => {
                if silence == Silence::Connection {
                    self.reconnect().await;
                }
                Err(ApiError("the server does not answer".to_owned()))
            }
        }
    }

    /// Gives up a connection over which nothing comes any more.
    pub(super) async fn reconnect(&self) {
        if let Err(error) = self.client.force_reconnect().await {
            tracing::debug!(%error, "the connection is not given up");
        }
    }
}
