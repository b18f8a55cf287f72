//! A daemon's ordinary work, and how long it takes: rows by their keys, and events until they can be read.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two of a kind.
const PAUSE: Duration = Duration::from_millis(5);

/// Latencies of one kind.
#[derive(Debug, Default)]
struct Latencies(Mutex<Vec<Duration>>);

impl Latencies {
    fn add(&self, one: Duration) {
        self.0.lock().unwrap().push(one);
    }

    fn take(&self) -> Percentiles {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap());
        all.sort_unstable();
        let at = |share: f64| all.get(((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1))).copied();
        Percentiles {
            count: all.len(),
            p50: at(0.5).unwrap_or_default(),
            p99: at(0.99).unwrap_or_default(),
            max: at(1.0).unwrap_or_default(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Percentiles {
    pub(super) count: usize,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

/// What was seen since it was last asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Rows by their keys.
    pub(super) reads: Percentiles,
    /// From an event's being written to its being answered.
    pub(super) intake: Percentiles,
    /// `/livez`.
    pub(super) health: Percentiles,
}

impl Seen {
    pub(super) fn print(&self, what: &str) {
        for (name, of) in [("point reads", self.reads), ("intake", self.intake), ("health", self.health)] {
            let Percentiles { count, p50, p99, max } = of;
            println!("{what:>14}: {name:<12} {count:>6}  p50 {p50:>9.2?}  p99 {p99:>9.2?}  max {max:>9.2?}");
        }
    }
}

/// Runs until it is dropped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    kinds: [Arc<Latencies>; 3],
}

impl Load {
    /// Asks the daemon at `url` and adds lines to its file, which has `lines` already.
    pub(super) fn start(url: &str, file: PathBuf, lines: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let kinds: [Arc<Latencies>; 3] = Default::default();
        let position = Arc::new(AtomicU64::new(lines as u64));
        let mut appended = OpenOptions::new().append(true).open(file).unwrap();
        let write = move || {
            let n = position.fetch_add(1, Ordering::Relaxed);
            let line = format!("{{\"subject\":\"e.k{0}\",\"data\":{{\"id\":\"k{0}\",\"n\":{n}}}}}\n", n % 7);
            appended.write_all(line.as_bytes()).unwrap();
            format!("/v1/tables/seqs/{0}?minPosition=ev:{0}&wait=20s", n + 1)
        };
        let threads = vec![
            asking(url, &stop, &kinds[0], || "/v1/tables/seqs/7".to_owned()),
            asking(url, &stop, &kinds[1], write),
            asking(url, &stop, &kinds[2], || "/livez".to_owned()),
        ];
        Load { stop, threads, kinds }
    }

    pub(super) fn seen(&self) -> Seen {
        let [reads, intake, health] = &self.kinds;
        Seen { reads: reads.take(), intake: intake.take(), health: health.take() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the load failed");
        }
    }
}

fn asking(
    url: &str,
    stop: &Arc<AtomicBool>,
    latencies: &Arc<Latencies>,
    mut path: impl FnMut() -> String + Send + 'static,
) -> JoinHandle<()> {
    let (url, stop, latencies) = (url.to_owned(), stop.clone(), latencies.clone());
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            let path = path();
            let mut answer = agent.get(format!("{url}{path}")).call().unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            answer.body_mut().read_to_string().unwrap();
            latencies.add(began.elapsed());
            thread::sleep(PAUSE);
        }
    })
}
