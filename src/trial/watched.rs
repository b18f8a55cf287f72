//! A projection that is computed as its events come, so that each of its changes is seen.

use arrow::error::ArrowError;
use tempfile::TempDir;

use super::attempt::TrialError;
use super::given::{Arrival, fetched};
use super::outcome::Change;
use super::rows::shown;
use crate::circuit::ZBatch;
use crate::config::Config;
use crate::event::Message;
use crate::pipeline::{Engine, Generation, IndexRoot, fresh};
use crate::plan::Program;
use crate::progress::SourceName;
use crate::read_model::table::TableSpec;

/// Computes one projection, with all that it reads, in memory.
pub struct Watched {
    engine: Engine,
    projection: String,
    events_max: usize,
    /// Of search indexes, for as long as they are computed.
    _folder: TempDir,
}

impl Watched {
    /// Begins before the first event.
    ///
    /// # Errors
    /// An operator cannot be set up.
    pub fn new(program: Program, config: &Config, projection: &str, now_us: i64) -> Result<Self, TrialError> {
        let folder = TempDir::new()?;
        let indexes = IndexRoot(folder.path().to_owned());
        let (engine, _) = fresh(program, &indexes, config.parked.clone(), now_us).map_err(Box::new)?;
        let events_max = config.commit.max_events.max(1);
        Ok(Self { engine, projection: projection.to_owned(), events_max, _folder: folder })
    }

    /// Takes events without a word.
    ///
    /// # Errors
    /// The state of all is undefined.
    pub fn pass(&mut self, source: &SourceName, messages: Vec<Message>, now_us: i64) -> Result<(), TrialError> {
        let arrivals: Vec<Arrival> = arrivals(source, messages).collect();
        for together in arrivals.chunks(self.events_max) {
            self.engine.commit(fetched(together), now_us)?;
        }
        Ok(())
    }

    /// Takes events one by one, and says what each has changed.
    ///
    /// # Errors
    /// The state of all is undefined, or rows cannot be written as JSON.
    pub fn take(
        &mut self,
        source: &SourceName,
        messages: Vec<Message>,
        now_us: i64,
    ) -> Result<Vec<Change>, TrialError> {
        let mut changes = Vec::new();
        for arrival in arrivals(source, messages) {
            let at = (arrival.source.clone(), arrival.message.seq);
            let mut deltas = self.engine.commit(fetched(&[arrival]), now_us)?;
            let Some(delta) = deltas.remove(&self.projection) else { continue };
            let change = self.change(at, &delta)?;
            changes.extend(Some(change).filter(|change| !change.is_empty()));
        }
        Ok(changes)
    }

    /// Why its rows are not right, or a source is not read on.
    pub fn fault(&self) -> Option<String> {
        let halted = self.engine.intakes.iter().find(|(_, intake)| intake.progress.is_halted());
        if let Some((name, intake)) = halted {
            let why = intake.progress.message().unwrap_or("it has halted");
            return Some(format!("source `{name}` would halt here: {why}"));
        }
        self.generation().and_then(|generation| generation.status().error)
    }

    fn generation(&self) -> Option<&Generation> {
        self.engine.generations.iter().find(|one| one.projection() == self.projection)
    }

    fn change(&self, at: (SourceName, u64), delta: &ZBatch) -> Result<Change, ArrowError> {
        let Some(generation) = self.generation() else { return Ok(Change::none(at)) };
        let TableSpec { schema, key, .. } = &*generation.definition.table;
        let delta = delta.with_schema(schema)?.consolidated()?;
        Change::of(at, &delta, |rows| shown(rows, key))
    }
}

fn arrivals(source: &SourceName, messages: Vec<Message>) -> impl Iterator<Item = Arrival> {
    messages.into_iter().map(|message| Arrival { source: source.clone(), message })
}
