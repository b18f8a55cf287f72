//! What reading a stream needs of it and of its server, tried one by one, and nothing left behind. Each request is made as
//! reading makes it.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::api::{Consumer, StreamApi, StreamFacts};
use super::history::{Known, Proof};
use super::reader::StreamStop;
use super::{JetStreamOptions, history, opening};
use crate::source::Start;

/// What is not permitted is not answered, and a complaint comes beside; after it no answer is waited for any longer than this.
const ANSWER_AFTER_COMPLAINT: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For messages of which the consumer says that it has them.
const DELIVERY_LONGEST: Duration = Duration::from_secs(5);

/// What reading asks of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamRequest {
    /// The stream's facts.
    Info,
    /// A stored message.
    Message,
    /// A consumer.
    Consumer,
    /// Messages of the consumer.
    Delivery,
}

impl StreamRequest {
    /// The subject that has to be permitted for it, below the prefix of JetStream's API.
    pub fn subject(self, stream: &str) -> String {
        match self {
            StreamRequest::Info => format!("STREAM.INFO.{stream}"),
            StreamRequest::Message => format!("STREAM.MSG.GET.{stream}"),
            StreamRequest::Consumer => format!("CONSUMER.CREATE.{stream}.>"),
            StreamRequest::Delivery => format!("CONSUMER.MSG.NEXT.{stream}.>"),
        }
    }
}

/// How a stream lets go of messages; zero or less is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StreamTerms {
    /// Nanoseconds.
    #[serde(default)]
    pub max_age: i64,
    #[serde(default)]
    pub max_msgs: i64,
    #[serde(default)]
    pub max_bytes: i64,
    #[serde(default)]
    pub max_msgs_per_subject: i64,
    /// `old` messages go when it is full, or `new` ones are refused.
    #[serde(default)]
    pub discard: String,
}

/// What it holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StreamStock {
    #[serde(default)]
    pub messages: u64,
    #[serde(default)]
    pub bytes: u64,
    #[serde(default)]
    pub first_seq: u64,
    #[serde(default)]
    pub last_seq: u64,
}

/// What was seen of a stream.
#[derive(Debug, Default)]
pub struct StreamSurvey {
    /// In the order in which they were made. What needs an earlier one that failed is not there.
    pub requests: Vec<(StreamRequest, Result<(), String>)>,
    /// Why it cannot be read, or not from where reading stands.
    pub fault: Option<String>,
    pub terms: Option<StreamTerms>,
    pub stock: Option<StreamStock>,
    /// How far the server's clock is ahead of this one, in microseconds, as near as the answer tells.
    pub clock_ahead_us: Option<i64>,
}

#[derive(Deserialize)]
struct Report {
    config: StreamTerms,
    state: StreamStock,
    /// RFC 3339: when the server has answered.
    #[serde(default)]
    ts: Option<String>,
}

/// Tries what reading from `start` on would ask.
///
/// # Errors
/// There is no connection, as a sentence.
pub async fn survey(options: &JetStreamOptions, start: &Start) -> Result<StreamSurvey, String> {
    let api = StreamApi::connect(options).await.map_err(|error| error.to_string())?;
    let mut survey = StreamSurvey::default();
    let facts = survey.facts(&api).await;
    if let Some(facts) = &facts {
        survey.fault = fault(&api, facts, start).await;
    }
    // Without facts it is tried as if there were messages: another permission may be missing as well.
    let first = survey.stock.as_ref().map_or(1, |stock| stock.first_seq.max(1));
    let is_there =
        facts.is_some() || survey.requests.iter().all(|(_, told)| told.as_ref().is_err_and(|why| is_refusal(why)));
    if !is_there {
        return Ok(survey);
    }
    let message = heard(&api, api.next_stored(first)).await;
    survey.requests.push((StreamRequest::Message, message.map(drop)));
    let limits = facts.as_ref().map(|facts| facts.config.consumer_limits).unwrap_or_default();
    let from = survey.stock.as_ref().map_or(1, |stock| stock.last_seq.max(1));
    match heard(&api, api.consume(&options.name, from, limits)).await {
        Ok(mut consumer) => {
            survey.requests.push((StreamRequest::Consumer, Ok(())));
            survey.requests.push((StreamRequest::Delivery, delivered(&api, &mut consumer).await));
            api.delete(&consumer).await;
        }
        Err(why) => survey.requests.push((StreamRequest::Consumer, Err(why))),
    }
    Ok(survey)
}

impl StreamSurvey {
    async fn facts(&mut self, api: &StreamApi) -> Option<StreamFacts> {
        let asked_us = now_us();
        let answer = heard(api, api.report()).await;
        let between_us = asked_us + (now_us() - asked_us) / 2;
        let parsed = answer.and_then(|value| {
            let facts: StreamFacts = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
            let report: Report = serde_json::from_value(value).map_err(|error| error.to_string())?;
            Ok((facts, report))
        });
        let (facts, Report { config, state, ts }) = match parsed {
            Ok(parsed) => parsed,
            Err(why) => {
                self.requests.push((StreamRequest::Info, Err(why)));
                return None;
            }
        };
        self.requests.push((StreamRequest::Info, Ok(())));
        let server = ts.and_then(|ts| chrono::DateTime::parse_from_rfc3339(&ts).ok());
        self.clock_ahead_us = server.map(|server| server.timestamp_micros() - between_us);
        (self.terms, self.stock) = (Some(config), Some(state));
        Some(facts)
    }
}

/// What keeps reading from going on, as an opening finds it.
async fn fault(api: &StreamApi, facts: &StreamFacts, start: &Start) -> Option<String> {
    let proof = opening::prove(api, &start.evidence, start.after, start.was_read_otherwise, facts.state.first_seq);
    let proof = match heard(api, async { proof.await.map_err(told) }).await {
        Ok(proof) => proof,
        // The permission that it needs is looked at by itself.
        Err(_) => Proof::Nothing,
    };
    let known = Known {
        identity: start.identity.clone(),
        after: start.after,
        last_read: start.evidence.last_read(),
        proof,
        accepts_gap: start.accepts_gap,
    };
    history::resume(api.stream_name(), &known, facts).err().map(|fault| fault.to_string())
}

fn told(stop: StreamStop) -> String {
    match stop {
        StreamStop::Halted(fault) => fault.to_string(),
        StreamStop::Lost(why) | StreamStop::Again(why) => why,
        StreamStop::Closed => String::new(),
    }
}

/// Asks a consumer for messages. One that has none is only asked.
async fn delivered(api: &StreamApi, consumer: &mut Consumer) -> Result<(), String> {
    heard(api, api.pull(consumer)).await?;
    let has_some = consumer.pending > 0;
    let arriving = async {
        match consumer.messages.next().await {
            Some(_) => Ok(()),
            None => Err("the connection has ended".to_owned()),
        }
    };
    let longest = if has_some { DELIVERY_LONGEST } else { ANSWER_AFTER_COMPLAINT * 3 };
    match timeout(longest, heard(api, arriving)).await {
        Ok(told) => told,
        Err(_) if has_some => Err("the consumer has messages and does not deliver them".to_owned()),
        Err(_) => Ok(()),
    }
}

/// The answer, or what the server has complained of in the place of one.
async fn heard<T, E: ToString>(api: &StreamApi, answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    let complaint = async {
        loop {
            if let Some(complaint) = api.complaint() {
                sleep(ANSWER_AFTER_COMPLAINT).await;
                return complaint;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        answer = answer => answer.map_err(|error| error.to_string()),
        complaint = complaint => Err(complaint),
    }
}

/// Whether the server does not permit it.
fn is_refusal(why: &str) -> bool {
    why.to_ascii_lowercase().contains("permissions violation")
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
