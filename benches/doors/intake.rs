//! Events that come in at a fixed rate, and how far behind readers find them.
//!
//! How far is seen from outside: a row by its key says which position it contains, and the publisher when it sent the event after
//! that.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::events::Events;
use crate::http::{Connection, get, number_after};
use crate::nats::Publisher;

/// Between two batches of the publisher.
const TICK: Duration = Duration::from_millis(5);
/// Of a batch of one who has fallen behind.
const BATCH_MAX: u64 = 1_000;
/// Batches that may be without an acknowledgement.
const AHEAD: usize = 20;
/// Between two looks at the position.
const LOOK: Duration = Duration::from_millis(10);

/// When which events were sent.
#[derive(Clone, Default)]
pub(crate) struct Published(Arc<Mutex<Vec<Batch>>>);

struct Batch {
    last: u64,
    sent: Instant,
}

impl Published {
    fn push(&self, batch: Batch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }

    /// How long before `now` the event after this position was sent; zero if it was not yet.
    fn age(&self, position: u64, now: Instant) -> Duration {
        let batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = batches.partition_point(|batch| batch.last <= position);
        batches.get(next).map_or(Duration::ZERO, |batch| now.saturating_duration_since(batch.sent))
    }

    /// Events that were sent between two moments, by the second.
    fn a_second(&self, began: Instant, ended: Instant) -> f64 {
        let batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = |moment| {
            batches[..batches.partition_point(|batch| batch.sent < moment)].last().map_or(0, |batch| batch.last)
        };
        (until(ended) - until(began)) as f64 / (ended - began).as_secs_f64()
    }
}

/// A publisher with a rate, on a thread of its own.
pub(crate) struct Intake {
    pub(crate) published: Published,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Publisher>>,
}

impl Intake {
    pub(crate) fn begin(publisher: Publisher, events: Arc<Events>, rate: u64) -> Self {
        let (published, is_over) = (Published::default(), Arc::new(AtomicBool::new(false)));
        let (log, over) = (published.clone(), is_over.clone());
        let thread = std::thread::spawn(move || publish(publisher, &events, rate, &log, &over));
        Self { published, is_over, thread }
    }

    /// Once everything is acknowledged.
    ///
    /// # Errors
    /// What the publisher failed with.
    pub(crate) fn end(self) -> io::Result<Publisher> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| io::Error::other("the publisher panicked"))?
    }
}

fn publish(
    mut publisher: Publisher,
    events: &Events,
    rate: u64,
    log: &Published,
    is_over: &AtomicBool,
) -> io::Result<Publisher> {
    let (began, first) = (Instant::now(), publisher.published());
    while !is_over.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        let count = (first + due - publisher.published()).min(BATCH_MAX);
        let sent = Instant::now();
        if count > 0 {
            log.push(Batch { last: publisher.published() + count, sent });
            publisher.publish(count, AHEAD, |number, body| events.write(number, body))?;
        }
        if count < BATCH_MAX {
            std::thread::sleep(TICK.saturating_sub(sent.elapsed()));
        }
    }
    publisher.settle(0)?;
    Ok(publisher)
}

/// What readers find while it lasts.
pub(crate) struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Vec<Look>>>,
}

/// What an answer contained that was asked for then.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) asked: Instant,
    pub(crate) position: u64,
}

/// What came in.
pub(crate) struct Seen {
    /// Events that were published in a second.
    pub(crate) published: f64,
    /// Events that became visible to readers in a second.
    pub(crate) visible: f64,
    /// How old the oldest event was that an answer did not contain, the least first.
    pub(crate) lags: Vec<Duration>,
}

impl Seen {
    /// The share of what was published that became visible, as the publisher is slowed down too by who takes the processors.
    pub(crate) fn kept_up(&self) -> f64 {
        self.visible / self.published
    }
}

impl Watch {
    pub(crate) fn begin(http: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut connection = Connection::open(http)?;
            let mut looks = Vec::new();
            while !over.load(Ordering::Relaxed) {
                looks.push(look(&mut connection)?);
                std::thread::sleep(LOOK);
            }
            Ok(looks)
        });
        Self { is_over, thread }
    }

    /// What was seen between two moments.
    ///
    /// # Errors
    /// Where the daemon did not answer.
    pub(crate) fn end(self, published: &Published, began: Instant, ended: Instant) -> io::Result<Seen> {
        self.is_over.store(true, Ordering::Relaxed);
        let looks = self.thread.join().map_err(|_| io::Error::other("the watch panicked"))??;
        let looks: Vec<Look> = looks.into_iter().filter(|look| (began..=ended).contains(&look.asked)).collect();
        let visible = match (looks.first(), looks.last()) {
            (Some(first), Some(last)) if last.asked > first.asked => {
                (last.position - first.position) as f64 / (last.asked - first.asked).as_secs_f64()
            }
            // A window in which hardly an answer came.
            _ => f64::NAN,
        };
        let mut lags: Vec<Duration> = looks.iter().map(|look| published.age(look.position, look.asked)).collect();
        lags.sort_unstable();
        Ok(Seen { published: published.a_second(began, ended), visible, lags })
    }
}

/// # Errors
/// Where the daemon does not answer.
pub(crate) fn look(connection: &mut Connection) -> io::Result<Look> {
    let asked = Instant::now();
    let answer = connection.ask_well(&get("/v1/tables/accounts/account-0000000"))?;
    let position = number_after(answer, "\"positions\":{\"bench\":");
    let position = position.ok_or_else(|| io::Error::other(String::from_utf8_lossy(answer).into_owned()))?;
    Ok(Look { asked, position })
}
