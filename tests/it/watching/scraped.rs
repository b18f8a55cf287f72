//! What Prometheus has of a daemon under load.

use readside::telemetry::{METRICS, MetricKind};

use super::prometheus::{Prometheus, needs_prometheus, promtool};
use super::shop::{Shop, generated};
use super::{dashboard, expressions};
use crate::support::DEADLINE;
use crate::support::nats::needs_nats;

/// Metrics that this daemon has no reason to have, each with why.
pub(super) const ABSENT: &[(&str, &str)] = &[
    ("readside_process_memory_limit_bytes", "the test has no limit of its own"),
    ("readside_shadow_since_timestamp_seconds", "nothing waits any more"),
    ("readside_shadow_differing_rows", "nothing waits any more"),
    ("readside_build_state", "nothing is built any more"),
    ("readside_build_position", "nothing is built any more"),
    ("readside_build_progress_ratio", "nothing is built any more"),
    ("readside_build_target_position", "nothing is built any more"),
    ("readside_build_sequences_per_second", "it waits already, and has no rate"),
    ("readside_build_remaining_seconds", "it waits already, and nothing remains"),
    ("projection_build_remaining_sequences", "nothing is built any more"),
    ("query_result_stale_total", "no answer was stale"),
    ("http_connections_ended_total", "no connection met a limit"),
    ("parked_events_replayed_total", "nothing was replayed"),
    ("parked_events_discarded_total", "nothing was discarded"),
    ("parked_notices_total", "nobody is told of parked events"),
    ("source_ignored_events_total", "nothing is ignored"),
    ("readside_otlp_items_total", "nothing is exported"),
];

#[test]
fn a_prometheus_has_every_metric_of_a_daemon_under_load() {
    needs_nats!();
    needs_prometheus!();
    let mut shop = Shop::open();
    let rules = shop.folder.path().join("rules.yaml");
    generated("rules", &shop.config(), &rules);
    let prometheus = Prometheus::scraping(&shop.metrics, &rules);
    shop.ask();
    shop.change();
    // As long as what was built waits.
    prometheus.wait("readside_build_progress_ratio{projection=\"totals\"}", |ratio| ratio > 0.5 && ratio <= 1.0);
    prometheus.wait("time() - readside_shadow_since_timestamp_seconds{projection=\"totals\"}", |age| age > 0.0);
    assert!(!prometheus.samples("readside_shadow_differing_rows", DEADLINE).is_empty());
    let (is_clean, said) = promtool(&["check", "metrics"], &page(&shop));
    assert!(is_clean && said.is_empty(), "{said}");
    shop.promote();
    // Rows are verified from the history on, and have no figure when it was gone before the first time.
    for projection in ["totals", "found", "shares"] {
        prometheus.wait(&format!("readside_drifted_keys{{projection=\"{projection}\"}}"), |keys| keys == 0.0);
    }
    shop.expire(10);
    prometheus.wait("readside_source_first_sequence{source=\"orders\"}", |first| first == 11.0);
    for metric in METRICS {
        let name = match metric.kind {
            MetricKind::Histogram(_) => format!("{}_bucket", metric.name),
            MetricKind::Counter | MetricKind::Gauge => metric.name.to_owned(),
        };
        let is_absent = ABSENT.iter().any(|(absent, _)| *absent == metric.name);
        if !is_absent {
            assert!(!prometheus.samples(&name, DEADLINE).is_empty(), "{name}");
        }
    }
    the_figures_are_right(&mut shop, &prometheus);
    expressions::of_rules_give_data(&prometheus, &rules);
    dashboard::has_data(&prometheus, &shop);
    let (is_clean, said) = promtool(&["check", "metrics"], &page(&shop));
    assert!(is_clean && said.is_empty(), "{said}");
}

/// Against what was published, once the load is over.
fn the_figures_are_right(shop: &mut Shop, prometheus: &Prometheus) {
    let last = shop.rest() as f64;
    let of = |metric: &str, labels: &str| format!("{metric}{{job=\"readside\"{labels}}}");
    for metric in ["source_last_sequence", "readside_source_position"] {
        prometheus.wait(&of(metric, ",source=\"orders\""), |value| value == last);
    }
    prometheus.wait(&of("readside_source_since_sequence", ",source=\"orders\""), |value| value == 1.0);
    // One event in a hundred is of an undeclared type, and another one of no cents.
    prometheus.wait(&of("source_parked_events", ",event_type=\"other\""), |value| value == last / 100.0);
    prometheus.wait(&of("readside_projection_parked_events", ",projection=\"shares\""), |value| value == last / 100.0);
    prometheus.wait(&of("readside_projection_parked_events", ",projection=\"totals\""), |value| value == 0.0);
    // What was read at the start was published before; each message of the stream counts once in each projection that has served it.
    let visible = of("readside_publish_to_visible_seconds_count", ",projection=\"shares\"");
    let seen = prometheus.wait(&visible, |seen| seen > 0.0);
    assert!(seen <= last, "{seen} of {last}");
    prometheus.wait(&of("readside_slo_lag_seconds", ",projection=\"totals\""), |value| value == 2.0);
    prometheus.wait(&of("readside_slo_objective_ratio", ",projection=\"totals\""), |value| value == 0.999);
    prometheus.wait(&of("readside_slo_objective_ratio", ",projection=\"found\""), |value| value == 0.99);
    let observed =
        prometheus.wait(&of("readside_slo_observed_seconds_total", ",projection=\"totals\""), |value| value > 1.0);
    let missed = prometheus.wait(&of("readside_slo_missed_seconds_total", ",projection=\"totals\""), |_| true);
    assert!(missed <= observed, "{missed} of {observed}");
    let uptime = prometheus.wait("time() - readside_process_start_time_seconds", |_| true);
    assert!(observed <= uptime + 2.0, "{observed} s of {uptime} s");
    prometheus.wait("time() - readside_checkpoint_timestamp_seconds", |age| age < 10.0);
    prometheus.wait("readside_process_resident_memory_bytes", |bytes| bytes > 1e6);
    prometheus.wait("readside_state_bytes", |bytes| bytes > 1e3);
    prometheus.wait("readside_state_limit_bytes", |bytes| bytes == f64::from(1 << 30));
    let version = format!("count(readside_build_info{{version=\"{}\"}})", env!("CARGO_PKG_VERSION"));
    prometheus.wait(&version, |value| value == 1.0);
    let owned = "readside_projection_info{projection=\"found\",kind=\"search\",owner=\"team-search\"}";
    prometheus.wait(owned, |value| value == 1.0);
}

pub(super) fn page(shop: &Shop) -> String {
    let mut answer = ureq::get(format!("{}/metrics", shop.metrics)).call().unwrap();
    answer.body_mut().read_to_string().unwrap()
}

/// Parked events are counted from what a checkpoint keeps.
#[test]
fn parked_events_of_a_projection_are_counted_after_a_restart() {
    let mut world = crate::reload::World::start(&[
        "projection: shares\nkey: [position]\nsql: SELECT _seq AS position, 100 / cents AS share FROM orders.placed\n",
    ]);
    let parked = |world: &crate::reload::World| {
        world.daemon().metric("readside_projection_parked_events", &["projection=\"shares\""])
    };
    assert_eq!(parked(&world), 1.0, "the first event has no cents");
    world.restart();
    assert_eq!(parked(&world), 1.0);
    assert_eq!(
        world.daemon().metric("projection_error_total", &["projection=\"shares\""]),
        0.0,
        "a counter begins anew"
    );
}
