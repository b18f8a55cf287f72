//! What was paused before the start: its rows, which are served as they are until it is resumed.

use super::super::continuation::check_table;
use super::super::engine::{Engine, told_paused};
use super::super::generation::{Definition, Generation};
use super::indexes::empty_index;
use super::{AssembleError, IndexRoot, entry_of, setting_up};
use crate::checkpoint::{Content, GenerationEntry, table_store};
use crate::identity::Identity;
use crate::lifecycle::{Action, GenerationState};
use crate::plan::PlannedProjection;
use crate::progress::{Cut, Phase};
use crate::state::Stores;

/// The entry of a projection that is paused and declared as it was then. One that is declared in another way is built.
pub(super) fn paused_entry<'a>(content: &'a Content, name: &str, rows: Identity) -> Option<&'a GenerationEntry> {
    entry_of(content, name).filter(|entry| entry.state == Phase::Paused && entry.rows == Some(rows))
}

/// A generation that takes nothing, with its rows; none if those are not whole.
///
/// # Errors
/// A search index has no place to work in, or cannot be written.
pub(super) fn paused(
    planned: &PlannedProjection,
    entry: &GenerationEntry,
    live: &Engine,
    stores: &mut Stores,
    indexes: &IndexRoot,
) -> Result<Option<Generation>, AssembleError> {
    let name = planned.config.name.as_str();
    if let Err(mismatch) = check_table(name, entry, stores) {
        tracing::warn!(projection = name, reason = %mismatch, "what was paused cannot be served");
        return Ok(None);
    }
    let stored = stores.remove(&table_store(name, entry.generation)).unwrap_or_default();
    let index = empty_index(planned, &indexes.directory(name, entry.generation))?;
    let cut = Cut { positions: entry.positions.clone(), revision: live.revision };
    let subject = format!("projection {name}");
    let steps = live.ledger.steps();
    let step = steps.iter().rev().find(|step| step.action == Action::Paused && step.subject == subject);
    let by = step.map(|step| step.by.clone()).unwrap_or_default();
    let state = GenerationState::Paused { reason: told_paused(name, &by) };
    let generation = Generation::paused(Definition::of(planned), state, stored, index, cut, entry);
    generation.map(Some).map_err(|error| setting_up(name, error))
}
