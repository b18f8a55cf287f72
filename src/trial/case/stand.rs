//! An engine on which a case runs: it can be stopped, and started again from its checkpoint as a daemon is.

use tempfile::TempDir;

use super::super::given::{Arrival, fetched};
use super::CaseError;
use crate::checkpoint::{Checkpointer, Restored};
use crate::config::Config;
use crate::pipeline::{Assembly, Engine, IndexRoot, assemble, begin};
use crate::plan::Program;

/// Of checkpoints that end with the process.
const IN_MEMORY: &str = "memory://";

pub(super) struct Stand<'a> {
    program: &'a Program,
    config: &'a Config,
    clock_us: i64,
    checkpointer: Checkpointer,
    engine: Engine,
    /// How often it was started; each time search indexes have a folder of their own.
    starts: u32,
    folder: TempDir,
}

impl<'a> Stand<'a> {
    /// A daemon's first start.
    pub(super) async fn start(program: &'a Program, config: &'a Config, clock_us: i64) -> Result<Self, CaseError> {
        let (checkpointer, _) = Checkpointer::open(IN_MEMORY, "case").await?;
        let folder = TempDir::new()?;
        let engine = Engine::new(config.parked.clone());
        let mut stand = Self { program, config, clock_us, checkpointer, engine, starts: 0, folder };
        stand.begin(None).await?;
        Ok(stand)
    }

    pub(super) fn commit(&mut self, arrivals: &[Arrival]) -> Result<(), CaseError> {
        self.engine.commit(fetched(arrivals), self.clock_us)?;
        Ok(())
    }

    /// Writes a checkpoint, forgets everything, and starts from what was written.
    pub(super) async fn restart(&mut self) -> Result<(), CaseError> {
        let (draft, holds) = self.engine.draft(self.clock_us)?;
        self.checkpointer.checkpoint(&draft).await?;
        drop(holds);
        let manifest = self.checkpointer.manifest().clone();
        let stores = self.checkpointer.read_stores(&manifest.stores.keys().cloned().collect()).await?;
        self.begin(Some(Restored { manifest, stores, skipped: Vec::new() })).await
    }

    async fn begin(&mut self, restored: Option<Restored>) -> Result<(), CaseError> {
        self.starts += 1;
        let indexes = IndexRoot(self.folder.path().join(self.starts.to_string()));
        let limits = self.config.parked.clone();
        let assembled = assemble(self.program.afresh()?, restored, &self.checkpointer, &indexes, limits).await;
        let Assembly { mut live, reasons, .. } = assembled.map_err(Box::new)?;
        if self.starts > 1
            && let Some((name, reason)) = reasons.into_iter().next()
        {
            return Err(CaseError::NotRestored { name, reason: reason.to_string() });
        }
        begin(&mut live)?;
        self.engine = live;
        Ok(())
    }

    /// The engine, with everything that it has taken visible.
    pub(super) fn settled(&mut self) -> &Engine {
        self.engine.commit_read_models();
        &self.engine
    }
}
