//! Metrics of what stands beside the live generations, from the status of each projection: with that they go.

use super::gauges::Gauges;
use super::{
    BUILD_POSITION, BUILD_PROGRESS, BUILD_RATE, BUILD_REMAINING, BUILD_STATE, BUILD_TARGET, KEPT_DISK_BYTES,
    KEPT_GENERATIONS, KEPT_LAG, KEPT_STATE, KEPT_STATE_BYTES, KEPT_UNTIL, SHADOW_DIFFERENCES, SHADOW_SINCE,
};
use crate::read_model::ReadView;
use crate::read_model::catalog::{BuildState, BuildStatus, KeptState, KeptStatus};

/// What is built of each projection, and what was built and waits.
pub(super) fn builds(page: &mut Gauges, view: &ReadView) {
    for (projection, status) in view.projections() {
        if let Some(build) = &status.build {
            one_build(page, projection, build, view);
        }
    }
}

fn one_build(page: &mut Gauges, projection: &str, build: &BuildStatus, view: &ReadView) {
    let generation = build.generation.to_string();
    let own = [("projection", projection), ("generation", generation.as_str())];
    for state in BuildState::ALL {
        let is_in_it = if state == build.state { 1.0 } else { 0.0 };
        page.set(BUILD_STATE, &[own[0], own[1], ("state", state.label())], is_in_it);
    }
    // What has ended makes no progress any more.
    if matches!(build.state, BuildState::Failed | BuildState::RolledBack) {
        return;
    }
    let (read, all) = build.sources.iter().fold((0, 0), |(read, all), (source, progress)| {
        let before = view.sources().get(source).map_or(0, |source| source.began().sequence().saturating_sub(1)).into();
        (read + progress.position.since(before), all + progress.target.since(before))
    });
    // Of nothing, all is read.
    page.set(BUILD_PROGRESS, &own, if all == 0 { 1.0 } else { (read as f64 / all as f64).min(1.0) });
    for (source, progress) in &build.sources {
        let labels = [own[0], own[1], ("source", &**source)];
        page.set(BUILD_POSITION, &labels, progress.position.sequence() as f64);
        page.set(BUILD_TARGET, &labels, progress.target.sequence() as f64);
    }
    let is_on_its_way = build.state != BuildState::Shadowing;
    if let Some(rate) = build.sequences_per_second.filter(|_| is_on_its_way) {
        page.set(BUILD_RATE, &own, rate);
    }
    if let Some(seconds) = build.remaining_seconds.filter(|_| is_on_its_way) {
        page.set(BUILD_REMAINING, &own, seconds);
    }
    if let Some(since_us) = build.waiting_since_us {
        page.set(SHADOW_SINCE, &own, since_us as f64 / 1e6);
    }
    if let Some(comparison) = &build.comparison {
        let differences = [
            ("only-before", comparison.only_before),
            ("only-now", comparison.only_now),
            ("otherwise", comparison.otherwise),
        ];
        for (difference, keys) in differences {
            page.set(SHADOW_DIFFERENCES, &[own[0], own[1], ("difference", difference)], keys as f64);
        }
    }
}

/// What was replaced and can be rolled back to.
pub(super) fn kept(page: &mut Gauges, view: &ReadView) {
    let kept: Vec<(&str, &KeptStatus)> = view
        .projections()
        .iter()
        .filter_map(|(projection, status)| Some((projection.as_str(), status.kept.as_ref()?)))
        .collect();
    if !kept.is_empty() {
        page.set(KEPT_GENERATIONS, &[], kept.len() as f64);
    }
    for (projection, kept) in kept {
        let generation = kept.generation.to_string();
        let own = [("projection", projection), ("generation", generation.as_str())];
        for state in KeptState::ALL {
            let is_in_it = if state == kept.state { 1.0 } else { 0.0 };
            page.set(KEPT_STATE, &[own[0], own[1], ("state", state.label())], is_in_it);
        }
        page.set(KEPT_LAG, &own, kept.lag_events as f64);
        page.set(KEPT_STATE_BYTES, &own, kept.state_bytes as f64);
        if let Some(bytes) = kept.disk_bytes {
            page.set(KEPT_DISK_BYTES, &own, bytes as f64);
        }
        page.set(KEPT_UNTIL, &own, kept.until_us as f64 / 1e6);
    }
}
