//! What the loop does for those who ask it, between two commits.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::build::{Build, Ground, Joined, LiveCut};
use super::super::commands::{Adaptation, Command};
use super::super::engine::{Decided, Donors, Retired};
use super::super::facts::Facts;
use super::super::grounding::Asked;
use super::super::readers::OpenSource;
use super::super::verify::Subject;
use super::{LoopEnd, Runner, now_us, poisoned};
use crate::lifecycle::{Action, Actor, NewStep};
use crate::progress::SourceName;

/// From facts to the adaptation that is made of them.
const ADAPT_LONGEST: Duration = Duration::from_secs(10);

/// How long the loop waits at a cut for a build to come there. Readers see that as lag, so it is short.
const HOLD_LONGEST: Duration = Duration::from_secs(1);

impl Runner {
    /// Does what is asked of it. An answer that is no more waited for is lost.
    pub(super) fn obey(&mut self, command: Command) -> Result<(), LoopEnd> {
        match command {
            Command::Look { inputs, hold, reply } => {
                self.held_until = hold.then(|| Instant::now() + HOLD_LONGEST).or(self.held_until);
                let _ = reply.send(LiveCut::of(&self.engine, &inputs));
            }
            Command::Served { inputs, names, reply } => {
                let _ = reply.send(LiveCut::of(&self.engine, &inputs).with_served(&self.engine, &names));
            }
            Command::Join { build, kept, open, reply } => {
                self.held_until = None;
                let _ = reply.send(self.join(*build, kept, open));
            }
            Command::Keep { keeping, ticket, reply } => self.asked.push(Asked::Keep { keeping, ticket, reply }),
            Command::AnnounceKept(_, ticket) if !ticket.is_open() => {}
            Command::AnnounceKept(statuses, _) => {
                self.has_changed |= self.engine.announce_kept(statuses, now_us());
                self.publish();
            }
            Command::Retire { rollouts, by, reply } => {
                let mut was_there = false;
                for rollout in rollouts {
                    was_there |= self.engine.retire(rollout, &by, now_us());
                }
                self.publish();
                self.acknowledge(reply, was_there);
            }
            Command::Settled { reply } => self.acknowledge(reply, ()),
            // Of what is not built any more, something else is told by now.
            Command::Announce(_, ticket) if !ticket.is_open() => {}
            Command::Announce(statuses, _) => {
                statuses.into_iter().for_each(|status| self.engine.announce(status));
                self.publish();
            }
            Command::EndBuild { projections, message, by, reply } => {
                self.engine.end_build(&projections, &message, by.as_ref(), now_us());
                self.has_changed = true;
                self.publish();
                match by {
                    Some(_) => self.acknowledge(reply, ()),
                    None => drop(reply.send(())),
                }
            }
            Command::Facts { hold, reply } => {
                self.joins_from = hold.then(|| Instant::now() + ADAPT_LONGEST).or(self.joins_from);
                let _ = reply.send(Facts::of(&self.engine));
            }
            Command::Replay { replays, by, reply } => {
                let replayed = self.engine.replay(*replays, &by, now_us()).map_err(poisoned)?;
                if replayed.is_ok() {
                    self.has_changed = true;
                    self.publish();
                }
                let _ = reply.send(replayed);
            }
            Command::Adapt { to, reply } => {
                self.adapt(*to);
                self.acknowledge(reply, ());
            }
            Command::Observe { projection, reply } => {
                let _ = reply.send(Subject::of(&self.engine, &projection).map(Box::new));
            }
            Command::Decide { decision, by, reply } => match self.engine.decide(&decision, &by, now_us()) {
                Ok(decided) => {
                    let told = self.follow(decided);
                    self.acknowledge(reply, Ok(told));
                }
                Err(why) => drop(reply.send(Err(why))),
            },
            Command::StoreBuild { ticket, .. } if !ticket.is_open() => {}
            Command::StoreBuild { number, captured, ticket, reply } => {
                if let Some(number) = self.engine.store_build(number, *captured, ticket) {
                    self.acknowledge(reply, number);
                }
            }
            Command::GoOnWith { number, ticket } => {
                self.engine.goes_on_with(number, ticket);
                self.has_changed = true;
            }
            Command::ToPause { projection, reply } => drop(reply.send(self.engine.to_pause(&projection))),
            Command::Pause { projection, by, reply } => self.asked.push(Asked::Pause { projection, by, reply }),
            Command::Resume { projection, by, reply } => {
                match self.engine.resume_projections(&projection, &by, now_us()) {
                    Ok(resumed) => {
                        self.has_changed = true;
                        self.publish();
                        self.asked.push(Asked::Resume { resumed, reply });
                    }
                    Err(why) => drop(reply.send(Err(why))),
                }
            }
            Command::Ground { wanted, reply } => {
                if self.engine.has_donors(&wanted.operators) {
                    self.asked.push(Asked::Ground { wanted, reply });
                } else {
                    let _ = reply.send(Ground::at(&mut self.engine, &wanted, Donors::new()));
                }
            }
        }
        Ok(())
    }

    fn join(&mut self, build: Build, kept: Option<u64>, open: Option<OpenSource>) -> Result<Joined, Box<Build>> {
        let changed: Vec<SourceName> = build.changed_sources().cloned().collect();
        let by = build.by().clone();
        let names = build.projections().collect::<Vec<_>>().join(", ");
        let (ticket, open) = (build.ticket().clone(), open.or(self.open.clone()));
        if self.joins_from.is_some_and(|from| Instant::now() < from) {
            return Err(Box::new(build));
        }
        let is_let_go = build.rollout().is_some_and(|rollout| !self.engine.kept().contains_key(&rollout));
        if is_let_go || !ticket.end() {
            self.unused.extend(build.ids().map(|id| self.indexes.folder(id)));
            return Ok(Joined::Nothing { why: "it is not wanted any more".to_owned() });
        }
        let joined = build.join(&mut self.engine, kept, now_us()).inspect_err(|_| ticket.go_on())?;
        if let Joined::Nothing { why } = &joined {
            tracing::error!(
                projections = names,
                reason = why,
                "a build has failed, as its status says; what was there before goes on"
            );
        }
        self.settle(&by);
        if let Joined::AsDeclared { .. } = &joined {
            // What a source has yet to give comes as it is read now.
            for name in changed {
                self.openers.extend(open.clone().map(|open| (name.clone(), open)));
                self.read(name);
            }
        }
        self.publish();
        Ok(joined)
    }

    /// Does what follows from a decision, and says what that is.
    fn follow(&mut self, decided: Decided) -> String {
        if let Some(source) = decided.unread {
            self.readers.end(&source);
            self.read_end(&source);
        }
        if let Some(source) = decided.read {
            self.read(source);
        }
        self.publish();
        decided.told
    }

    fn adapt(&mut self, to: Adaptation) {
        let Adaptation { declared, parked, pace, new_sources, moved_sources, changed_sources, open, by, summary } = to;
        self.joins_from = None;
        let reload =
            NewStep { action: Action::Reloaded, subject: "configuration".to_owned(), from: None, to: Some(summary) };
        self.engine.ledger.record(reload, &by, now_us());
        self.config = pace;
        self.next_checkpoint = self.next_checkpoint.min(Instant::now() + self.config.checkpoint_interval);
        self.engine.declare(declared, parked);
        let as_declared = self
            .engine
            .intakes
            .keys()
            .chain(new_sources.keys())
            .filter(|name| !changed_sources.contains(*name) && self.engine.declares(name));
        self.openers.extend(as_declared.map(|name| (name.clone(), open.clone())).collect::<Vec<_>>());
        self.open = Some(open);
        for (name, intake) in new_sources {
            self.engine.intakes.insert(name.clone(), intake);
            self.read(name);
        }
        moved_sources.into_iter().for_each(|name| self.read(name));
        // What had stopped a source may be mended by what is declared now; else it stops there again.
        let halted = self.engine.intakes.iter().filter(|(_, intake)| intake.progress.is_halted());
        let halted: Vec<SourceName> = halted.map(|(name, _)| name.clone()).collect();
        halted.into_iter().for_each(|name| self.read(name));
        self.settle(&by);
        self.publish();
    }

    /// Lets go of what is declared no more and read by nothing.
    fn settle(&mut self, by: &Actor) {
        let Retired { generations, sources } = self.engine.settle(by, now_us());
        for source in &sources {
            tracing::info!(%source, "source is read no more");
            self.readers.end(source);
            self.openers.remove(source);
            self.status.send_if_modified(|status| status.opened.remove(source));
        }
        for id in generations {
            tracing::info!(projection = %id.projection, generation = id.number, "generation is retired");
            self.unused.push(self.indexes.folder(&id));
        }
        // What a checkpoint has is something else now, even at the same cut.
        self.has_changed = true;
    }

    /// Answers once a checkpoint has what was done.
    fn acknowledge<T: Send + 'static>(&mut self, reply: oneshot::Sender<T>, answer: T) {
        self.has_changed = true;
        self.unsaved.push(Box::new(move || drop(reply.send(answer))));
    }

    /// Reads a source from where its intake stands, whatever had halted it; not one that is paused.
    fn read(&mut self, name: SourceName) {
        let open = self.openers.get(&name).or(self.open.as_ref()).cloned();
        let (Some(open), Some(intake)) = (open, self.engine.intakes.get_mut(&name)) else { return };
        if intake.paused().is_some() {
            return;
        }
        if intake.progress.is_halted() {
            intake.reopen();
        }
        self.readers.begin(name.clone(), || open(&name, intake));
    }

    /// Reads of a source that is paused or has halted where its stream ends, and nothing else.
    pub(super) fn read_end(&mut self, name: &SourceName) {
        let open = self.openers.get(name).or(self.open.as_ref()).cloned();
        let (Some(open), Some(intake)) = (open, self.engine.intakes.get(name)) else { return };
        self.readers.begin(name.clone(), || open(name, intake));
    }
}
