//! The task that reads a stream: connects, opens a consumer, hands over, and begins anew when anything is odd.

use std::time::Duration;

use async_nats::Subscriber;
use async_nats::connection::State;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::api::{ApiError, Consumer, LeaderReply, NextStored, StreamApi};
use super::backlog::Backlog;
use super::convert::StoredError;
use super::flow::Flow;
use super::history::StreamFault;
use super::pulls::{HEARTBEAT, Notice};
use super::receive_buffer::ReceiveBuffer;
use super::{JetStreamOptions, convert, history, reply};
use crate::event::Evidence;
use crate::source::connect::shown;
use crate::source::{Input, Start, StreamIdentity};
use crate::telemetry::count_torn_batches;

/// Deliveries taken at once before looking around.
const RUN: usize = 4_096;
const TICK: Duration = Duration::from_millis(50);
/// A consumer that keeps a stored message to itself for this long is replaced.
const STALL: Duration = Duration::from_secs(2);
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Quick failures in a row before they are told as a disconnection.
const QUIET_RETRIES: u32 = 3;

/// Why reading stopped.
pub(super) enum StreamStop {
    /// A person has to mend it.
    Halted(StreamFault),
    /// The server or the stream is not there.
    Lost(String),
    /// The consumer is no good; a new one may be.
    Again(String),
    /// The receiver is gone.
    Closed,
}

/// Reads one stream, with one consumer after the other.
pub(super) struct StreamReader {
    pub(super) options: JetStreamOptions,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) buffer: ReceiveBuffer,
    pub(super) identity: Option<StreamIdentity>,
    /// Samples of what was handed over.
    pub(super) evidence: Evidence,
    /// Whether they were taken with another filter, so that messages may lie between them that are read now.
    pub(super) was_read_otherwise: bool,
    /// Whether what has vanished since is lost, and no reason to halt.
    pub(super) accepts_gap: bool,
    pub(super) has_had_consumer: bool,
    /// A message was met that the client library cannot take, and the log says so.
    pub(super) has_met_undeliverable: bool,
    pub(super) api: Option<StreamApi>,
    /// The disconnection that was reported last and still holds.
    pub(super) reported: Option<String>,
    /// The first sequence that the stream had when it was last asked, and the one that was told last.
    pub(super) retained: u64,
    pub(super) told_retained: u64,
}

/// One consumer, from its opening to the first oddity.
pub(super) struct ConsumerSession {
    consumer: Consumer,
    expected_sequence: u64,
    flow: Flow,
    /// When the consumer was last known to live.
    heard_at: Instant,
    message_at: Instant,
    asked_at: Instant,
    question: Option<BoxFuture<'static, Result<LeaderReply, ApiError>>>,
    /// What a consumer with a filter still has to deliver of what there was at its opening.
    backlog: Option<Backlog>,
    /// A stored message that was not delivered, and since when.
    missing: Option<(u64, Instant)>,
}

/// Reads until a person has to mend something or the receiver is gone.
pub(super) async fn read(options: JetStreamOptions, start: Start, inputs: mpsc::Sender<Input>) {
    let buffer = ReceiveBuffer::new(options.limits, start.after);
    let Start { identity, evidence, was_read_otherwise, accepts_gap, .. } = start;
    let mut reader = StreamReader {
        options,
        inputs,
        buffer,
        identity,
        evidence,
        was_read_otherwise,
        accepts_gap,
        has_had_consumer: false,
        has_met_undeliverable: false,
        api: None,
        reported: None,
        retained: 0,
        told_retained: 0,
    };
    let mut failures = 0;
    loop {
        let began = Instant::now();
        let covered = reader.buffer.covered();
        let stop = reader.session().await;
        let has_come_on = reader.buffer.covered() > covered || began.elapsed() > RETRY_MAX;
        failures = if has_come_on { 0 } else { failures + 1 };
        if reader.report(stop, failures).await.is_err() {
            return;
        }
        sleep(RETRY_MIN.saturating_mul(1 << failures.min(8)).min(RETRY_MAX)).await;
    }
}

impl StreamReader {
    /// Reads with one consumer until something is odd.
    async fn session(&mut self) -> StreamStop {
        match self.open().await {
            Ok((api, mut session)) => {
                let stop = match self.follow(&api, &mut session).await {
                    Ok(never) => match never {},
                    Err(stop) => stop,
                };
                self.buffer.retreat();
                api.abandon(session.consumer);
                stop
            }
            Err(stop) => stop,
        }
    }

    /// Reports to the runner why reading stopped; an error ends the task.
    async fn report(&mut self, stop: StreamStop, failures: u32) -> Result<(), ()> {
        while self.is_ready() {
            let input = self.hand_over();
            self.inputs.send(input).await.map_err(drop)?;
        }
        let complaint = self.api.as_ref().and_then(StreamApi::complaint);
        let with_complaint = |message: String| match complaint {
            Some(complaint) => format!("{message}; the server says: {complaint}"),
            None => message,
        };
        match stop {
            StreamStop::Closed => Err(()),
            StreamStop::Halted(fault) => {
                let (message, is_gap) = (fault.to_string(), fault.is_gap());
                self.inputs.send(Input::Halted { message, is_gap }).await.map_err(drop)?;
                Err(())
            }
            StreamStop::Again(message) if failures < QUIET_RETRIES => {
                let message = with_complaint(message);
                tracing::warn!(source = self.options.name, reason = message, "reading with a new consumer");
                Ok(())
            }
            StreamStop::Lost(message) | StreamStop::Again(message) => {
                let message = with_complaint(message);
                if self.reported.as_ref() == Some(&message) {
                    return Ok(());
                }
                self.reported = Some(message.clone());
                self.inputs.send(Input::Disconnected { message }).await.map_err(drop)
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.buffer.is_ready() || self.retained != self.told_retained
    }

    /// What the buffer hands over, of which samples are kept; before it, what the stream has let go of.
    fn hand_over(&mut self) -> Input {
        if self.retained != self.told_retained {
            self.told_retained = self.retained;
            return Input::Retains { first_sequence: self.retained };
        }
        let input = self.buffer.hand_over();
        count_torn_batches(self.buffer.take_torn());
        if let Input::Fetched { messages, .. } = &input {
            self.evidence.take(messages);
            self.was_read_otherwise = false;
        }
        input
    }

    async fn follow(
        &mut self,
        api: &StreamApi,
        session: &mut ConsumerSession,
    ) -> Result<std::convert::Infallible, StreamStop> {
        let inputs = self.inputs.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.ask_if_due(api, session);
            tokio::select! {
                permit = inputs.reserve(), if self.is_ready() => {
                    permit.map_err(|_| StreamStop::Closed)?.send(self.hand_over());
                }
                message = session.consumer.messages.next(), if self.buffer.has_room() => {
                    self.take_run(session, message)?;
                    api.pull(&mut session.consumer).await?;
                }
                answer = answered(&mut session.question) => {
                    session.question = None;
                    session.flow.leave_out();
                    let answer = answer?;
                    // What the server sent before it comes first.
                    if self.buffer.has_room() && let Some(message) = arrived(&mut session.consumer.messages) {
                        self.take_run(session, message)?;
                        api.pull(&mut session.consumer).await?;
                    }
                    self.take_answer(session, answer)?;
                }
                _ = tick.tick() => self.look_around(api, session).await?,
            }
        }
    }

    /// Takes a delivery and all that have already arrived behind it.
    fn take_run(
        &mut self,
        session: &mut ConsumerSession,
        first: Option<async_nats::Message>,
    ) -> Result<(), StreamStop> {
        session.heard_at = Instant::now();
        let mut next = Some(first);
        let mut count = 0;
        while let Some(message) = next {
            let Some(message) = message else { return Err(StreamStop::Again("the subscription ended".to_owned())) };
            self.take(session, message)?;
            count += 1;
            // What is received here must be taken in the next round, so nothing is received for no round.
            next = match count < RUN && self.buffer.has_room() {
                true => arrived(&mut session.consumer.messages),
                false => None,
            };
        }
        Ok(())
    }

    fn take(&mut self, session: &mut ConsumerSession, message: async_nats::Message) -> Result<(), StreamStop> {
        let delivery = message.reply.as_deref().and_then(reply::parse);
        // A publisher may have written a status too: only the server's own notices are no deliveries.
        if let (Some(status), None) = (message.status, &delivery) {
            return match session.consumer.pulls.notice(status, &message) {
                Notice::Fine => Ok(()),
                Notice::Lost(why) => Err(StreamStop::Again(why)),
            };
        }
        let Some(delivery) = delivery else {
            return Err(StreamStop::Again("a message came without its sequence in the stream".to_owned()));
        };
        if delivery.consumer_sequence != session.expected_sequence {
            let (expected, got) = (session.expected_sequence, delivery.consumer_sequence);
            return Err(StreamStop::Again(format!(
                "messages were lost on the way: expected delivery {expected}, got {got}"
            )));
        }
        session.expected_sequence += 1;
        session.message_at = session.heard_at;
        session.missing = None;
        session.consumer.pending = delivery.pending;
        session.consumer.pulls.received(message.length, session.heard_at);
        if let Some(backlog) = &mut session.backlog {
            backlog.deliver(delivery.stream_sequence);
        }
        self.buffer.put(&delivery, convert::message(message, &delivery));
        self.look_at_backlog(session);
        Ok(())
    }

    /// Notes what was deleted of the backlog, once the consumer has come past it.
    fn look_at_backlog(&mut self, session: &mut ConsumerSession) {
        let covered = self.buffer.covered();
        if let Some(backlog) = session.backlog.take_if(|backlog| backlog.is_over(covered))
            && let Some(loss) = backlog.lost()
        {
            self.buffer.lose(loss);
        }
    }

    /// Sends a question to the stream's leader at intervals, and at once if messages are held back for its answer.
    fn ask_if_due(&mut self, api: &StreamApi, session: &mut ConsumerSession) {
        let due = self.buffer.is_in_doubt() || session.asked_at.elapsed() >= self.interval();
        if session.question.is_some() || !due {
            return;
        }
        // What is stored behind the covered sequence is on its way while messages flow: no need to ask. The answer carries
        // the whole message.
        let is_on_its_way = session.consumer.pending > 0 && session.flow.is_steady(HEARTBEAT / 2);
        let is_idle = !self.buffer.has_messages() && session.message_at.elapsed() >= TICK && !is_on_its_way;
        let from = (is_idle && !self.buffer.is_in_doubt()).then(|| self.buffer.covered().saturating_add(1));
        session.asked_at = Instant::now();
        self.buffer.ask();
        session.question = Some(api.clone().ask(from).boxed());
    }

    fn take_answer(&mut self, session: &mut ConsumerSession, answer: LeaderReply) -> Result<(), StreamStop> {
        let stream = &self.options.stream;
        history::still_readable(stream, self.identity.as_ref(), &answer.facts).map_err(StreamStop::Halted)?;
        if self.identity.as_ref().is_some_and(|known| !known.is_of(&answer.facts.created)) {
            return Err(StreamStop::Again("the stream was created anew".to_owned()));
        }
        let (first, last) = (answer.facts.state.first_seq, answer.facts.state.last_seq);
        self.retained = first;
        let is_idle = session.message_at < session.asked_at;
        if is_idle && last < self.buffer.covered() {
            let (stream, read) = (stream.clone(), self.buffer.covered());
            return Err(StreamStop::Halted(StreamFault::Rewound { stream, read, last }));
        }
        // The consumer's heartbeat would have come before an answer to what was asked so much later.
        if session.asked_at > session.heard_at + HEARTBEAT * 3 {
            return Err(StreamStop::Again("the consumer's heartbeat stopped".to_owned()));
        }
        let lost = |gap| StreamStop::Halted(StreamFault::Expired { stream: stream.clone(), gap });
        self.buffer.answer(first, last).map_err(lost)?;
        let through = match answer.next {
            NextStored::NotAsked => return Ok(()),
            NextStored::Nothing => last,
            NextStored::At(sequence) => last.min(sequence - 1),
        };
        // A message that has come since may be one that the answer does not know.
        if !is_idle {
            return Ok(());
        }
        self.buffer.confirm(first, through).map_err(lost)?;
        self.look_at_backlog(session);
        match answer.next {
            NextStored::At(sequence) => session.expect_soon(sequence),
            NextStored::Nothing => {
                self.buffer.settle();
                Ok(())
            }
            NextStored::NotAsked => Ok(()),
        }
    }

    async fn look_around(&mut self, api: &StreamApi, session: &mut ConsumerSession) -> Result<(), StreamStop> {
        session.flow.look();
        if api.client.connection_state() != State::Connected {
            return Err(self.connection_lost());
        }
        // While the buffer is full the reader does not listen to the consumer.
        if !self.buffer.has_room() {
            session.heard_at = Instant::now();
        }
        if session.flow.has_reconnected() {
            return Err(StreamStop::Again("the connection was lost, and is there again".to_owned()));
        }
        if session.flow.is_dead() {
            api.reconnect().await;
            return Err(self.connection_lost());
        }
        Ok(())
    }

    /// Between questions to the leader: it alone can say that what a filter leaves out holds nothing for this source,
    /// and a query may be waiting for that.
    fn interval(&self) -> Duration {
        match self.options.filter_subjects.is_empty() {
            true => Duration::from_secs(1),
            false => Duration::from_millis(200),
        }
    }

    pub(super) fn connection_lost(&self) -> StreamStop {
        StreamStop::Lost(format!("the connection to {} is lost; reconnecting", shown(&self.options.nats)))
    }
}

impl ConsumerSession {
    pub(super) fn new(consumer: Consumer, flow: Flow, backlog: Option<Backlog>) -> Self {
        let now = Instant::now();
        Self {
            consumer,
            flow,
            expected_sequence: 1,
            heard_at: now,
            message_at: now,
            asked_at: now,
            question: None,
            backlog,
            missing: None,
        }
    }

    /// Notes that a stored message should come.
    fn expect_soon(&mut self, sequence: u64) -> Result<(), StreamStop> {
        match self.missing {
            Some((missing, since)) if missing == sequence => {
                // It would have come before this answer, however slow the link.
                if self.asked_at > since + STALL {
                    return Err(StreamStop::Again(format!("the consumer does not deliver message {sequence}")));
                }
            }
            _ => self.missing = Some((sequence, Instant::now())),
        }
        Ok(())
    }
}

impl From<StoredError> for StreamStop {
    fn from(error: StoredError) -> Self {
        StreamStop::Lost(error.to_string())
    }
}

impl From<ApiError> for StreamStop {
    fn from(error: ApiError) -> Self {
        StreamStop::Lost(error.to_string())
    }
}

/// A message that has come already. It is taken outside tokio's budget, which would end a run after 128 messages.
fn arrived(messages: &mut Subscriber) -> Option<Option<async_nats::Message>> {
    unconstrained(messages.next()).now_or_never()
}

/// The answer to the open question; never, if there is none.
async fn answered(
    question: &mut Option<BoxFuture<'static, Result<LeaderReply, ApiError>>>,
) -> Result<LeaderReply, ApiError> {
    match question {
        Some(question) => question.await,
        None => std::future::pending().await,
    }
}
