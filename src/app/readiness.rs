//! Whether the daemon is ready, and what is wrong although it is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::state_limit::warning;
use crate::pipeline::RunnerStatus;
use crate::progress::{Phase, SourceState};
use crate::query::now_us;
use crate::read_model::catalog::{BuildState, Catalog};
use crate::serve::http::Readiness;

/// Between looks at sources that say nothing.
const READINESS: Duration = Duration::from_secs(1);

/// What others have found or declared.
pub(super) struct Found {
    /// Why the configuration was not reloaded.
    pub(super) problems: watch::Receiver<Vec<String>>,
    /// Projections whose rows are not what the batch gives, and by how many keys.
    pub(super) drift: watch::Receiver<BTreeMap<String, u64>>,
    pub(super) state_limit: watch::Receiver<Option<u64>>,
}

/// Publishes why the daemon is not ready (a source of which nothing was ever read was not reached yet), and what is wrong although
/// it serves: checkpoints that fail, projections, and sources that are paused, have halted or are not reached.
pub(super) async fn report_readiness(
    catalog: Catalog,
    readiness: Readiness,
    mut status: watch::Receiver<RunnerStatus>,
    found: Found,
) {
    let Found { mut problems, mut drift, mut state_limit } = found;
    // What is added while the daemon serves is no reason to send its readers away.
    let mut was_ready = false;
    let mut snapshots = catalog.subscribe();
    loop {
        let (reasons, warnings) = {
            let snapshot = snapshots.borrow_and_update();
            let status = status.borrow_and_update();
            let failure = status.checkpoint_failure.iter();
            let mut warnings: Vec<String> = failure
                .map(|failure| format!("checkpoints fail, so a restart would repeat what they lack: {failure}"))
                .collect();
            let problems = problems.borrow_and_update();
            warnings.extend(problems.iter().map(|problem| format!("the configuration was not reloaded: {problem}")));
            let drift = drift.borrow_and_update();
            warnings.extend(drift.iter().map(|(name, keys)| {
                format!("projection `{name}`: rows of {keys} keys are not what the batch gives; rebuild it")
            }));
            warnings.extend(warning(&snapshot, *state_limit.borrow_and_update()));
            let broken = snapshot.projections.values().filter_map(|one| Some((&one.name, one.error.as_ref()?)));
            warnings.extend(broken.map(|(name, error)| format!("projection `{name}`: {error}")));
            let failed = snapshot.projections.values().filter_map(|one| Some((&one.name, one.build.as_ref()?)));
            let failed = failed.filter(|(_, build)| build.state == BuildState::Failed);
            warnings.extend(failed.map(|(name, build)| {
                let why = build.message.as_deref().unwrap_or("the log has the reason");
                format!("projection `{name}` is not as it is declared, because its build has failed: {why}")
            }));
            let waiting = snapshot.projections.values().filter_map(|one| Some((&one.name, one.build.as_ref()?)));
            let waiting =
                waiting.filter(|(_, build)| matches!(build.state, BuildState::Shadowing | BuildState::RolledBack));
            warnings.extend(waiting.map(|(name, build)| {
                let why = build.message.as_deref().unwrap_or_default();
                format!("projection `{name}` is not as it is declared: {why}")
            }));
            let mut reasons = Vec::new();
            for (name, progress) in &snapshot.sources {
                let message = progress.message().unwrap_or("not connected yet");
                let was_reached = status.opened.contains(name) || progress.has_ended();
                // What a checkpoint has of it is served as it is.
                let has_rows = was_reached || progress.was_reached();
                match progress.state_at(now_us()) {
                    SourceState::Halted if has_rows => {
                        warnings.push(format!("source `{name}` has halted: {message}"));
                    }
                    SourceState::Halted => reasons.push(format!("source `{name}` has halted: {message}")),
                    // Somebody wants it so, and waiting would change nothing.
                    SourceState::Paused => warnings.push(format!("source `{name}` is {message}")),
                    _ if !has_rows => reasons.push(format!("source `{name}` was not reached yet: {message}")),
                    _ if !was_reached => warnings.push(format!("source `{name}` was not reached yet: {message}")),
                    SourceState::Disconnected => {
                        let message = progress.message().unwrap_or("nothing has been heard of it for some time");
                        warnings.push(format!("source `{name}` is disconnected: {message}"));
                    }
                    SourceState::Live | SourceState::Idle | SourceState::CatchingUp => {}
                }
            }
            let is_built = snapshot.projections.values().all(|one| one.state != Phase::Building);
            was_ready |= reasons.is_empty() && is_built;
            if was_ready {
                warnings.append(&mut reasons);
            }
            (reasons, warnings)
        };
        if was_ready {
            readiness.stay_ready();
        }
        readiness.set_warnings(warnings);
        if reasons.is_empty() {
            readiness.set_ready()
        } else {
            readiness.set_not_ready(reasons)
        }
        let changed = tokio::select! {
            changed = snapshots.changed() => changed,
            changed = status.changed() => changed,
            changed = problems.changed() => changed,
            changed = drift.changed() => changed,
            changed = state_limit.changed() => changed,
            // A source may fall silent without a word that would be published.
            () = tokio::time::sleep(READINESS) => Ok(()),
        };
        if changed.is_err() {
            return;
        }
    }
}
