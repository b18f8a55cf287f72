//! Waiting for the freshness that a reader demands, such as the position that a writer's publish ack returned (DESIGN: P5).

use std::sync::Arc;

use super::demand::{Demand, Unmet};
use super::limits::Admission;
use super::{ErrorKind, QueryError, now_us};
use crate::progress::{Basis, Freshness};
use crate::read_model::ReadView;
use crate::read_model::catalog::{Catalog, Snapshot};

/// The first snapshot, as `see` shows it to the caller, at which `basis` reaches what is demanded, at once or within the demanded time.
pub(super) async fn wait(
    catalog: &Catalog,
    see: &(dyn Fn(Arc<Snapshot>) -> ReadView + Sync),
    admission: &Admission,
    demand: &Demand,
    basis: impl Fn(&ReadView) -> Result<Basis, QueryError>,
) -> Result<(ReadView, Basis), QueryError> {
    let mut receiver = catalog.subscribe();
    let deadline = tokio::time::Instant::now() + demand.wait;
    loop {
        let view = see(receiver.borrow_and_update().clone());
        let reached = basis(&view)?;
        let Some(unmet) = unmet(demand, &view, &reached) else { return Ok((view, reached)) };
        // A catalog that is gone publishes nothing more: the answer is the same as at the deadline.
        let changed = admission.wait(tokio::time::timeout_at(deadline, receiver.changed())).await?;
        if !matches!(changed, Ok(Ok(()))) {
            return Err(refused(unmet, demand, &view, &reached));
        }
    }
}

/// Whether what is demanded holds of a view, without waiting for it.
///
/// # Errors
/// Where it does not.
pub(super) fn met(demand: &Demand, view: &ReadView, basis: &Basis) -> Result<(), QueryError> {
    match unmet(demand, view, basis) {
        Some(unmet) => Err(refused(unmet, demand, view, basis)),
        None => Ok(()),
    }
}

fn unmet(demand: &Demand, view: &ReadView, basis: &Basis) -> Option<Unmet> {
    match demand {
        // Positions alone are told without all of it.
        Demand { max_lag: None, complete: false, not_stale: false, positions, .. } => {
            (!basis.reaches(positions)).then_some(Unmet::Position)
        }
        demand => demand.unmet(&freshness(demand, view, basis)),
    }
}

fn freshness(demand: &Demand, view: &ReadView, basis: &Basis) -> Freshness {
    Freshness::of(basis, view.sources(), &demand.positions, now_us())
}

fn refused(unmet: Unmet, demand: &Demand, view: &ReadView, basis: &Basis) -> QueryError {
    let freshness = freshness(demand, view, basis);
    let waited = if demand.wait.is_zero() { String::new() } else { format!(" after {} ms", demand.wait.as_millis()) };
    let (kind, detail) = match unmet {
        Unmet::Position => {
            let missing = demand.positions.iter().filter(|(name, _)| basis.reads.contains_key(*name));
            let missing = missing.filter(|(name, position)| basis.cut.position(name) < **position);
            let missing =
                missing.map(|(name, position)| format!("{name} is at {}, not {position}", basis.cut.position(name)));
            let missing: Vec<String> = missing.collect();
            (ErrorKind::Behind, format!("position not reached{waited}: {}", missing.join(", ")))
        }
        Unmet::Lag => {
            let lag = freshness.lag_seconds.map_or("not known".to_owned(), |lag| format!("{lag} s"));
            let most = demand.max_lag.unwrap_or_default().as_secs_f64();
            (ErrorKind::Stale, format!("too old{waited}: the lag is {lag}, and at most {most} s are taken"))
        }
        Unmet::Stale => {
            let state = freshness.state.label();
            let detail = format!("stale{waited}: its state is `{state}`, and a relation of it says `on_stale: refuse`");
            (ErrorKind::Stale, detail)
        }
        Unmet::Complete => {
            let detail = format!("incomplete{waited}: an event that may belong to the answer is parked, or vanished");
            (ErrorKind::Incomplete, detail)
        }
    };
    let hint = match unmet {
        Unmet::Complete => Some("`readside parked list` has what is parked, and why"),
        Unmet::Position | Unmet::Lag | Unmet::Stale if demand.wait.is_zero() => {
            Some("say how long to wait for it: wait=2s")
        }
        Unmet::Position | Unmet::Lag | Unmet::Stale => None,
    };
    let error = QueryError::new(kind, detail);
    let error = hint.map_or_else(|| error.clone(), |hint| error.clone().hint(hint));
    error.with_freshness(freshness)
}
