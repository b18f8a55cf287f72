//! What is there for the time of the run: the server, the daemon and who publishes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::daemon::Daemon;
use crate::events::Events;
use crate::http::Connection;
use crate::intake::{Intake, Seen, Watch};
use crate::load::{Answered, Load, Processes};
use crate::nats::{Publisher, Server};
use crate::options::{Options, Part};
use crate::processes::Folder;
use crate::readings::Reading;

/// Events of a batch while nobody reads.
const BATCH: u64 = 500;
/// Batches that may be without an acknowledgement.
const AHEAD: usize = 4;

pub(crate) struct Stage {
    pub(crate) options: Options,
    pub(crate) events: Arc<Events>,
    pub(crate) daemon: Daemon,
    pub(crate) numbers: AtomicU64,
    nats: Server,
    /// None while an intake has it.
    publisher: Option<Publisher>,
}

/// What was measured of a way of reading.
pub(crate) struct Measured {
    pub(crate) answered: Answered,
    /// What came in meanwhile, where something does.
    pub(crate) seen: Option<Seen>,
}

impl Stage {
    /// Everything is published, and found by readers.
    ///
    /// # Errors
    /// Where a program is missing or fails.
    pub(crate) fn set(options: Options, events: Arc<Events>, folder: &Folder) -> io::Result<Self> {
        let nats = Server::start(&folder.path().join("nats"))?;
        let mut publisher = nats.publisher(0)?;
        publisher.create_stream()?;
        let daemon = Daemon::start(folder.path(), &nats.url(), options.has(Part::Postgres))?;
        // Requests with the number 0 would leave out rows.
        let numbers = AtomicU64::new(1);
        let mut stage = Self { options, events, daemon, numbers, nats, publisher: Some(publisher) };
        let first = stage.events.first();
        stage.publish(first)?;
        stage.daemon.wait_for(first)?;
        Ok(stage)
    }

    pub(crate) fn processes(&self) -> Processes {
        Processes { daemon: self.daemon.id(), nats: self.nats.id() }
    }

    /// # Errors
    /// Where an intake has it.
    pub(crate) fn publisher(&mut self) -> io::Result<&mut Publisher> {
        self.publisher.as_mut().ok_or_else(|| io::Error::other("somebody else publishes"))
    }

    /// Publishes so many events as fast as the server takes them.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub(crate) fn publish(&mut self, count: u64) -> io::Result<()> {
        let events = self.events.clone();
        let publisher = self.publisher()?;
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            publisher.publish(batch, AHEAD, |number, body| events.write(number, body))?;
            left -= batch;
        }
        publisher.settle(0)
    }

    /// Begins to publish at the rate.
    ///
    /// # Errors
    /// As [`Stage::publisher`].
    pub(crate) fn begin_intake(&mut self) -> io::Result<Intake> {
        let published = self.publisher()?.published();
        self.publisher = None;
        // The server ends a connection that leaves its questions unanswered, as one does that has waited.
        Ok(Intake::begin(self.nats.publisher(published)?, self.events.clone(), self.options.rate))
    }

    /// # Errors
    /// What the publisher failed with, or the daemon.
    pub(crate) fn end_intake(&mut self, intake: Intake) -> io::Result<()> {
        let publisher = intake.end()?;
        let published = publisher.published();
        self.publisher = Some(publisher);
        self.daemon.wait_for(published)
    }

    /// Reads so for the time of a window.
    ///
    /// # Errors
    /// Where an answer is not what is expected.
    pub(crate) fn measure(&self, reading: &Reading, intake: Option<&Intake>) -> io::Result<Measured> {
        self.check(reading)?;
        let watch = intake.map(|_| Watch::begin(self.daemon.http));
        let load = Load {
            address: self.daemon.http,
            requests: &*reading.requests,
            connections: reading.connections,
            pace: reading.pace,
            warm_up: self.options.warm_up(),
            window: self.options.window,
            numbers: &self.numbers,
            processes: self.processes(),
        };
        let answered = load.run()?;
        let seen = match (watch, intake) {
            (Some(watch), Some(intake)) => Some(watch.end(&intake.published, answered.began, answered.ended)?),
            _ => None,
        };
        Ok(Measured { answered, seen })
    }

    /// What comes in while nobody reads, for the time of a window.
    ///
    /// # Errors
    /// Where the daemon does not answer.
    pub(crate) fn measure_alone(&self, intake: &Intake) -> io::Result<Measured> {
        let watch = Watch::begin(self.daemon.http);
        std::thread::sleep(self.options.warm_up());
        let (began, before) = (Instant::now(), self.processes().usage()?);
        std::thread::sleep(self.options.window);
        let (ended, usage) = (Instant::now(), self.processes().usage()?.since(before));
        let seen = Some(watch.end(&intake.published, began, ended)?);
        Ok(Measured { answered: Answered { began, ended, times: Vec::new(), usage }, seen })
    }

    fn check(&self, reading: &Reading) -> io::Result<()> {
        let mut request = Vec::new();
        (reading.requests)(self.numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed), &mut request);
        let mut connection = Connection::open(self.daemon.http)?;
        let answer = String::from_utf8_lossy(connection.ask_well(&request)?).into_owned();
        if answer.contains(&reading.expected) {
            return Ok(());
        }
        let asked = String::from_utf8_lossy(&request);
        Err(io::Error::other(format!("{asked}\nis answered without `{}`: {answer}", reading.expected)))
    }
}
