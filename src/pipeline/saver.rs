//! Writes checkpoints apart from the loop, one at a time, and tries each until it is durable.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::checkpoint::{CheckpointError, Checkpointer, DiskBytes, Draft, Stats};
use crate::progress::Cut;
use crate::read_model::search::PinHold;
use crate::state::Stores;

/// What the loop wants of the checkpoints' place.
pub(super) enum Job {
    /// A checkpoint to be written.
    Write {
        draft: Box<Draft>,
        cut: Cut,
        /// Keep the index files as they are until the checkpoint is durable.
        holds: Vec<PinHold>,
        /// Stores to be read back from it, for what begins with its state.
        read_back: BTreeSet<String>,
    },
    /// Nothing is new; only whether another writer has taken over.
    Confirm,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Saved {
    Done {
        cut: Cut,
        stats: Stats,
        took: Duration,
        /// What each generation occupies in it.
        disk: Arc<DiskBytes>,
        /// The stores that were asked for; as error, why they cannot be read.
        stores: Result<Stores, String>,
    },
    /// No other writer has taken over.
    Confirmed,
    /// It is tried again.
    Failed { message: String },
    /// Another writer has the data directory; nothing more is written.
    Fenced { message: String },
}

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Starts a thread that writes checkpoints until the jobs end or another writer has taken over. It has a runtime of its
/// own, so that a slow disk delays neither intake nor queries.
pub(super) fn spawn_saver(checkpointer: Checkpointer, jobs: mpsc::Receiver<Job>, results: mpsc::Sender<Saved>) {
    std::thread::spawn(move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(save(checkpointer, jobs, results)),
        // The runner notices that its checkpoints are not taken.
        Err(error) => tracing::error!(%error, "the checkpoint thread cannot start"),
    });
}

async fn save(mut checkpointer: Checkpointer, mut jobs: mpsc::Receiver<Job>, results: mpsc::Sender<Saved>) {
    while let Some(job) = jobs.recv().await {
        let mut pause = RETRY_FIRST;
        let saved = loop {
            match attempt(&mut checkpointer, &job).await {
                Ok(saved) => break saved,
                Err(error @ CheckpointError::Fenced { .. }) => break Saved::Fenced { message: error.to_string() },
                Err(error) => {
                    let message = chain(&error);
                    if results.send(Saved::Failed { message }).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        };
        // Only now may the index files change.
        if let Job::Write { holds, .. } = job {
            drop(holds);
        }
        let fenced = matches!(saved, Saved::Fenced { .. });
        if results.send(saved).await.is_err() || fenced {
            return;
        }
    }
}

async fn attempt(checkpointer: &mut Checkpointer, job: &Job) -> Result<Saved, CheckpointError> {
    match job {
        Job::Write { draft, cut, read_back, .. } => {
            let began = Instant::now();
            let stats = checkpointer.checkpoint(draft).await?;
            let took = began.elapsed();
            let stores = checkpointer.read_stores(read_back).await.map_err(|error| chain(&error));
            let disk = Arc::new(checkpointer.manifest().disk_bytes());
            Ok(Saved::Done { cut: cut.clone(), stats, took, disk, stores })
        }
        Job::Confirm => checkpointer.confirm().await.map(|()| Saved::Confirmed),
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
