//! The task that reads a stream: connects, opens a consumer, hands over, and begins anew when anything is odd.

use std::time::Duration;

use async_nats::connection::State;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::api::{Answer, Api, ApiError, Consumer, NextStored};
use super::pulls::{HEARTBEAT, Notice};
use super::shelf::Shelf;
use super::{JetStreamOptions, convert, history, reply};
use crate::source::connect::shown;
use crate::source::{Identity, Input, Start};

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
enum Stop {
    /// A person has to mend it.
    Halted(String),
    /// The server or the stream is not there.
    Lost(String),
    /// The consumer is no good; a new one may be.
    Again(String),
    /// Nobody listens any more.
    Closed,
}

struct Reader {
    options: JetStreamOptions,
    inputs: mpsc::Sender<Input>,
    shelf: Shelf,
    identity: Option<Identity>,
    accept_gap: bool,
    api: Option<Api>,
    /// The disconnection that was reported last and still holds.
    reported: Option<String>,
}

/// One consumer's course.
struct Course {
    consumer: Consumer,
    expected_sequence: u64,
    /// When the consumer was last known to live.
    heard_at: Instant,
    message_at: Instant,
    asked_at: Instant,
    question: Option<BoxFuture<'static, Result<Answer, ApiError>>>,
    /// A stored message that was not delivered, and since when.
    missing: Option<(u64, Instant)>,
}

/// Reads until a person has to mend something or nobody listens.
pub(super) async fn read(options: JetStreamOptions, start: Start, inputs: mpsc::Sender<Input>) {
    let shelf = Shelf::new(options.limits, start.after);
    let Start { identity, accept_gap, .. } = start;
    let mut reader = Reader { options, inputs, shelf, identity, accept_gap, api: None, reported: None };
    let mut failures = 0;
    loop {
        let began = Instant::now();
        let stop = reader.session().await;
        failures = if began.elapsed() > RETRY_MAX { 0 } else { failures + 1 };
        if reader.report(stop, failures).await.is_err() {
            return;
        }
        sleep(RETRY_MIN.saturating_mul(1 << failures.min(8)).min(RETRY_MAX)).await;
    }
}

impl Reader {
    /// Reads with one consumer until something is odd.
    async fn session(&mut self) -> Stop {
        match self.open().await {
            Ok((api, mut course)) => {
                let stop = match self.follow(&api, &mut course).await {
                    Ok(never) => match never {},
                    Err(stop) => stop,
                };
                self.shelf.retreat();
                api.abandon(course.consumer);
                stop
            }
            Err(stop) => stop,
        }
    }

    /// Tells why reading stopped; an error ends the task.
    async fn report(&mut self, stop: Stop, failures: u32) -> Result<(), ()> {
        while self.shelf.is_ready() {
            let input = self.shelf.hand_over();
            self.inputs.send(input).await.map_err(drop)?;
        }
        match stop {
            Stop::Closed => Err(()),
            Stop::Halted(message) => {
                tracing::error!(source = self.options.name, message, "source halted");
                self.inputs.send(Input::Halted { message }).await.map_err(drop)?;
                Err(())
            }
            Stop::Again(message) if failures < QUIET_RETRIES => {
                tracing::warn!(source = self.options.name, message, "reading with a new consumer");
                Ok(())
            }
            Stop::Lost(message) | Stop::Again(message) => {
                if self.reported.as_ref() == Some(&message) {
                    return Ok(());
                }
                tracing::warn!(source = self.options.name, message, "source disconnected");
                self.reported = Some(message.clone());
                self.inputs.send(Input::Disconnected { message }).await.map_err(drop)
            }
        }
    }

    async fn open(&mut self) -> Result<(Api, Course), Stop> {
        let api = match &self.api {
            Some(api) => api.clone(),
            None => self.api.insert(Api::connect(&self.options).await?).clone(),
        };
        if !api.is_connected().await {
            return Err(self.connection_lost());
        }
        let facts = api.stream().await?;
        let after = self.shelf.covered();
        let start = Start { after, identity: self.identity.clone(), accept_gap: self.accept_gap };
        let resumed = history::resume(&self.options.stream, &start, &facts).map_err(Stop::Halted)?;
        let mut consumer = api.consume(&self.options.name, resumed.covered.saturating_add(1)).await?;
        api.pull(&mut consumer).await?;
        self.shelf.begin(resumed.covered, facts.state.last_seq, history::is_mutable(&facts.config));
        let identity = Identity::JetStream { created: facts.created };
        self.identity = Some(identity.clone());
        // Accepted once: what expires from now on is another gap.
        self.accept_gap = false;
        self.reported = None;
        let opened = Input::Opened { identity, last_sequence: facts.state.last_seq, gap: resumed.gap };
        self.inputs.send(opened).await.map_err(|_| Stop::Closed)?;
        Ok((api, Course::new(consumer)))
    }

    async fn follow(&mut self, api: &Api, course: &mut Course) -> Result<std::convert::Infallible, Stop> {
        let inputs = self.inputs.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.ask_if_due(api, course);
            tokio::select! {
                permit = inputs.reserve(), if self.shelf.is_ready() => {
                    permit.map_err(|_| Stop::Closed)?.send(self.shelf.hand_over());
                }
                message = course.consumer.messages.next(), if self.shelf.has_room() => {
                    self.take_run(course, message)?;
                    api.pull(&mut course.consumer).await?;
                }
                answer = answered(&mut course.question) => {
                    course.question = None;
                    self.take_answer(course, answer?)?;
                }
                _ = tick.tick() => self.look_around(api, course)?,
            }
        }
    }

    /// Takes a delivery and all that have already arrived behind it.
    fn take_run(&mut self, course: &mut Course, first: Option<async_nats::Message>) -> Result<(), Stop> {
        course.heard_at = Instant::now();
        let mut next = Some(first);
        let mut count = 0;
        while let Some(message) = next {
            let Some(message) = message else { return Err(Stop::Again("the subscription ended".to_owned())) };
            self.take(course, message)?;
            count += 1;
            // What is received here must be taken in the next round, so nothing is received for no round.
            next = match count < RUN && self.shelf.has_room() {
                // Outside tokio's budget, which would end a run after 128 messages.
                true => unconstrained(course.consumer.messages.next()).now_or_never(),
                false => None,
            };
        }
        Ok(())
    }

    fn take(&mut self, course: &mut Course, message: async_nats::Message) -> Result<(), Stop> {
        if let Some(status) = message.status {
            return match course.consumer.pulls.notice(status, &message) {
                Notice::Fine => Ok(()),
                Notice::Lost(why) => Err(Stop::Again(why)),
            };
        }
        let Some(delivery) = message.reply.as_deref().and_then(reply::parse) else {
            return Err(Stop::Again("a message came without its place in the stream".to_owned()));
        };
        if delivery.consumer_sequence != course.expected_sequence {
            let (expected, got) = (course.expected_sequence, delivery.consumer_sequence);
            return Err(Stop::Again(format!("messages were lost on the way: expected delivery {expected}, got {got}")));
        }
        course.expected_sequence += 1;
        course.message_at = course.heard_at;
        course.missing = None;
        course.consumer.pulls.received();
        self.shelf.put(&delivery, convert::message(message, &delivery));
        Ok(())
    }

    /// Asks the leader at intervals, and at once if something is held back for its answer.
    fn ask_if_due(&mut self, api: &Api, course: &mut Course) {
        let due = self.shelf.is_in_doubt() || course.asked_at.elapsed() >= self.interval();
        if course.question.is_some() || !due {
            return;
        }
        // What is stored behind the covered sequence is on its way while messages flow: no need to ask.
        let is_idle = self.shelf.is_empty() && course.message_at.elapsed() >= TICK;
        let from = (is_idle && !self.shelf.is_in_doubt()).then(|| self.shelf.covered().saturating_add(1));
        course.asked_at = Instant::now();
        self.shelf.ask();
        course.question = Some(api.clone().ask(from).boxed());
    }

    fn take_answer(&mut self, course: &mut Course, answer: Answer) -> Result<(), Stop> {
        let stream = &self.options.stream;
        history::still_readable(stream, self.identity.as_ref(), &answer.facts).map_err(Stop::Halted)?;
        let (first, last) = (answer.facts.state.first_seq, answer.facts.state.last_seq);
        let is_idle = course.message_at < course.asked_at;
        if is_idle && last < self.shelf.covered() {
            return Err(Stop::Halted(history::rewound(stream, self.shelf.covered(), last)));
        }
        let lost = |gap| Stop::Halted(history::expired(stream, gap));
        self.shelf.answer(first, last).map_err(lost)?;
        let through = match answer.next {
            NextStored::NotAsked => return Ok(()),
            NextStored::Nothing => last,
            NextStored::At(sequence) => last.min(sequence - 1),
        };
        // A message that has come since may be one that the answer does not know.
        if !is_idle {
            return Ok(());
        }
        self.shelf.confirm(first, through).map_err(lost)?;
        match answer.next {
            NextStored::At(sequence) => course.expect_soon(sequence),
            _ => Ok(()),
        }
    }

    fn look_around(&mut self, api: &Api, course: &mut Course) -> Result<(), Stop> {
        if api.client.connection_state() != State::Connected {
            return Err(self.connection_lost());
        }
        // While the shelf is full nobody listens to the consumer.
        if !self.shelf.has_room() {
            course.heard_at = Instant::now();
        }
        if course.heard_at.elapsed() > HEARTBEAT * 3 {
            return Err(Stop::Again("the consumer's heartbeat stopped".to_owned()));
        }
        Ok(())
    }

    /// Between questions to the leader: it alone can say that what a filter leaves out holds nothing for us, and a reader
    /// may be waiting for that.
    fn interval(&self) -> Duration {
        match self.options.filter_subjects.is_empty() {
            true => Duration::from_secs(1),
            false => Duration::from_millis(200),
        }
    }

    fn connection_lost(&self) -> Stop {
        Stop::Lost(format!("the connection to {} is lost; reconnecting", shown(&self.options.nats)))
    }
}

impl Course {
    fn new(consumer: Consumer) -> Self {
        let now = Instant::now();
        Self {
            consumer,
            expected_sequence: 1,
            heard_at: now,
            message_at: now,
            asked_at: now,
            question: None,
            missing: None,
        }
    }

    /// Notes that a stored message should come.
    fn expect_soon(&mut self, sequence: u64) -> Result<(), Stop> {
        match self.missing {
            Some((missing, since)) if missing == sequence => {
                if since.elapsed() > STALL {
                    return Err(Stop::Again(format!("the consumer does not deliver message {sequence}")));
                }
            }
            _ => self.missing = Some((sequence, Instant::now())),
        }
        Ok(())
    }
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Stop::Lost(error.to_string())
    }
}

/// The answer to the open question; never, if there is none.
async fn answered(question: &mut Option<BoxFuture<'static, Result<Answer, ApiError>>>) -> Result<Answer, ApiError> {
    match question {
        Some(question) => question.await,
        None => std::future::pending().await,
    }
}
