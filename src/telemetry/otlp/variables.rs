//! The variables that are read beside endpoints, those that have one value here, and those that cannot be obeyed.

/// With the values that are possible here, the default first.
pub(super) const ALLOWED: &[(&str, &[&str])] = &[
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", &["cumulative"]),
    ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", &["explicit_bucket_histogram"]),
];

/// Counts and milliseconds.
pub(super) const NUMBERS: &[&str] = &[
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
];

/// What would be sent otherwise than is asked for, with the reason.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("OTEL_CONFIG_FILE", "only variables are read here"),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", "only variables are read here"),
];

const READ: &[&str] = &[
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
];

/// What is read for each signal, or for all.
const OF_SIGNALS: &[&str] =
    &["ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];

/// Whether a variable belongs to OpenTelemetry and is not read.
pub(super) fn is_unread(name: &str) -> bool {
    let is_of_signals = name.strip_prefix("OTEL_EXPORTER_OTLP_").is_some_and(|rest| {
        let what = ["TRACES_", "METRICS_", "LOGS_"].iter().find_map(|signal| rest.strip_prefix(signal));
        OF_SIGNALS.contains(&what.unwrap_or(rest))
    });
    let is_listed = READ.contains(&name)
        || NUMBERS.contains(&name)
        || ALLOWED.iter().any(|(one, _)| *one == name)
        || REFUSED.iter().any(|(one, _)| *one == name);
    name.starts_with("OTEL_") && !is_of_signals && !is_listed
}
