//! What is exported of metrics is what is scraped: the same names, labels and values.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint};

use super::collector::{Collector, attribute};
use crate::crash::daemon::Daemon;

/// Those that are another with each page: by time, by what is sent, by who scrapes.
const MOVING: [&str; 5] = [
    "source_heartbeat_timestamp_seconds",
    "readside_checkpoint_timestamp_seconds",
    "readside_process_resident_memory_bytes",
    "readside_otlp_items_total",
    "http_connections",
];

/// Waits until the last page of the collector is as a scrape.
pub(super) fn metrics(collector: &Collector, daemon: &Daemon) {
    collector.wait("page with the same names", |received| {
        let kinds = daemon.samples("# TYPE ").into_iter().map(|line| line.replace("# TYPE ", ""));
        let scraped: BTreeSet<String> = kinds.collect();
        let page = received.pages.last()?;
        let exported: BTreeSet<String> =
            page.iter().map(|metric| format!("{} {}", metric.name, kind(metric))).collect();
        (scraped == exported).then_some(())
    });
    collector.wait("page with the same values", |received| {
        let lines = daemon.samples("");
        let still = lines.iter().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let still = still.filter(|line| !MOVING.iter().any(|moving| line.starts_with(moving)));
        let scraped: BTreeMap<String, f64> = still.map(|line| parsed(line)).collect();
        assert!(scraped.len() > 50 && scraped.keys().any(|name| name.starts_with("query_latency_seconds_bucket")));
        let exported: BTreeMap<String, f64> = received.pages.last()?.iter().flat_map(samples).collect();
        scraped.iter().all(|(name, value)| exported.get(name) == Some(value)).then_some(())
    });
}

fn kind(metric: &Metric) -> &'static str {
    match &metric.data {
        Some(Data::Gauge(_)) => "gauge",
        Some(Data::Sum(sum)) => {
            assert!(sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative);
            "counter"
        }
        Some(Data::Histogram(_)) => "histogram",
        other => panic!("{other:?}"),
    }
}

/// As a scrape has them.
fn samples(metric: &Metric) -> Vec<(String, f64)> {
    let name = &metric.name;
    let number = |point: &NumberDataPoint| {
        let Some(Value::AsDouble(value)) = point.value else { panic!("{point:?}") };
        (format!("{name}{}", labels(&point.attributes, None)), value)
    };
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(number).collect(),
        Some(Data::Sum(sum)) => sum.data_points.iter().map(number).collect(),
        Some(Data::Histogram(histogram)) => histogram.data_points.iter().flat_map(|point| parts(name, point)).collect(),
        other => panic!("{other:?}"),
    }
}

fn parts(name: &str, point: &HistogramDataPoint) -> Vec<(String, f64)> {
    let own = |part: &str| format!("{name}{part}{}", labels(&point.attributes, None));
    let mut parts = vec![(own("_sum"), point.sum.unwrap()), (own("_count"), point.count as f64)];
    let bounds = point.explicit_bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    let mut through = 0;
    for (bound, count) in bounds.zip(&point.bucket_counts) {
        through += count;
        parts.push((format!("{name}_bucket{}", labels(&point.attributes, Some(&bound))), through as f64));
    }
    parts
}

/// Sorted, so that the order of the page does not matter.
fn labels(attributes: &[KeyValue], bound: Option<&str>) -> String {
    let own = attributes.iter().map(|one| format!("{}=\"{}\"", one.key, attribute(attributes, &one.key)));
    let labels: BTreeSet<String> = own.chain(bound.map(|bound| format!("le=\"{bound}\""))).collect();
    labels.into_iter().collect::<Vec<_>>().join(",")
}

/// A line of the page, with its labels sorted.
fn parsed(line: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap();
    match series.split_once('{') {
        None => (series.to_owned(), value),
        Some((name, labels)) => {
            let labels: BTreeSet<&str> = labels.trim_end_matches('}').split(',').collect();
            (format!("{name}{}", labels.into_iter().collect::<Vec<_>>().join(",")), value)
        }
    }
}
