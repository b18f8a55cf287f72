//! Inputs that nobody wrote: whatever a publisher, a file or a reader sends, nothing panics, hangs or takes unbounded memory.
//!
//! Each target mutates seeds that are kept in `tests/fuzz/TARGET`: for two seconds in a normal run, for `FUZZ_SECONDS` in a
//! long one (`scripts/fuzz`). An input that fails is written among the seeds, where every later run begins with it.

mod events;
mod files;
mod headers;
mod mutation;
mod readers;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mutation::Mutator;
use xxhash_rust::xxh3::xxh3_64;

/// What a normal run takes for a target.
const SECONDS: u64 = 2;
/// An input that takes longer than this hangs, even on a loaded machine and without optimisation.
const HANGS_AFTER: Duration = Duration::from_secs(60);
/// What the memory of the process may grow by.
const MEMORY_MAX: u64 = 512 << 20;

/// Runs inputs of a target until the time is up. `words` are what inputs of this kind are made of.
fn fuzz(target: &str, words: &[&str], mut run: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(target);
    let seeds = seeds(&folder);
    let seed = std::env::var("FUZZ_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().expect("a number"));
    let seconds = std::env::var("FUZZ_SECONDS").map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    println!("{target}: FUZZ_SEED={seed}");
    let watch = Watch::start(folder);
    let memory = resident_bytes(std::process::id());
    let (mut mutator, began, mut count) = (Mutator::new(seeds.clone(), words, seed), Instant::now(), 0_u64);
    let mut seeds = seeds.into_iter();
    while began.elapsed() < Duration::from_secs(seconds) || seeds.len() > 0 {
        let input = seeds.next().unwrap_or_else(|| mutator.mutate());
        watch.begin(&input);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
            println!("the input is kept in {}", watch.keep(&input).display());
            resume_unwind(panic);
        }
        watch.end();
        count += 1;
        let grown = resident_bytes(std::process::id()).saturating_sub(memory);
        if grown > MEMORY_MAX {
            let kept = watch.keep(&input);
            panic!("{grown} bytes of memory more after {count} inputs, the last in {}", kept.display());
        }
    }
    println!("{target}: {count} inputs in {:?}", began.elapsed());
}

fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no seeds in {}", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

/// Ends the process if an input takes too long: a thread that hangs cannot be ended by itself.
struct Watch {
    folder: PathBuf,
    running: Arc<Mutex<Option<Running>>>,
}

struct Running {
    input: Vec<u8>,
    began: Instant,
}

impl Watch {
    fn start(folder: PathBuf) -> Self {
        let running = Arc::new(Mutex::new(None));
        let watch = Self { folder: folder.clone(), running: running.clone() };
        let observer = Self { folder, running };
        std::thread::spawn(move || {
            // The observer is the last owner once the target is done.
            while Arc::strong_count(&observer.running) > 1 {
                let running = observer.running.lock().expect("the input");
                if let Some(Running { input, began }) = running.as_ref()
                    && began.elapsed() > HANGS_AFTER
                {
                    eprintln!("an input hangs; it is kept in {}", observer.keep(input).display());
                    std::process::abort();
                }
                drop(running);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        watch
    }

    fn begin(&self, input: &[u8]) {
        *self.running.lock().expect("the input") = Some(Running { input: input.to_vec(), began: Instant::now() });
    }

    fn end(&self) {
        *self.running.lock().expect("the input") = None;
    }

    fn keep(&self, input: &[u8]) -> PathBuf {
        let path = self.folder.join(format!("found-{:016x}", xxh3_64(input)));
        std::fs::write(&path, input).expect("the input is written");
        path
    }
}

/// What a process holds in memory; 0 where the system does not say.
fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
