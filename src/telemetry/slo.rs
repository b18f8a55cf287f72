//! How much of the time each projection is as fresh as it has to be.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::gauges::Gauges;
use super::last_hour::{self, Look};
use super::{SLO_MISSED, SLO_OBSERVED};
use crate::progress::Freshness;
use crate::read_model::ReadView;

/// Time in which a projection was looked at, and that of it in which it was not within its SLO.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    observed: Duration,
    missed: Duration,
}

static MEASURED: Mutex<BTreeMap<String, Measured>> = Mutex::new(BTreeMap::new());

/// Counts `elapsed` for every projection by its freshness now, and for one with an SLO as within it or not. The lag of what cannot be
/// read is not known, so that it is not within it.
pub fn measure_freshness(view: &ReadView, now_us: i64, elapsed: Duration) {
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, status) in view.projections() {
        let freshness = view
            .open(name)
            .ok()
            .map(|relation| Freshness::of(&relation.basis(), view.sources(), &Default::default(), now_us));
        let is_missed = status.slo.map(|slo| !freshness.as_ref().is_some_and(|freshness| slo.is_kept(freshness)));
        let lag_seconds = freshness.and_then(|freshness| freshness.lag_seconds);
        last_hour::remember(name, Look { lag_seconds, is_missed, elapsed }, now_us);
        let Some(is_missed) = is_missed else { continue };
        let measured = measured.entry(name.clone()).or_default();
        measured.observed += elapsed;
        measured.missed += if is_missed { elapsed } else { Duration::ZERO };
    }
    last_hour::forget_others(|name| view.projections().contains_key(name));
}

/// The counters in the Prometheus text format.
pub fn render_slo() -> String {
    let mut page = Gauges::default();
    for (projection, measured) in MEASURED.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let own = [("projection", projection.as_str())];
        page.set(SLO_OBSERVED, &own, measured.observed.as_secs_f64());
        page.set(SLO_MISSED, &own, measured.missed.as_secs_f64());
    }
    page.render_as("counter")
}
