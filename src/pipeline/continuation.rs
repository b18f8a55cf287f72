//! Whether a generation can go on from a checkpoint: only if it computes the same, and all of its state is there as it
//! must be. Anything else is a reason to build it again, told to people.
//!
//! Pure: it looks at what was read back and decides; nothing is taken.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Schema;

use crate::checkpoint::{
    GenerationEntry, HeldEntry, OperatorEntry, errors_store, held_store, store_prefix, table_store,
};
use crate::circuit::OperatorStores;
use crate::identity::Identity;
use crate::progress::{Cut, Phase, Position, SourceName};
use crate::state::{StoreShape, Stores};

/// What a generation has to find to go on.
pub(super) struct RequiredStores<'a> {
    pub(super) projection: &'a str,
    /// Of everything that decides its rows.
    pub(super) rows: Identity,
    /// The operators with state, named as the checkpoint's entry says.
    pub(super) operators: Vec<OperatorStores>,
    pub(super) sources: Vec<&'a SourceName>,
    pub(super) schema: &'a Schema,
}

/// Why a generation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildReason {
    #[error("it is new")]
    New,
    #[error("the checkpoint was written by an older build, which named state by its place in the build")]
    OlderBuild,
    #[error("it had failed")]
    Failed,
    #[error("the last build of it was not finished")]
    Unfinished,
    #[error("it was at {had} of source `{source_name}`, and the other projections are at {at}")]
    Apart { source_name: SourceName, had: Position, at: Position },
    #[error("its definition has changed: {0}")]
    Changed(String),
    #[error("its input `{0}` is built again")]
    Input(String),
    #[error("the checkpoint does not hold its state as it must be: {0}")]
    State(#[from] Mismatch),
    #[error("its state cannot be restored: {0}")]
    Restore(String),
}

/// A store that is not what the checkpoint itself, or the operator, says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("no operator `{operator}` ({identity}) is listed")]
    NoOperator { operator: &'static str, identity: Identity },
    #[error("the stores of `{operator}` are named `{prefix}`, which is not its identity {identity}")]
    Name { operator: &'static str, prefix: String, identity: Identity },
    #[error("store `{store}` has other columns than its operator keeps")]
    Columns { store: String },
    #[error("store `{store}` holds {found} rows, and must hold {listed}")]
    Rows { store: String, found: u64, listed: u64 },
    #[error("store `{store}` belongs to nothing that is listed")]
    Unlisted { store: String },
    #[error("its rows are not listed")]
    NoTable,
}

impl RequiredStores<'_> {
    /// Whether the generation can go on from `entry` at `cut`.
    ///
    /// # Errors
    /// The reason why a generation cannot go on.
    pub(super) fn check(&self, entry: Option<&GenerationEntry>, cut: &Cut, stores: &Stores) -> Result<(), BuildReason> {
        let entry = entry.ok_or(BuildReason::New)?;
        match entry.state {
            Phase::Serving => {}
            Phase::Paused | Phase::Building | Phase::Rebuilding => return Err(BuildReason::Unfinished),
            Phase::Failed => return Err(BuildReason::Failed),
        }
        let rows = entry.rows.ok_or(BuildReason::OlderBuild)?;
        if rows != self.rows {
            return Err(BuildReason::Changed(self.difference(entry)));
        }
        self.check_positions(entry, cut)?;
        Ok(self.check_state(entry, stores)?)
    }

    fn check_positions(&self, entry: &GenerationEntry, cut: &Cut) -> Result<(), BuildReason> {
        for source in &self.sources {
            let (had, at) = (entry.positions.get(*source).copied().unwrap_or_default(), cut.position(source));
            if had != at {
                return Err(BuildReason::Apart { source_name: (*source).clone(), had, at });
            }
        }
        Ok(())
    }

    /// The operators among `candidates` whose state is there, whole and at the cut, though the generation cannot go on as
    /// it is: what begins the names of their stores, by identity.
    pub(super) fn adoptable(
        &self,
        entry: &GenerationEntry,
        cut: &Cut,
        stores: &Stores,
        candidates: &BTreeSet<Identity>,
    ) -> BTreeMap<Identity, String> {
        // The errors of what an operator reads are not among its state, so nothing tells when they are over.
        if self.check_positions(entry, cut).is_err() || entry.held.is_some() {
            return BTreeMap::new();
        }
        let there = self.operators.iter().filter(|operator| candidates.contains(&operator.identity));
        let there = there.filter_map(|operator| {
            let listed = entry.operators.get(&operator.identity);
            check_operator(operator, listed, stores).ok()?;
            Some((operator.identity, listed?.prefix.clone()))
        });
        there.collect()
    }

    /// The parts that differ now, in words.
    fn difference(&self, entry: &GenerationEntry) -> String {
        let is_new = |operator: &&OperatorStores| !entry.operators.contains_key(&operator.identity);
        let new: Vec<&str> = self.operators.iter().filter(is_new).map(|operator| operator.name).collect();
        match (new.is_empty(), self.operators.is_empty()) {
            (true, true) => "its rows are computed otherwise".to_owned(),
            (true, false) => "its rows are made otherwise of the same operators".to_owned(),
            (false, _) => format!("`{}` computes something else, or from other events", new.join("`, `")),
        }
    }

    fn check_state(&self, entry: &GenerationEntry, stores: &Stores) -> Result<(), Mismatch> {
        let table = check_table(self.projection, entry, stores)?;
        if *table.schema != *self.schema {
            return Err(Mismatch::Columns { store: table_store(self.projection, entry.generation) });
        }
        for operator in &self.operators {
            check_operator(operator, entry.operators.get(&operator.identity), stores)?;
        }
        let (held, errors) =
            (held_store(self.projection, entry.generation), errors_store(self.projection, entry.generation));
        if let Some(HeldEntry { changes, errors: in_error, .. }) = &entry.held {
            check_store(&held, changes, stores)?;
            check_store(&errors, in_error, stores)?;
        }
        // What is born with this generation and listed by nothing was not written by what wrote the list.
        let prefix = store_prefix(self.projection, entry.generation);
        let listed = |store: &String| {
            *store == table_store(self.projection, entry.generation)
                || entry.held.is_some() && (*store == held || *store == errors)
                || entry.operators.values().any(|operator| {
                    store.strip_prefix(operator.prefix.as_str()).is_some_and(|end| operator.stores.contains_key(end))
                })
        };
        let own = stores.range(prefix.clone()..).map(|(store, _)| store).take_while(|store| store.starts_with(&prefix));
        match own.into_iter().find(|store| !listed(store)) {
            Some(store) => Err(Mismatch::Unlisted { store: store.clone() }),
            None => Ok(()),
        }
    }
}

/// Checks that an operator's state is there and has the form that the operator keeps.
pub(super) fn check_operator(
    operator: &OperatorStores,
    entry: Option<&OperatorEntry>,
    stores: &Stores,
) -> Result<(), Mismatch> {
    let OperatorStores { identity, name: operator, stores: shapes, .. } = operator;
    let (operator, identity) = (*operator, *identity);
    let entry = entry.ok_or(Mismatch::NoOperator { operator, identity })?;
    if !entry.prefix.ends_with(&format!("/{identity}.")) {
        return Err(Mismatch::Name { operator, prefix: entry.prefix.clone(), identity });
    }
    for (end, shape) in shapes {
        let store = format!("{}{end}", entry.prefix);
        match entry.stores.get(end) {
            Some(listed) if listed.schema == shape.schema => check_store(&store, listed, stores)?,
            Some(_) => return Err(Mismatch::Columns { store }),
            None => return Err(Mismatch::Rows { store, found: 0, listed: 0 }),
        }
    }
    let extra = stores.range(entry.prefix.clone()..).map(|(store, _)| store);
    let mut extra = extra.take_while(|store| store.starts_with(&entry.prefix));
    match extra.find(|store| !shapes.contains_key(&store[entry.prefix.len()..])) {
        Some(store) => Err(Mismatch::Unlisted { store: store.clone() }),
        None => Ok(()),
    }
}

/// Checks that a generation's rows are there, and gives their shape.
pub(super) fn check_table<'a>(
    projection: &str,
    entry: &'a GenerationEntry,
    stores: &Stores,
) -> Result<&'a StoreShape, Mismatch> {
    let shape = entry.table.as_ref().ok_or(Mismatch::NoTable)?;
    check_store(&table_store(projection, entry.generation), shape, stores)?;
    Ok(shape)
}

/// Checks that a store has the columns and the number of live rows that are listed. One without rows may be missing.
pub(super) fn check_store(store: &str, shape: &StoreShape, stores: &Stores) -> Result<(), Mismatch> {
    let segments = stores.get(store).map(Vec::as_slice).unwrap_or_default();
    if segments.iter().any(|segment| segment.rows.schema() != shape.schema) {
        return Err(Mismatch::Columns { store: store.to_owned() });
    }
    let found: usize = segments.iter().map(|segment| segment.live.iter().filter(|live| **live).count()).sum();
    if found as u64 != shape.rows {
        return Err(Mismatch::Rows { store: store.to_owned(), found: found as u64, listed: shape.rows });
    }
    Ok(())
}
