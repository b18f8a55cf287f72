//! What others ask of the loop. It answers between two commits, so what it says is of one cut.

use std::collections::BTreeSet;

use tokio::sync::{mpsc, oneshot};

use super::build::{Build, BuildError, LiveCut};
use crate::read_model::catalog::ProjectionStatus;

/// Commands that wait for the loop at the most; the next caller waits for room.
const QUEUED: usize = 16;

/// One thing asked of the loop.
pub(super) enum Command {
    /// Where the live generations stand, with the rows of some. With `hold`, nothing more is taken in for a while.
    Look { inputs: BTreeSet<String>, hold: bool, reply: oneshot::Sender<LiveCut> },
    /// Takes built generations in. The reply gives them back if they stand elsewhere by now.
    Join { build: Box<Build>, reply: oneshot::Sender<Result<(), Box<Build>>> },
    /// What status shows of projections that are built and have no rows to serve yet.
    Announce(Vec<ProjectionStatus>),
}

/// The sender of commands to the loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Commands(mpsc::Sender<Command>);

impl Commands {
    pub(super) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// The live cut, with the rows of these projections at it.
    ///
    /// # Errors
    /// The loop has ended.
    pub(super) async fn look(&self, inputs: &BTreeSet<String>) -> Result<LiveCut, BuildError> {
        self.ask(inputs, false).await
    }

    /// The same; and the loop stays there until a build joins, or for a short while.
    ///
    /// # Errors
    /// The loop has ended.
    pub(super) async fn hold(&self, inputs: &BTreeSet<String>) -> Result<LiveCut, BuildError> {
        self.ask(inputs, true).await
    }

    async fn ask(&self, inputs: &BTreeSet<String>, hold: bool) -> Result<LiveCut, BuildError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Look { inputs: inputs.clone(), hold, reply }).await?;
        answer.await.map_err(|_| BuildError::NoLoop)
    }

    /// Hands a build over; gives it back if it stands elsewhere than the live generations, and None if the loop has ended.
    pub(super) async fn join(&self, build: Build) -> Option<Result<(), Box<Build>>> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Join { build: Box::new(build), reply }).await.ok()?;
        answer.await.ok()
    }

    /// Makes status show how far projections have come. Without a loop there is no status.
    pub(super) async fn announce(&self, statuses: Vec<ProjectionStatus>) {
        let _ = self.send(Command::Announce(statuses)).await;
    }

    async fn send(&self, command: Command) -> Result<(), BuildError> {
        self.0.send(command).await.map_err(|_| BuildError::NoLoop)
    }
}
