//! Verifications beside everything else: a projection is recomputed in batch on a thread of its own, which gives way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::drift::Drift;
use super::streams::open;
use crate::config::Config;
use crate::pipeline::{Commands, Intake, Means, NoLoop, Observe, Subject, Verified};
use crate::plan::{Selected, program};
use crate::priority::give_way;
use crate::progress::SourceName;
use crate::serve::http::Refused;
use crate::state::KeyShare;
use crate::telemetry;

/// Verifications that run at the same time.
const AT_ONCE: usize = 1;

/// Which generation of a projection is verified.
pub(super) enum Which {
    Serving,
    /// What is built and waits, with all that is built together.
    Built {
        observers: mpsc::Sender<Observe>,
        together: Vec<String>,
    },
}

/// For a build to say where it stands: it does not while it has yet to come to the live cut.
const OBSERVE_LONGEST: Duration = Duration::from_secs(5);

/// Starts verifications.
#[derive(Clone)]
pub(super) struct Verifications {
    commands: Commands,
    turns: Arc<Semaphore>,
    drift: Arc<Drift>,
}

impl Verifications {
    pub(super) fn new(commands: Commands, drift: watch::Sender<BTreeMap<String, u64>>) -> Self {
        Self { commands, turns: Arc::new(Semaphore::new(AT_ONCE)), drift: Arc::new(Drift::new(drift)) }
    }

    /// What was found of a projection is of no more account: it was built again.
    pub(super) fn forget(&self, projection: &str) {
        self.drift.forget(projection);
    }

    /// Whether one runs or waits for its turn.
    pub(super) fn are_under_way(&self) -> bool {
        self.turns.available_permits() == 0
    }

    /// Verifies a share of the keys of a projection, and answers when that is done.
    pub(super) fn start(
        &self,
        (projection, which): (String, Which),
        share: KeyShare,
        config: Arc<Config>,
        reply: oneshot::Sender<Result<Value, Refused>>,
    ) {
        let (this, readers) = (self.clone(), Handle::current());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let body = move || {
            give_way();
            let verified = match runtime {
                Ok(runtime) => runtime.block_on(this.verify(&projection, &which, share, &config, &readers)),
                Err(error) => Err(Refused::impossible(error.to_string())),
            };
            // An answer that is no more waited for is lost.
            let _ = reply.send(verified);
        };
        if let Err(error) = std::thread::Builder::new().name("verifier".to_owned()).spawn(body) {
            tracing::error!(%error, "a verification has no thread");
        }
    }

    async fn verify(
        &self,
        projection: &str,
        which: &Which,
        mut share: KeyShare,
        config: &Config,
        readers: &Handle,
    ) -> Result<Value, Refused> {
        let _turn = self.turns.acquire().await;
        let began = Instant::now();
        let not_compiled = |_| Refused::impossible("the running configuration does not compile any more".to_owned());
        let program = program(config).map_err(not_compiled)?;
        let planned = program.projections.iter().find(|planned| planned.config.name == projection);
        let planned = planned.map(|planned| (Selected::from(&planned.config), planned.compiled.schema.identity));
        let Some((selected, identity)) = planned else {
            let detail = format!("`{projection}` is no table and no search index, so it keeps nothing to be verified");
            return Err(Refused { status: 404, kind: "unknown-relation", title: "Unknown relation", detail });
        };
        let observed = match which {
            Which::Serving => self.commands.observe(projection).await.map_err(|NoLoop| Refused::ending())?,
            Which::Built { observers, .. } => observe(observers, projection).await.ok_or_else(|| {
                Refused::impossible(format!(
                    "what is built of `{projection}` has not come to the live cut, or has ended"
                ))
            })?,
        };
        let (verified, cut, generation) = match observed {
            Err(reason) => (Verified::NotVerifiable { reason }, None, 0),
            Ok(subject) if subject.identity != Some(identity) => {
                let reason = "what serves is not what is declared, which is built, or could not be".to_owned();
                (Verified::NotVerifiable { reason }, Some(subject.cut), subject.generation.number)
            }
            Ok(subject) => {
                let open = |name: &SourceName, intake: &Intake| {
                    let _within = readers.enter();
                    open(config, name, intake.progress.covered(), intake).map_err(|error| error.to_string())
                };
                let (cut, generation) = (subject.cut.clone(), subject.generation.number);
                share = subject.divided(share);
                let bytes_max = config.verify.memory_bytes;
                let means = Means { selected, scope: &program.scope(), open: &open, bytes_max };
                (subject.verify(&means, share).await, Some(cut), generation)
            }
        };
        let took = began.elapsed();
        if let Which::Serving = which {
            self.tell(projection, share, &verified, took);
        }
        let mut answer = serde_json::to_value(&verified).unwrap_or_default();
        answer["projection"] = json!(projection);
        answer["share"] = json!(share);
        answer["generation"] = json!(generation);
        answer["positions"] = json!(cut.map(|cut| cut.positions));
        answer["seconds"] = json!(took.as_secs_f64());
        if let Which::Built { together, .. } = which {
            answer["together"] = json!(together);
        }
        Ok(answer)
    }

    /// Takes account of what was found of what serves: in the log, in metrics and in readiness.
    fn tell(&self, projection: &str, share: KeyShare, verified: &Verified, took: Duration) {
        let label = match verified {
            Verified::Equal { rows } => {
                self.drift.is_equal(projection, share);
                telemetry::count_checked_rows(projection, *rows);
                tracing::info!(projection, %share, rows, "rows are what the batch gives");
                "equal"
            }
            Verified::Different { total, .. } => {
                self.drift.found(projection, share, *total);
                tracing::error!(
                    projection, %share, keys = total,
                    "rows are not what the batch gives; rebuild the projection"
                );
                "different"
            }
            Verified::NotVerifiable { reason } => {
                tracing::warn!(projection, %share, reason, "rows cannot be verified");
                "not-verifiable"
            }
        };
        telemetry::observe_check(projection, label, took);
    }
}

/// A projection of a build where that stands; as inner error, why nothing can be said of it. None if the build does not answer.
async fn observe(observers: &mpsc::Sender<Observe>, projection: &str) -> Option<Result<Box<Subject>, String>> {
    let (reply, answer) = oneshot::channel();
    let ask = async {
        observers.send(Observe { projection: projection.to_owned(), reply }).await.ok()?;
        answer.await.ok()
    };
    timeout(OBSERVE_LONGEST, ask).await.ok().flatten()
}
