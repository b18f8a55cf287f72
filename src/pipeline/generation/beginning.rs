//! What a generation begins with beside an empty state: the operators of a predecessor, copies of those of live generations, or
//! the rows of the one that it replaces.

use std::collections::BTreeMap;

use super::super::error::GenerationError;
use super::{Definition, Generation};
use crate::checkpoint::store_prefix;
use crate::circuit::{Circuit, Handles, ZBatch};
use crate::identity::Identity;
use crate::read_model::search::SearchSnapshot;
use crate::state::Stores;

impl Generation {
    /// Takes over the state of some operators of a predecessor, which stands at the cut that this generation is brought to.
    ///
    /// # Errors
    /// If the stored rows do not make up an operator's state. The generation then begins without any.
    pub(in crate::pipeline) fn adopt(
        &mut self,
        adopted: &BTreeMap<Identity, String>,
        stores: &mut Stores,
        restored: &mut Handles,
    ) -> Result<(), GenerationError> {
        let Some(circuit) = &mut self.circuit else { return Ok(()) };
        let adopted = circuit.adopt(adopted, stores, restored);
        if adopted.is_err() {
            self.adopt_nothing()?;
        }
        Ok(adopted?)
    }

    /// Takes the rows of what it replaces, which are the same, until it does.
    pub(in crate::pipeline) fn follow_rows(&mut self) {
        self.follows_rows = true;
    }

    pub(in crate::pipeline) fn follows_rows(&self) -> bool {
        self.follows_rows
    }

    /// Takes a change of the rows of what it replaces.
    ///
    /// # Errors
    /// The rows cannot be kept.
    pub(in crate::pipeline) fn take_rows(&mut self, delta: &ZBatch, now_us: i64) -> Result<(), GenerationError> {
        self.take(delta, None, now_us)
    }

    /// Goes on with what computes the rows of the one that it replaces, and lacks what that one lacks.
    pub(in crate::pipeline) fn take_circuit_of(&mut self, predecessor: &mut Generation) {
        self.follows_rows = false;
        self.circuit = predecessor.circuit.take();
        self.lost.clone_from(&predecessor.lost);
        self.since.clone_from(&predecessor.since);
        self.discarded.clone_from(&predecessor.discarded);
    }

    /// Goes on with a circuit that has the operators of its own, over a source that is read in another way.
    pub(in crate::pipeline) fn go_on_as(&mut self, definition: Definition, circuit: Circuit) {
        self.definition = definition;
        self.circuit = Some(circuit);
    }

    /// Begins with copies of what some operators of live generations keep, which stand at the cut that this generation is
    /// brought to.
    ///
    /// # Errors
    /// If the stored rows do not make up an operator's state.
    pub(in crate::pipeline) fn adopt_copies(
        &mut self,
        adopted: &BTreeMap<Identity, String>,
        stores: &mut Stores,
        restored: &mut Handles,
    ) -> Result<(), GenerationError> {
        match &mut self.circuit {
            Some(circuit) => Ok(circuit.adopt_copies(adopted, stores, restored)?),
            None => Ok(()),
        }
    }

    /// Whether it still has copies of operators with which live generations go on.
    pub(in crate::pipeline) fn has_copies(&self) -> bool {
        self.circuit.as_ref().is_some_and(Circuit::has_copies)
    }

    /// The last commit of a search index, with the rows of its own cut.
    pub(in crate::pipeline) fn index(&self) -> Option<SearchSnapshot> {
        self.rows.index()
    }

    /// Whether it reads events itself.
    pub(in crate::pipeline) fn has_events(&self) -> bool {
        self.circuit.as_ref().is_some_and(Circuit::has_events)
    }

    /// Begins without the state of any predecessor.
    ///
    /// # Errors
    /// An operator cannot be made, which no accepted plan leads to.
    pub(in crate::pipeline) fn adopt_nothing(&mut self) -> Result<(), GenerationError> {
        if let Some(circuit) = &mut self.circuit {
            *circuit = circuit.afresh()?;
            circuit.name_stores(&store_prefix(&self.id.projection, self.id.number), &BTreeMap::new());
        }
        Ok(())
    }

    /// Lets go of the adopted state once its cut is reached: the next step emits what follows from it.
    pub(in crate::pipeline) fn release(&mut self) {
        if let Some(circuit) = &mut self.circuit {
            circuit.release();
        }
    }

    /// Whether events have to be read to bring it to the live cut.
    pub(in crate::pipeline) fn needs_events(&self) -> bool {
        self.circuit.as_ref().is_some_and(Circuit::needs_events)
    }
}
