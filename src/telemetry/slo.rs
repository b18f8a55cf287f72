//! How much of the time each projection is as fresh as it has to be.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::gauges::Gauges;
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

/// Counts `elapsed` for every projection with an SLO, as within it or not by its freshness now. The lag of what cannot be read is not
/// known, so that it is not within it.
pub fn measure_freshness(view: &ReadView, now_us: i64, elapsed: Duration) {
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, status) in view.projections() {
        let Some(slo) = status.slo else { continue };
        let is_kept = view.open(name).is_ok_and(|relation| {
            slo.is_kept(&Freshness::of(&relation.basis(), view.sources(), &Default::default(), now_us))
        });
        let measured = measured.entry(name.clone()).or_default();
        measured.observed += elapsed;
        measured.missed += if is_kept { Duration::ZERO } else { elapsed };
    }
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
