//! How fast a backlog is taken in, alone and beside readers that ask without a pause: what intake can do, where the fixed rate of
//! the other measurements only shows whether it keeps up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::intake::{Look, look};
use crate::large::large_result;
use crate::postgres::{Format, Session};
use crate::readings::Reading;
use crate::stage::Stage;

/// Readers of each kind.
const READERS: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at the position.
const LOOK: Duration = Duration::from_millis(5);

/// Two backlogs that were taken in one after the other.
pub(crate) struct CaughtUp {
    pub(crate) readers: String,
    /// Events a second without readers.
    pub(crate) alone: f64,
    /// Events a second beside them.
    pub(crate) beside: f64,
}

/// What reads beside.
#[derive(Clone, Copy)]
pub(crate) enum Readers<'a> {
    Http(&'a Reading),
    LargeResults,
}

impl Stage {
    /// # Errors
    /// Where something fails or takes too long.
    pub(crate) fn catch_up(&mut self, readers: Readers<'_>) -> io::Result<CaughtUp> {
        let alone = self.take_backlog(None)?;
        let beside = self.take_backlog(Some(readers))?;
        let readers = match readers {
            Readers::Http(reading) => format!("{READERS} × {}", reading.name),
            Readers::LargeResults => "1 × large result".to_owned(),
        };
        Ok(CaughtUp { readers, alone, beside })
    }

    /// Events a second, from a tenth of the backlog to nine tenths.
    fn take_backlog(&mut self, readers: Option<Readers<'_>>) -> io::Result<f64> {
        self.daemon.decide("pause")?;
        let first = self.publisher()?.published();
        self.publish(self.options.backlog())?;
        let last = self.publisher()?.published();
        let (stage, is_over) = (&*self, AtomicBool::new(false));
        let looks = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            match readers {
                None => {}
                Some(Readers::Http(reading)) => {
                    threads.extend((0..READERS).map(|_| scope.spawn(|| stage.keep_asking(reading, &is_over))));
                }
                Some(Readers::LargeResults) => threads.push(scope.spawn(|| stage.keep_reading(&is_over))),
            }
            let resumed = scope.spawn(|| stage.daemon.decide("resume"));
            let looks = watch(stage, last);
            is_over.store(true, Ordering::Relaxed);
            for thread in threads.into_iter().chain([resumed]) {
                thread.join().map_err(|_| io::Error::other("a reader panicked"))??;
            }
            looks
        })?;
        let at = |tenths| looks.iter().find(|look| look.position >= first + (last - first) * tenths / 10);
        let (Some(from), Some(to)) = (at(1), at(9)) else { return Ok(0.0) };
        let seconds = (to.asked - from.asked).as_secs_f64();
        Ok(if seconds > 0.0 { (to.position - from.position) as f64 / seconds } else { f64::NAN })
    }

    fn keep_asking(&self, reading: &Reading, is_over: &AtomicBool) -> io::Result<()> {
        let (mut connection, mut request) = (Connection::open(self.daemon.http)?, Vec::new());
        while !is_over.load(Ordering::Relaxed) {
            request.clear();
            (reading.requests)(self.numbers.fetch_add(1, Ordering::Relaxed), &mut request);
            connection.ask_well(&request)?;
        }
        Ok(())
    }

    fn keep_reading(&self, is_over: &AtomicBool) -> io::Result<()> {
        let Some(address) = self.daemon.postgres else { return Ok(()) };
        let mut session = Session::open(address)?;
        while !is_over.load(Ordering::Relaxed) {
            session.rows(&large_result(self.numbers.fetch_add(1, Ordering::Relaxed)), Format::Binary)?;
        }
        Ok(())
    }
}

fn watch(stage: &Stage, last: u64) -> io::Result<Vec<Look>> {
    let (began, mut connection, mut looks) = (Instant::now(), Connection::open(stage.daemon.http)?, Vec::new());
    loop {
        let seen = look(&mut connection)?;
        looks.push(seen);
        if seen.position >= last {
            return Ok(looks);
        }
        if began.elapsed() > TIMEOUT {
            return Err(io::Error::other(format!("after {TIMEOUT:?} readers find {} of {last} events", seen.position)));
        }
        std::thread::sleep(LOOK);
    }
}
