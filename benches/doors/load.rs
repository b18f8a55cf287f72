//! Readers over HTTP: so many connections, each of which asks again once it is answered, or at a fixed rate of all together.
//!
//! A connection has a thread that waits for the kernel, so that a time ends when the answer is there and not when some loop
//! comes to it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::processes::processor_seconds;

/// Writes a request. It gets a number that no other request of the run has, so that requests differ where they are to.
pub(crate) type Requests = dyn Fn(u64, &mut Vec<u8>) + Send + Sync;

pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) requests: &'a Requests,
    pub(crate) connections: usize,
    /// Requests a second of all connections together; without it, as many as are answered.
    pub(crate) pace: Option<u64>,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    pub(crate) numbers: &'a AtomicU64,
    pub(crate) processes: Processes,
}

/// The processes beside this one.
#[derive(Clone, Copy)]
pub(crate) struct Processes {
    pub(crate) daemon: u32,
    pub(crate) nats: u32,
}

/// Seconds of a processor.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) daemon: f64,
    /// This process: readers, and the publisher while it publishes.
    pub(crate) clients: f64,
    pub(crate) nats: f64,
}

/// What was answered within the window.
pub(crate) struct Answered {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// How long each answer took, the shortest first.
    pub(crate) times: Vec<Duration>,
    pub(crate) usage: Usage,
}

impl Processes {
    /// # Errors
    /// Where one has ended.
    pub(crate) fn usage(self) -> io::Result<Usage> {
        Ok(Usage {
            daemon: processor_seconds(self.daemon)?,
            clients: processor_seconds(std::process::id())?,
            nats: processor_seconds(self.nats)?,
        })
    }
}

impl Usage {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            daemon: self.daemon - earlier.daemon,
            clients: self.clients - earlier.clients,
            nats: self.nats - earlier.nats,
        }
    }
}

impl Answered {
    pub(crate) fn seconds(&self) -> f64 {
        (self.ended - self.began).as_secs_f64()
    }

    pub(crate) fn a_second(&self) -> f64 {
        self.times.len() as f64 / self.seconds()
    }

    /// By the time of all the daemon's threads, whatever they did.
    pub(crate) fn a_second_of_a_core(&self) -> f64 {
        self.times.len() as f64 / self.usage.daemon.max(0.01)
    }
}

/// That of which so great a share is no greater, in milliseconds; none of nothing.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Option<f64> {
    let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).map(|time| time.as_secs_f64() * 1_000.0)
}

impl Load<'_> {
    /// # Errors
    /// Where an answer is none, or has another status than 200.
    pub(crate) fn run(&self) -> io::Result<Answered> {
        let began = Instant::now() + self.warm_up;
        let ended = began + self.window;
        std::thread::scope(|scope| {
            let reader = |index| scope.spawn(move || self.read(index, began, ended));
            let readers: Vec<_> = (0..self.connections).map(reader).collect();
            std::thread::sleep(began.saturating_duration_since(Instant::now()));
            let before = self.processes.usage()?;
            std::thread::sleep(ended.saturating_duration_since(Instant::now()));
            let usage = self.processes.usage()?.since(before);
            let mut times = Vec::new();
            for reader in readers {
                times.extend(reader.join().map_err(|_| io::Error::other("a reader panicked"))??);
            }
            times.sort_unstable();
            Ok(Answered { began, ended, times, usage })
        })
    }

    fn read(&self, index: usize, began: Instant, ended: Instant) -> io::Result<Vec<Duration>> {
        let mut connection = Connection::open(self.address)?;
        let pause = self.pace.map(|pace| Duration::from_secs_f64(self.connections as f64 / pace as f64));
        let (mut times, mut request) = (Vec::new(), Vec::new());
        // Connections with a pace do not ask all at the same time.
        let mut due = Instant::now() + pause.unwrap_or_default() * index as u32 / self.connections as u32;
        loop {
            request.clear();
            (self.requests)(self.numbers.fetch_add(1, Ordering::Relaxed), &mut request);
            let mut asked = Instant::now();
            if let Some(pause) = pause {
                if asked < due {
                    std::thread::sleep(due - asked);
                    asked = Instant::now();
                } else {
                    // Who is late because the answer before was counts that too, as a person who waits does.
                    asked = due;
                }
                due += pause;
            }
            connection.ask_well(&request)?;
            let answered = Instant::now();
            if answered >= ended {
                return Ok(times);
            }
            if answered >= began {
                times.push(answered - asked);
            }
        }
    }
}
