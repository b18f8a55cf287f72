//! Looks once a second whether each projection is as fresh as it has to be.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::query::now_us;
use crate::read_model::ReadView;
use crate::read_model::catalog::Catalog;
use crate::telemetry;

const EVERY: Duration = Duration::from_secs(1);

/// Measures for as long as it is polled.
pub(super) async fn measure_freshness(catalog: Catalog) {
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked_at = Instant::now();
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let view = ReadView::of_daemon(catalog.snapshot());
        telemetry::measure_freshness(&view, now_us(), now - looked_at);
        looked_at = now;
    }
}
