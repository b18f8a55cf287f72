//! The relations that a request reads: names in SQL resolved, views followed down to kept rows, and what an answer from
//! them is computed from.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::TableReference;

use super::session::{CATALOG, SCHEMA, Sessions};
use super::{ErrorKind, ParsedQuery, QueryError, did_you_mean, now_us};
use crate::access::Denied;
use crate::progress::{Basis, Freshness, Position, keep_most};
use crate::read_model::{NotServed, OpenRelation, OpenTable, ReadView, RelationRows};

/// Views may read views, to this depth.
const VIEW_DEPTH_MAX: usize = 16;

impl Sessions {
    /// What an answer from the relations in SQL is computed from: with `allow_mixed`, also where they stand at different
    /// cuts, of which the earliest then counts.
    pub(super) fn basis_of(
        &self,
        view: &ReadView,
        parsed: &ParsedQuery,
        allow_mixed: bool,
    ) -> Result<Basis, QueryError> {
        let mut tables = BTreeMap::new();
        for reference in parsed.references.iter().filter(|reference| !is_information_schema(reference)) {
            self.tables_below(view, relation_name(view, reference)?, 0, &mut tables)?;
        }
        basis(view, &tables, allow_mixed)
    }

    /// [`Sessions::basis_of`] one relation.
    pub(super) fn basis_of_relation(&self, view: &ReadView, name: &str) -> Result<Basis, QueryError> {
        let mut tables = BTreeMap::new();
        self.tables_below(view, name, 0, &mut tables)?;
        basis(view, &tables, false)
    }

    /// Whether the SQL of all views at and below these names is parsed already, so that a look at what they read costs no more
    /// than look-ups: a reader that waits for a position looks at every commit.
    pub(super) fn knows<'a>(&self, view: &ReadView, names: impl IntoIterator<Item = &'a str>) -> bool {
        self.at_and_below(view, names).is_some()
    }

    /// These names and those of all that the views among them read; none while the SQL of one is not parsed.
    pub(super) fn at_and_below<'a>(
        &self,
        view: &ReadView,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<BTreeSet<String>> {
        let mut seen: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        let mut to_look_at: Vec<String> = seen.iter().cloned().collect();
        while let Some(name) = to_look_at.pop() {
            let Ok(relation) = view.open(&name) else { continue };
            let RelationRows::Computed { sql } = relation.rows() else { continue };
            for reference in self.parsed(sql)?.references.iter() {
                if seen.insert(reference.table().to_owned()) {
                    to_look_at.push(reference.table().to_owned());
                }
            }
        }
        Some(seen)
    }

    /// The tables that a relation is computed from at query time: itself, or those below a view.
    fn tables_below<'a>(
        &self,
        view: &'a ReadView,
        name: &str,
        depth: usize,
        found: &mut BTreeMap<String, OpenRelation<'a>>,
    ) -> Result<(), QueryError> {
        let relation = open(view, name)?;
        let RelationRows::Computed { sql } = relation.rows() else {
            found.insert(name.to_owned(), relation);
            return Ok(());
        };
        check_depth(name, depth)?;
        for reference in self.parse_declared(sql)?.references.iter() {
            self.tables_below(view, relation_name(view, reference)?, depth + 1, found)?;
        }
        Ok(())
    }
}

/// The relation of this name, for all that reads.
pub(super) fn open<'a>(view: &'a ReadView, name: &str) -> Result<OpenRelation<'a>, QueryError> {
    view.open(name).map_err(|error| refused(view, name, error))
}

/// Why a reader gets nothing of a name.
pub(super) fn refused(view: &ReadView, name: &str, error: NotServed) -> QueryError {
    match error {
        NotServed::Unavailable { .. } | NotServed::Denied(Denied::DoesNotFit { .. } | Denied::Undeclared { .. }) => {
            QueryError::new(ErrorKind::Unavailable, error.to_string())
        }
        NotServed::Denied(Denied::MissingClaim { ref relation, .. }) => {
            let denied =
                QueryError::new(ErrorKind::Denied, error.to_string()).hint("ask with a token that has this claim");
            QueryError { relation: Some(relation.clone()), ..denied }
        }
        NotServed::Unknown { .. } => {
            QueryError::new(ErrorKind::UnknownRelation, error.to_string()).near(did_you_mean(name, view.names()))
        }
    }
}

/// The kept rows of a relation, which have a key.
pub(super) fn table<'a>(view: &'a ReadView, name: &str) -> Result<OpenTable<'a>, QueryError> {
    let table = open(view, name)?.table();
    table.ok_or_else(|| QueryError::invalid(format!("`{name}` has no key")).hint("list it with filters"))
}

/// The relation that a reference in SQL means.
pub(super) fn relation_name<'a>(view: &ReadView, reference: &'a TableReference) -> Result<&'a str, QueryError> {
    match reference.schema() {
        None | Some(SCHEMA) if reference.catalog().is_none_or(|catalog| catalog == CATALOG) => Ok(reference.table()),
        Some(schema) if view.sources().contains_key(schema) => Err(QueryError::new(
            ErrorKind::UnknownRelation,
            format!("`{reference}` is a source's relation; events are not kept to be queried"),
        )
        .hint("query a projection; declare one whose SQL reads it")),
        _ => Err(QueryError::new(ErrorKind::UnknownRelation, format!("there is no relation `{reference}`"))
            .hint("relations are named without a schema")),
    }
}

pub(super) fn is_information_schema(reference: &TableReference) -> bool {
    reference.schema() == Some("information_schema")
}

pub(super) fn check_depth(name: &str, depth: usize) -> Result<(), QueryError> {
    if depth < VIEW_DEPTH_MAX {
        return Ok(());
    }
    Err(QueryError::invalid(format!("views are nested more than {VIEW_DEPTH_MAX} deep at `{name}`")))
}

fn basis(view: &ReadView, tables: &BTreeMap<String, OpenRelation<'_>>, allow_mixed: bool) -> Result<Basis, QueryError> {
    let mut bases = tables.iter().map(|(name, one)| reached(view, name, one.basis()));
    let Some(mut basis) = bases.next().transpose()? else {
        return Ok(Basis { cut: view.cut().clone(), live_at_us: 0, ..Basis::default() });
    };
    for other in bases {
        let other = other?;
        if other.cut != basis.cut && !allow_mixed {
            let cuts: Vec<String> = tables.iter().map(|(name, one)| format!("{name} at {}", one.basis().cut)).collect();
            let detail = format!("the relations stand at different cuts: {}", cuts.join(", "));
            return Err(QueryError::new(ErrorKind::MixedCuts, detail).hint(
                "one of them is paused, failed or building; POST /v1/sql with \"mixedCuts\": \"allow\", or \
                     `readside query SQL --mixed-cuts`, reads them all the same",
            ));
        }
        merge(&mut basis, other);
    }
    Ok(basis)
}

/// Refuses the rows of sources of which nothing was ever heard: that there are none is not known.
fn reached(view: &ReadView, name: &str, basis: Basis) -> Result<Basis, QueryError> {
    let unread = basis.reads.keys().filter(|source| basis.cut.position(source) == Position::START);
    let mut unreached = unread.filter_map(|source| Some((source, view.sources().get(source)?)));
    let Some((source, progress)) = unreached.find(|(_, progress)| !progress.was_reached()) else { return Ok(basis) };
    let message = progress.message().unwrap_or("not connected yet");
    let detail = format!("`{name}` has nothing to serve yet: source `{source}` was not reached yet: {message}");
    let freshness = Freshness::of(&basis, view.sources(), &BTreeMap::new(), now_us());
    Err(QueryError::new(ErrorKind::Unavailable, detail).with_freshness(freshness))
}

/// Both together: the earliest of each position, and everything that either reads.
fn merge(basis: &mut Basis, other: Basis) {
    for (source, position) in &mut basis.cut.positions {
        *position = (*position).min(other.cut.position(source));
    }
    basis.cut.revision = basis.cut.revision.min(other.cut.revision);
    basis.live_at_us = basis.live_at_us.min(other.live_at_us);
    if other.phase > basis.phase {
        (basis.phase, basis.reason) = (other.phase, other.reason);
    }
    for (source, parked) in other.parked {
        let known = basis.parked.entry(source).or_default();
        for (event_type, count) in parked {
            // What one of them reads of the other, both count.
            known.entry(event_type).and_modify(|known| *known = count.max(*known)).or_insert(count);
        }
    }
    other.lost.iter().for_each(|(source, lost)| keep_most(&mut basis.lost, source, lost));
    for (source, position) in other.since {
        basis.since.entry(source).and_modify(|known| *known = position.max(*known)).or_insert(position);
    }
    for (source, types) in other.reads {
        match basis.reads.get_mut(&source) {
            // No types means all of them.
            Some(known) if known.is_empty() || types.is_empty() => known.clear(),
            Some(known) => *known = known.drain(..).chain(types).collect::<BTreeSet<_>>().into_iter().collect(),
            None => drop(basis.reads.insert(source, types)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Cut, Phase};

    fn basis(position: u64, phase: Phase, parked: &[(&str, u64)]) -> Basis {
        let parked = parked.iter().map(|(event_type, count)| ((*event_type).to_owned(), *count)).collect();
        Basis {
            cut: Cut { positions: BTreeMap::from([("orders".into(), position.into())]), revision: 0 },
            phase,
            parked: BTreeMap::from([("orders".into(), parked)]),
            ..Basis::default()
        }
    }

    #[test]
    fn an_answer_from_two_relations_says_the_worst_of_both() {
        let mut merged = basis(9, Phase::Serving, &[("Placed", 2)]);
        merge(&mut merged, basis(7, Phase::Failed, &[("Placed", 1), ("Shipped", 3)]));
        assert_eq!(merged, basis(7, Phase::Failed, &[("Placed", 2), ("Shipped", 3)]));
    }
}
