//! What a checkpoint keeps: what changed in all state, and the list of the stores that each generation must have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, EngineError, LEDGER_STORE, PARKED_STORE};
use crate::checkpoint::{Content, Draft, GenerationEntry, IndexDraft, PinnedFile};
use crate::read_model::search::PinHold;
use crate::state::StateDelta;

impl Engine {
    /// Everything at the current cut as a checkpoint to be, without the stores of generations that are no more. It counts
    /// as written: the caller has to write it. The holds keep the index files as they are until then.
    ///
    /// # Errors
    /// State cannot be gathered into columns; the engine must not be used any further.
    pub fn draft(&mut self, now_us: i64) -> Result<(Draft, Vec<PinHold>), EngineError> {
        self.commit_read_models();
        self.forget_pending();
        self.forget_paused();
        let mut indexes = BTreeMap::new();
        let mut holds = Vec::new();
        for generation in &mut self.generations {
            let Some(pinned) = generation.pin() else { continue };
            let files = pinned.files.into_iter().map(|(name, path)| PinnedFile { name, path });
            let draft = IndexDraft { cut: pinned.cut, files: files.collect() };
            indexes.insert(generation.projection().to_owned(), draft);
            holds.push(pinned.hold);
        }
        let mut deltas = self.capture()?;
        let (builds, of_builds) = self.take_builds();
        deltas.extend(of_builds);
        let content = Content { builds, ..self.content(now_us)? };
        let forget = self.forget(&content, &deltas);
        let mut draft = Draft::new(content, deltas, forget, indexes);
        draft.renames = std::mem::take(&mut self.renames);
        Ok((draft, holds))
    }

    /// What changed in all state since the last call, by store name.
    fn capture(&mut self) -> Result<BTreeMap<String, StateDelta>, EngineError> {
        let mut deltas = BTreeMap::new();
        let parked = self.parked.capture().map_err(EngineError::Parked)?;
        deltas.extend(parked.map(|delta| (PARKED_STORE.to_owned(), delta)));
        let ledger = self.ledger.capture().map_err(EngineError::Ledger)?;
        deltas.extend(ledger.map(|delta| (LEDGER_STORE.to_owned(), delta)));
        for generation in &mut self.generations {
            let captured = generation.capture();
            deltas.extend(captured.map_err(|error| EngineError::Capture { id: generation.id.clone(), error })?);
        }
        Ok(deltas)
    }

    /// What a checkpoint lists beside the stores, right after the capture.
    fn content(&self, now_us: i64) -> Result<Content, EngineError> {
        let mut generations: BTreeMap<String, Vec<GenerationEntry>> = BTreeMap::new();
        for generation in &self.generations {
            let entry = generation.entry();
            let entry =
                entry.map_err(|error| EngineError::Capture { id: generation.id.clone(), error: error.into() })?;
            generations.entry(generation.projection().to_owned()).or_default().push(entry);
        }
        Ok(Content {
            created_at_us: now_us,
            revision: self.revision,
            sources: self.intakes.iter().map(|(name, intake)| (name.clone(), intake.entry())).collect(),
            generations,
            parked: Some(self.parked.shape()),
            ledger: Some(self.ledger.shape()),
            kept: self.kept().clone(),
            builds: BTreeMap::new(),
            awaited: self.awaited_rows.clone(),
            rolled_back: self.rolled_back().clone(),
            views: self.views.iter().filter_map(|view| Some(view.config.text.as_deref()?.to_owned())).collect(),
        })
    }

    /// The stores that the checkpoints hold and that nothing in `content` lists, and takes account of new ones.
    fn forget(&mut self, content: &Content, deltas: &BTreeMap<String, StateDelta>) -> BTreeSet<String> {
        let listed = content.stores();
        let (kept, forget): (BTreeSet<String>, _) = std::mem::take(&mut self.persisted)
            .into_iter()
            .partition(|store| store == PARKED_STORE || store == LEDGER_STORE || listed.contains(store));
        self.persisted = kept;
        self.persisted.extend(deltas.keys().cloned());
        forget
    }

    /// Takes account of the stores that the last checkpoint holds.
    pub(in crate::pipeline) fn holds(&mut self, stores: impl Iterator<Item = String>) {
        self.persisted.extend(stores);
    }
}
