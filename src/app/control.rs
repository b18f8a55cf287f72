//! The one that changes a daemon while it runs: it reads the configuration again, has the loop become what is declared, and
//! starts and ends builds. One request after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Reloading;
use super::builds::{Beginning, Builds, Contents, Running, pace};
use super::changes::{Changes, active_queries, fixed};
use super::declaration::Declaration;
use super::keepers::Keepers;
use super::notices::Notices;
use super::placing::waits;
use super::plan::Baseline;
use super::servers::rules;
use super::start::Parts;
use super::state_limit::StateLimit;
use super::streams::{opener, streams};
use super::verify::{Verifications, Which};
use crate::access::Policies;
use crate::checkpoint::Pause;
use crate::config::{Config, Loaded, Query};
use crate::lifecycle::{Actor, Decision};
use crate::pipeline::{Adaptation, BuildOutcome, Commands, Durable, NoLoop, StoredRollout};
use crate::plan::{Program, program, program_over};
use crate::serve::http::{AdminRequest, CurrentApi, Done, Refused, Reloaded};

mod building;
mod pausing;
mod rebuilding;
mod rollouts;
mod verifying;

use rebuilding::Rebuilt;

/// For a checkpoint to have what was done.
const DURABLE_LONGEST: Duration = Duration::from_secs(30);

/// What a daemon runs, and how it is changed.
pub(super) struct Control {
    config: Arc<Config>,
    commands: Commands,
    api: CurrentApi,
    builds: Builds,
    verifications: Verifications,
    ended: mpsc::UnboundedReceiver<(u64, BuildOutcome)>,
    running: Vec<Running>,
    /// Projections that are not there as they are declared.
    awaited: BTreeSet<String>,
    /// Whether something that waited for a paused one can be built.
    has_awaited: bool,
    /// Those that wait for a paused one.
    blocked: BTreeSet<String>,
    /// Views, each with what it reads.
    views: Vec<(String, Vec<String>)>,
    /// The queries that are answered.
    queries: BTreeMap<String, Query>,
    /// Why the configuration's files could not be taken, for readiness.
    problems: watch::Sender<Vec<String>>,
    /// When a projection is verified next, and which turn that is.
    next_check: Option<Instant>,
    turn: u64,
    /// What was replaced and is kept.
    keepers: Keepers,
    /// What was built before the start, until what is built now is known.
    stored: Vec<StoredRollout>,
    notices: Notices,
    state_limit: StateLimit,
    /// Whether it runs what its checkpoint said, and has to take what is declared by now.
    is_earlier: bool,
}

/// Who is told of what is found or wanted: readiness, and what sends notices.
pub(super) struct Told {
    pub(super) problems: watch::Sender<Vec<String>>,
    /// Projections whose rows are not what the batch gives, and by how many keys.
    pub(super) drift: watch::Sender<BTreeMap<String, u64>>,
    pub(super) notices: Notices,
    pub(super) state_limit: StateLimit,
}

impl Control {
    /// Starts what the start has found to build.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn new(
        parts: Parts,
        api: CurrentApi,
        Told { problems, drift, notices, state_limit }: Told,
    ) -> io::Result<Self> {
        let Parts { config, is_earlier, commands, indexes, build, kept, stored, views, blocked } = parts;
        let (builds, ended) = Builds::new(commands.clone(), indexes);
        let queries = config.queries.iter().map(|query| (query.name.clone(), query.clone())).collect();
        let mut control = Self {
            config: Arc::new(config),
            verifications: Verifications::new(commands.clone(), drift),
            commands,
            api,
            builds,
            ended,
            running: Vec::new(),
            awaited: BTreeSet::new(),
            has_awaited: false,
            blocked,
            views,
            queries,
            problems,
            next_check: None,
            turn: 0,
            keepers: Keepers::default(),
            stored,
            notices,
            state_limit,
            is_earlier,
        };
        control.awaited.clone_from(&control.blocked);
        control.turn = control.first_turn();
        control.plan_check();
        // What is paused goes on when somebody says so.
        for stored in kept.into_iter().filter(|stored| stored.entry.pause != Some(Pause::Paused)) {
            let (rollout, entry) = (stored.rollout, stored.entry.clone());
            control.go_on(rollout, &entry, Beginning::Restored(Box::new(stored)), None)?;
        }
        if let Some(build) = build {
            let contents = Contents {
                projections: build.definitions().collect(),
                sources: build.changed_sources().map(|name| (name.clone(), None)).collect(),
                inputs: build.inputs(),
                afresh: false,
                promotion: None,
            };
            control.awaited.extend(contents.projections.keys().cloned());
            control.build(Beginning::Begun(Box::new(build)), contents)?;
        }
        Ok(control)
    }

    /// Does what it is asked, until nobody asks any more.
    pub(super) async fn run(mut self, mut reloading: Reloading, mut requests: mpsc::Receiver<AdminRequest>) {
        // What cannot be taken is told as after any reload.
        let start = Actor { actor: Some("start".to_owned()), ..Actor::default() };
        if !self.is_earlier || self.reload(&reloading, &start).await.is_ok() {
            self.ask_again().await;
        }
        loop {
            if std::mem::take(&mut self.has_awaited) {
                // Where it cannot be, the loop has ended, or no checkpoint can be written; status says the latter.
                let _ = self.begin_what_is_awaited(&Actor::default()).await;
            }
            tokio::select! {
                () = at(self.next_check) => self.check(),
                () = at(self.keepers.next_end()) => self.end_expired().await,
                Some((id, outcome)) = self.ended.recv() => drop(self.build_ended(id, outcome)),
                Some(actor) = reloading.asked.recv() => drop(self.reload(&reloading, &actor).await),
                request = requests.recv() => match request {
                    Some(AdminRequest::Reload { actor, reply }) => {
                        // An answer that is no more waited for is lost.
                        let _ = reply.send(self.reload(&reloading, &actor).await);
                    }
                    Some(AdminRequest::Decide { decision, actor, reply }) => {
                        let _ = reply.send(self.decide(decision, &actor, &reloading).await);
                    }
                    Some(AdminRequest::Facts { reply }) => {
                        let _ = reply.send(self.baseline().await.map_err(|NoLoop| Refused::ending()));
                    }
                    Some(AdminRequest::Verify { projection, built, share, reply }) => {
                        match if built { self.built(&projection) } else { Ok(Which::Serving) } {
                            Ok(which) => self.verifications.start((projection, which), share, self.config.clone(), reply),
                            Err(refused) => drop(reply.send(Err(refused))),
                        }
                    }
                    Some(AdminRequest::Rebuild { projection, since_us, actor, reply }) => {
                        let _ = reply.send(self.rebuild(projection, since_us, &actor).await);
                    }
                    Some(AdminRequest::Abort { projection, actor, reply }) => {
                        let _ = reply.send(self.abort(projection, &actor).await);
                    }
                    Some(AdminRequest::Promote { projection, allow_breaking, actor, reply }) => {
                        let _ = reply.send(self.promote(&projection, allow_breaking, &actor).await);
                    }
                    Some(AdminRequest::RollBack { projection, actor, reply }) => {
                        let _ = reply.send(self.roll_back(&projection, &actor).await);
                    }
                    Some(AdminRequest::Replay { actor, reply }) => {
                        let _ = reply.send(self.replay_parked(&actor, &reloading).await);
                    }
                    Some(AdminRequest::Pause { projection, actor, reply }) => {
                        let _ = reply.send(self.pause(projection, &actor).await);
                    }
                    Some(AdminRequest::Resume { projection, actor, reply }) => {
                        let _ = reply.send(self.resume(projection, &actor).await);
                    }
                    Some(AdminRequest::Retire { projection, actor, reply }) => {
                        let _ = reply.send(self.retire(&projection, &actor).await);
                    }
                    None => return,
                },
            }
        }
    }

    /// What runs and what is declared, for who plans what comes next.
    async fn baseline(&self) -> Result<Value, NoLoop> {
        let baseline = Baseline { facts: self.commands.facts().await?, declaration: Declaration::of(&self.config) };
        Ok(serde_json::to_value(baseline).unwrap_or_default())
    }

    /// Reads the configuration again and becomes what it declares: all of it, or nothing where it is not valid.
    async fn reload(&mut self, reloading: &Reloading, actor: &Actor) -> Result<Reloaded, Refused> {
        let read = self.read_valid(reloading, actor).await?;
        self.take(read, actor).await
    }

    /// The configuration as it is declared now, if it is valid.
    async fn read_valid(&mut self, reloading: &Reloading, actor: &Actor) -> Result<(Config, Program), Refused> {
        let problems = match self.read(reloading).await {
            Ok(read) => return Ok(read),
            Err(problems) => problems,
        };
        let by = actor.actor.as_deref().unwrap_or("nobody by name");
        tracing::error!(by, problems = problems.len(), first = problems.first(), "the configuration cannot be taken");
        let detail = problems.join("\n");
        self.problems.send_replace(problems);
        Err(Refused { status: 422, kind: "invalid-configuration", title: "Invalid configuration", detail })
    }

    /// Becomes what was read.
    async fn take(&mut self, read: (Config, Program), actor: &Actor) -> Result<Reloaded, Refused> {
        let by = actor.actor.as_deref().unwrap_or("nobody by name");
        let became = self.become_declared(read, actor, &Rebuilt::default()).await;
        let (reloaded, durable) = became.map_err(|NoLoop| Refused::ending())?;
        self.problems.send_replace(Vec::new());
        tracing::info!(
            by,
            reason = actor.reason,
            revision = actor.revision,
            changes = reloaded.changes.len(),
            builds = reloaded.builds.len(),
            "configuration reloaded"
        );
        self.durable(durable.wait()).await?;
        Ok(reloaded)
    }

    /// Does what a person has decided, and what follows from it.
    async fn decide(&mut self, decision: Decision, by: &Actor, reloading: &Reloading) -> Result<Done, Refused> {
        let is_reset = matches!(decision, Decision::Reset(_));
        // What is kept stands where there is nothing any more.
        let of_no_use = match &decision {
            Decision::Reset(source) => self.keepers.reading(source),
            _ => Vec::new(),
        };
        // A build has a discarded event parked once more, or takes it; and it reads a source that is reset as it was.
        let reads_again = |running: &&Running| running.goes_on() && !running.contents.sources.is_empty();
        if matches!(decision, Decision::Discard(_)) && self.running.iter().any(|running| reads_again(&running)) {
            let detail = "a source is read again for a build; discard what is parked once that is done, or abort it";
            return Err(Refused::impossible(detail.to_owned()));
        }
        let ends_builds = is_reset && !self.running.is_empty();
        if is_reset {
            self.forget_stored(|_| true).await;
        }
        if ends_builds {
            self.running.drain(..).for_each(|running| _ = running.cancel());
        }
        let decided = self.durable(self.commands.decide(decision, by.clone())).await;
        let decided = decided.and_then(|told| told.map_err(Refused::impossible));
        if let Ok(detail) = &decided {
            tracing::info!(by = by.actor.as_deref().unwrap_or("nobody by name"), reason = by.reason, "{detail}");
        }
        if decided.is_ok() {
            self.let_go(of_no_use, by).await?;
        }
        // What read the source is built again, as it is declared; and so is what was ended for it, if it cannot be reset.
        let rebuilt =
            if ends_builds || is_reset && decided.is_ok() { self.reload(reloading, by).await.err() } else { None };
        let mut detail = decided?;
        if let Some(refused) = rebuilt {
            detail = format!("{detail}; nothing can be built before the configuration is valid: {}", refused.detail);
        }
        Ok(Done { detail })
    }

    /// The running configuration.
    async fn compiled(&self) -> Result<(Config, Program), Refused> {
        let config = Config::clone(&self.config);
        let compiled = tokio::task::spawn_blocking(move || {
            program_over(&config, &BTreeMap::new()).map(|program| (config, program))
        })
        .await;
        let internal = |detail: String| Refused { status: 500, kind: "internal", title: "Internal error", detail };
        match compiled {
            Ok(Ok(compiled)) => Ok(compiled),
            Ok(Err(_)) => Err(internal("the running configuration does not compile any more".to_owned())),
            Err(error) => Err(internal(error.to_string())),
        }
    }

    /// Ends the build of a projection, and of all that is built with it. What is there goes on.
    async fn abort(&mut self, name: String, by: &Actor) -> Result<Done, Refused> {
        let index = self.running.iter().position(|running| running.contents.projections.contains_key(&name));
        let not_built = || Refused::impossible(format!("`{name}` is not built"));
        let running = self.running.remove(index.ok_or_else(not_built)?);
        if !running.cancel() {
            return Err(not_built());
        }
        let names: Vec<String> = running.contents.projections.into_keys().collect();
        let who = by.actor.as_deref().map(|actor| format!(" by {actor}")).unwrap_or_default();
        let message = format!("it was ended{who}; reload, or `readside projection rebuild {name}`, begins it again");
        let told = format!("what is there goes on; not built any more: {}", names.join(", "));
        tracing::warn!(by = by.actor.as_deref().unwrap_or("nobody by name"), reason = by.reason, "{told}");
        self.durable(self.commands.end_build(names, message, Some(by.clone()))).await?;
        Ok(Done { detail: told })
    }

    /// The configuration as it is declared now, compiled. As error, the problems that it has.
    async fn read(&self, reloading: &Reloading) -> Result<(Config, Program), Vec<String>> {
        let (load, old) = (reloading.load.clone(), self.config.clone());
        let read = move || {
            let loaded = load().map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
            let Loaded { config, places, .. } = loaded;
            let fixed = fixed(&old, &config);
            if !fixed.is_empty() {
                return Err(fixed);
            }
            match program(&config) {
                Ok(program) => Ok((config, program)),
                Err(problems) => Err(problems.iter().map(|one| places.diagnostic(one).to_string()).collect()),
            }
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(vec![format!("internal error: {error}; please report it")]))
    }

    async fn become_declared(
        &mut self,
        (config, program): (Config, Program),
        by: &Actor,
        rebuilt: &Rebuilt,
    ) -> Result<(Reloaded, Durable), NoLoop> {
        let (mut facts, _) = self.replay(&config, by).await?;
        facts.is_start = std::mem::take(&mut self.is_earlier);
        self.hide(&config, program.policies.clone());
        let mut changes = Changes::new(&self.config, &config, program, &facts, &rebuilt.names);
        changes.groups.iter_mut().for_each(|group| rebuilt.place(group, &config, &facts));
        let config = Arc::new(config);
        let contents = changes.contents();
        let builds = contents.iter().map(|one| one.projections.keys().cloned().collect()).collect();
        let waits = changes.groups.iter().filter_map(waits).collect();
        self.awaited.clone_from(&changes.declared.awaited);
        self.blocked = changes.declared.blocked.keys().cloned().collect();
        let begun = self.keep_running(&contents, &changes.declared.projections);
        changes.groups.iter_mut().for_each(|group| group.by.clone_from(by));
        let summary = changes.summary();
        let changed_sources = contents.iter().flat_map(|one| one.sources.keys().cloned());
        let adapted = self
            .commands
            .adapt(Adaptation {
                declared: changes.declared,
                parked: config.parked.clone(),
                pace: pace(&config),
                new_sources: changes.new_sources,
                moved_sources: changes.moved_sources,
                changed_sources: changed_sources.chain(changes.held_sources).collect(),
                open: opener(config.clone()),
                by: by.clone(),
                summary,
            })
            .await?;
        let is_paced_otherwise = self.config.verify != config.verify;
        self.notices.change(&config);
        self.state_limit.change(&config);
        self.config = config;
        if is_paced_otherwise {
            self.plan_check();
        }
        let declared: BTreeSet<&str> = self.config.projections.iter().map(|one| one.name.as_str()).collect();
        let undeclared = self.keepers.undeclared(&declared);
        self.keepers.end(&undeclared);
        if !undeclared.is_empty() {
            self.commands.retire(undeclared, by.clone()).await?;
        }
        self.views = changes.views;
        self.answer_queries();
        let mut begun = begun.into_iter();
        changes.groups.retain(|_| !begun.next().unwrap_or(false));
        self.begin(changes.groups).await?;
        self.forget_stored(|stored| stored.entry.asked.is_none()).await;
        Ok((Reloaded { changes: changes.told, builds, waits }, adapted))
    }

    /// Hides from readers what is hidden from now on, before anything else changes. Where others rows are built, what was hidden of those that
    /// serve meanwhile stays hidden too.
    fn hide(&self, config: &Config, policies: Policies) {
        let declared = config.projections.iter().map(|one| (one.name.as_str(), one.sql.as_str())).collect();
        let policies = policies.after(&self.api.rules().policies, &declared, &self.api.served());
        self.api.rule(rules(config, policies));
    }

    /// Waits until what was done is durable, though not for ever: others wait for their turn.
    async fn durable<T>(&self, done: impl Future<Output = Result<T, NoLoop>>) -> Result<T, Refused> {
        match timeout(DURABLE_LONGEST, done).await {
            Ok(done) => done.map_err(|NoLoop| Refused::ending()),
            Err(_) => {
                let detail =
                    "it is done, and no checkpoint has it yet, because none can be written; see /readyz".to_owned();
                Err(Refused { status: 503, kind: "not-durable", title: "Not durable yet", detail })
            }
        }
    }

    /// Lets new requests find the queries and limits that are declared, as far as what they read is there.
    fn answer_queries(&mut self) {
        let queries = active_queries(&self.queries, &self.config.queries, &self.views, &self.awaited);
        if let Err(error) = self.api.change(&self.config.limits, queries.clone(), streams(&self.config)) {
            tracing::error!(%error, "queries are answered as before; reload to try again");
            return;
        }
        self.queries = queries.into_iter().map(|query| (query.name.clone(), query)).collect();
    }
}

/// Until then; for ever if there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
