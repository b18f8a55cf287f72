//! An engine without a past: every projection at the beginning of its sources, and live. It has no loop and no checkpoints:
//! whoever made it commits by hand.

use std::sync::Arc;

use super::super::engine::{Deltas, Engine};
use super::super::generation::Generation;
use super::indexes::{IndexRoot, empty_index};
use super::{AssembleError, setting_up, take_intakes};
use crate::checkpoint::Content;
use crate::config::ParkedLimits;
use crate::plan::Program;

/// Sets up everything of a program, and gives what there is before any event: the rows of constants and the first one of
/// aggregates without groups.
///
/// # Errors
/// A generation cannot be set up, a search index has no place to work in, or an operator fails on no rows at all.
pub fn fresh(
    program: Program,
    indexes: &IndexRoot,
    limits: ParkedLimits,
    now_us: i64,
) -> Result<(Engine, Deltas), AssembleError> {
    let mut engine = Engine::new(limits);
    take_intakes(&mut engine, program.sources, &Content::default());
    for planned in program.projections {
        let name = planned.config.name.clone();
        let number = engine.next_number(&name);
        let index = empty_index(&planned, &indexes.directory(&name, number))?;
        let mut generation = Generation::new(planned, number, index).map_err(|error| setting_up(&name, error))?;
        generation.serve();
        engine.generations.push(generation);
    }
    engine.views = program.views.into_iter().map(Arc::new).collect();
    engine.share();
    let first = engine.commit(Vec::new(), now_us)?;
    engine.commit_read_models();
    Ok((engine, first))
}
