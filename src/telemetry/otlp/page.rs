//! The page of metrics as OTLP has it: whoever collects over OTLP sees what whoever scrapes sees, because it is the same page.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

/// From when on counters count, and when the page was made, in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) start: u64,
    pub(super) now: u64,
}

/// Labels in the order of the page.
type Labels = Vec<(String, String)>;

/// Metrics of a page in the Prometheus text format, as this daemon writes it.
pub(super) fn metrics(page: &str, times: Times) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut described = BTreeMap::new();
    let mut family: Option<Family> = None;
    for line in page.lines() {
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            described.insert(name.to_owned(), text.to_owned());
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            metrics.extend(family.take().map(|family| family.metric(&described, times)));
            family = Some(Family { name: name.to_owned(), kind: kind.to_owned(), samples: Vec::new() });
        } else if let (Some(family), Some(sample)) = (family.as_mut(), sample(line)) {
            family.samples.push(sample);
        }
    }
    metrics.extend(family.map(|family| family.metric(&described, times)));
    metrics
}

/// How many values there are to send.
pub(super) fn points(metrics: &[Metric]) -> usize {
    let points = |metric: &Metric| match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    };
    metrics.iter().map(points).sum()
}

struct Sample {
    name: String,
    labels: Labels,
    value: f64,
}

/// The samples below one `# TYPE`.
struct Family {
    name: String,
    kind: String,
    samples: Vec<Sample>,
}

impl Family {
    fn metric(self, described: &BTreeMap<String, String>, times: Times) -> Metric {
        let Self { name, kind, samples } = self;
        let (description, unit) = (described.get(&name).cloned().unwrap_or_default(), unit(&name).to_owned());
        let temporality = AggregationTemporality::Cumulative.into();
        let data = match kind.as_str() {
            "histogram" => {
                let data_points = histogram(&name, samples, times);
                Data::Histogram(Histogram { data_points, aggregation_temporality: temporality })
            }
            "counter" => {
                let data_points = samples.into_iter().map(|sample| number(sample, times.start, times.now)).collect();
                Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
            }
            // Of a gauge it does not matter since when.
            _ => Data::Gauge(Gauge {
                data_points: samples.into_iter().map(|sample| number(sample, 0, times.now)).collect(),
            }),
        };
        Metric { name, description, unit, data: Some(data), ..Metric::default() }
    }
}

fn number(sample: Sample, start: u64, now: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(sample.labels),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(Value::AsDouble(sample.value)),
        ..NumberDataPoint::default()
    }
}

/// One point for each set of labels without `le`, in the order of the page.
fn histogram(name: &str, samples: Vec<Sample>, times: Times) -> Vec<HistogramDataPoint> {
    let mut points: Vec<(Labels, HistogramDataPoint)> = Vec::new();
    for Sample { name: part, mut labels, value } in samples {
        let bound = labels.iter().position(|(label, _)| label == "le").map(|at| labels.remove(at).1);
        if points.last().is_none_or(|(last, _)| *last != labels) {
            let (start_time_unix_nano, time_unix_nano) = (times.start, times.now);
            let point = HistogramDataPoint { start_time_unix_nano, time_unix_nano, ..HistogramDataPoint::default() };
            points.push((labels, point));
        }
        let Some((_, point)) = points.last_mut() else { continue };
        match part.strip_prefix(name) {
            // They are cumulative on the page, and each for itself in OTLP.
            Some("_bucket") => {
                let below: u64 = point.bucket_counts.iter().sum();
                point.bucket_counts.push((value as u64).saturating_sub(below));
                point
                    .explicit_bounds
                    .extend(bound.and_then(|bound| bound.parse().ok()).filter(|bound: &f64| bound.is_finite()));
            }
            Some("_sum") => point.sum = Some(value),
            Some("_count") => point.count = value as u64,
            _ => {}
        }
    }
    points.into_iter().map(|(labels, point)| HistogramDataPoint { attributes: attributes(labels), ..point }).collect()
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    let attribute = |(key, value)| {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
        KeyValue { key, value, ..KeyValue::default() }
    };
    labels.into_iter().map(attribute).collect()
}

/// In the units' own code (UCUM), as far as the name says one.
fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        Some("ratio") => "1",
        _ => "",
    }
}

/// `name value` or `name{label="value",…} value`.
fn sample(line: &str) -> Option<Sample> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (name, labels, value) = match line.split_once('{') {
        None => {
            let (name, value) = line.split_once(' ')?;
            (name, Labels::new(), value)
        }
        Some((name, rest)) => {
            let (labels, value) = labels(rest)?;
            (name, labels, value)
        }
    };
    Some(Sample { name: name.to_owned(), labels, value: value.trim().parse().ok()? })
}

/// What stands between the braces, and what follows them.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, quoted) = rest.split_once("=\"")?;
        let (value, after) = unescaped(quoted)?;
        labels.push((key.to_owned(), value));
        rest = after;
    }
}

/// A value up to the quote that ends it, and what follows.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# HELP rows Live rows.
# TYPE rows gauge
rows{projection="a\"b\\c\nd,}",generation="1"} 3
rows{projection="b"} 1e3

# HELP seen_seconds_total Time.
# TYPE seen_seconds_total counter
seen_seconds_total 1.5

# TYPE took_seconds histogram
took_seconds_bucket{endpoint="sql",le="0.5"} 2
took_seconds_bucket{endpoint="sql",le="1"} 2
took_seconds_bucket{endpoint="sql",le="+Inf"} 5
took_seconds_sum{endpoint="sql"} 12.25
took_seconds_count{endpoint="sql"} 5
took_seconds_bucket{endpoint="list",le="+Inf"} 0
took_seconds_sum{endpoint="list"} 0
took_seconds_count{endpoint="list"} 0
"#;

    #[test]
    fn a_page_is_the_same_over_otlp() {
        let metrics = metrics(PAGE, Times { start: 1, now: 2 });
        assert_eq!(points(&metrics), 5);
        let told = |metric: &Metric| (metric.name.clone(), metric.description.clone(), metric.unit.clone());
        let told: Vec<_> = metrics.iter().map(told).collect();
        let expected = [("rows", "Live rows.", ""), ("seen_seconds_total", "Time.", "s"), ("took_seconds", "", "s")];
        assert_eq!(told, expected.map(|(name, text, unit)| (name.to_owned(), text.to_owned(), unit.to_owned())));
        let Some(Data::Gauge(rows)) = &metrics[0].data else { panic!("{metrics:?}") };
        let value = rows.data_points[0].attributes[0].value.clone().and_then(|value| value.value);
        assert_eq!(value, Some(any_value::Value::StringValue("a\"b\\c\nd,}".to_owned())));
        assert_eq!(rows.data_points[1].value, Some(Value::AsDouble(1000.0)));
        let Some(Data::Sum(seen)) = &metrics[1].data else { panic!("{metrics:?}") };
        assert!(seen.is_monotonic && seen.data_points[0].start_time_unix_nano == 1);
        let Some(Data::Histogram(took)) = &metrics[2].data else { panic!("{metrics:?}") };
        let sql = &took.data_points[0];
        assert_eq!((sql.bucket_counts.as_slice(), sql.explicit_bounds.as_slice()), (&[2, 0, 3][..], &[0.5, 1.0][..]));
        assert_eq!((sql.sum, sql.count, sql.attributes.len()), (Some(12.25), 5, 1));
        assert_eq!((took.data_points[1].bucket_counts.as_slice(), took.data_points[1].count), (&[0][..], 0));
    }
}
