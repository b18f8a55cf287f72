//! What the standard `OTEL_*` variables ask for, checked before anything starts.
//!
//! A signal is exported where an endpoint for it, or its exporter `otlp`, is named; without the variables there is nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;
use ureq::http::{HeaderName, HeaderValue, Uri};

use super::variables::{self, ALLOWED, NUMBERS, REFUSED};

/// Where a collector of the same host listens.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// Why the variables cannot be obeyed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{variable}` {problem}")]
pub struct OtlpError {
    pub(super) variable: String,
    pub(super) problem: String,
}

/// Where a signal goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) endpoint: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// For one attempt.
    pub(super) timeout: Duration,
    /// The file of the certificates that are trusted instead of the system's.
    pub(super) certificate: Option<(String, PathBuf)>,
}

/// All that the variables ask for.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) traces: Option<Target>,
    pub(super) metrics: Option<Target>,
    pub(super) logs: Option<Target>,
    pub(super) sampler: Sampler,
    pub(super) resource: Resource,
    pub(super) metrics_every: Duration,
    /// The most spans, and the most records of the log, that wait to be sent.
    pub(super) spans_max: usize,
    pub(super) records_max: usize,
    /// Whether the traces of callers are continued.
    pub(super) continues: bool,
    /// Variables that are set and change nothing.
    pub(super) unread: Vec<String>,
}

impl Signal {
    /// As metrics and messages name it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        }
    }

    /// As variables name it.
    fn word(self) -> String {
        self.label().to_uppercase()
    }
}

/// The variables of a process; an empty one counts as none.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl Settings {
    /// None where nothing is to be exported.
    ///
    /// # Errors
    /// Where a variable has a value that cannot be obeyed.
    pub(super) fn read(all: &BTreeMap<String, String>) -> Result<Option<Self>, OtlpError> {
        let variables = Variables(all);
        if variables.choice("OTEL_SDK_DISABLED", &["false", "true"])? == "true" {
            return Ok(None);
        }
        let traces = variables.target(Signal::Traces)?;
        let metrics = variables.target(Signal::Metrics)?;
        let logs = variables.target(Signal::Logs)?;
        if traces.is_none() && metrics.is_none() && logs.is_none() {
            return Ok(None);
        }
        for (variable, why) in REFUSED {
            if variables.get(variable).is_some() {
                return Err(wrong(variable, format!("is set, and {why}")));
            }
        }
        for (variable, allowed) in ALLOWED {
            variables.choice(variable, allowed)?;
        }
        for variable in NUMBERS {
            variables.number(variable, 0)?;
        }
        Ok(Some(Self {
            traces,
            metrics,
            logs,
            sampler: variables.sampler()?,
            resource: variables.resource()?,
            metrics_every: Duration::from_millis(variables.number("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?.max(100)),
            spans_max: variables.queue("OTEL_BSP_MAX_QUEUE_SIZE")?,
            records_max: variables.queue("OTEL_BLRP_MAX_QUEUE_SIZE")?,
            continues: variables.continues()?,
            unread: all.keys().filter(|name| variables::is_unread(name)).cloned().collect(),
        }))
    }
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The variable of a signal, or else that of all, with its name.
    fn own_or_common(&self, signal: Signal, what: &str) -> Option<(String, &str)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.word());
        let names = [own, format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    /// One of `allowed`, of which the first one is meant where it is not set.
    fn choice(&self, name: &str, allowed: &[&'static str]) -> Result<&'static str, OtlpError> {
        let Some(value) = self.get(name) else { return Ok(allowed[0]) };
        let known = allowed.iter().find(|known| known.eq_ignore_ascii_case(value));
        known.copied().ok_or_else(|| wrong(name, format!("is `{value}`, and can be `{}`", allowed.join("`, `"))))
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, OtlpError> {
        self.get(name).map_or(Ok(default), |value| parsed(name, value, "a whole number"))
    }

    fn queue(&self, name: &str) -> Result<usize, OtlpError> {
        Ok(self.number(name, 2048)?.clamp(1, 1 << 20) as usize)
    }

    fn target(&self, signal: Signal) -> Result<Option<Target>, OtlpError> {
        let exporter = format!("OTEL_{}_EXPORTER", signal.word());
        let is_named = self.get(&exporter).is_some();
        let endpoint = self.own_or_common(signal, "ENDPOINT");
        if self.choice(&exporter, &["otlp", "none"])? == "none" || (!is_named && endpoint.is_none()) {
            return Ok(None);
        }
        if let Some((name, protocol)) = self.own_or_common(signal, "PROTOCOL")
            && !protocol.eq_ignore_ascii_case("http/protobuf")
        {
            let hint = "only `http/protobuf` is spoken here; its port is 4318 for most collectors";
            return Err(wrong(name, format!("is `{protocol}`, and {hint}")));
        }
        if let Some((name, compression)) = self.own_or_common(signal, "COMPRESSION")
            && !compression.eq_ignore_ascii_case("none")
        {
            return Err(wrong(name, format!("is `{compression}`, and nothing is compressed here: leave it out")));
        }
        for what in ["CLIENT_CERTIFICATE", "CLIENT_KEY"] {
            if let Some((name, _)) = self.own_or_common(signal, what) {
                return Err(wrong(name, "is set, and no client certificate is sent here".to_owned()));
            }
        }
        let timeout = match self.own_or_common(signal, "TIMEOUT") {
            Some((name, value)) => parsed(&name, value, "a number of milliseconds")?,
            None => 10_000,
        };
        let headers = self.own_or_common(signal, "HEADERS").map_or(Ok(Vec::new()), |(name, list)| headers(&name, list));
        let endpoint = endpoint_of(signal, endpoint)?;
        let certificate = self.own_or_common(signal, "CERTIFICATE").map(|(name, path)| (name, path.into()));
        let timeout = Duration::from_millis(timeout.max(1));
        Ok(Some(Target { endpoint, headers: headers?, timeout, certificate }))
    }

    fn sampler(&self) -> Result<Sampler, OtlpError> {
        const ALL: [&str; 6] = [
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
            "always_on",
            "always_off",
            "traceidratio",
        ];
        let named = self.choice("OTEL_TRACES_SAMPLER", &ALL)?;
        let name = "OTEL_TRACES_SAMPLER_ARG";
        let ratio: f64 = self.get(name).map_or(Ok(1.0), |value| parsed(name, value, "a number from 0 to 1"))?;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(wrong(name, format!("is `{ratio}`, and has to be a number from 0 to 1")));
        }
        let root = match named.trim_start_matches("parentbased_") {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            _ => Sampler::TraceIdRatioBased(ratio),
        };
        let is_parent_based = named.starts_with("parentbased_");
        Ok(if is_parent_based { Sampler::ParentBased(Box::new(root)) } else { root })
    }

    /// Of baggage nothing is made here, so that it makes no difference.
    fn continues(&self) -> Result<bool, OtlpError> {
        let name = "OTEL_PROPAGATORS";
        let Some(list) = self.get(name) else { return Ok(true) };
        let named: Vec<&str> = list.split(',').map(str::trim).collect();
        match named.iter().find(|one| !["tracecontext", "baggage", "none"].contains(one)) {
            Some(other) => Err(wrong(name, format!("has `{other}`, and only `tracecontext` is read here"))),
            None => Ok(named.contains(&"tracecontext")),
        }
    }

    /// What all signals say of their origin.
    fn resource(&self) -> Result<Resource, OtlpError> {
        let mut attributes: BTreeMap<String, String> = BTreeMap::from([
            ("service.name".to_owned(), "readside".to_owned()),
            ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        if let Some(host) = self.get("HOSTNAME") {
            attributes.insert("service.instance.id".to_owned(), host.to_owned());
        }
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        attributes.extend(pairs(name, self.get(name).unwrap_or_default())?);
        if let Some(service) = self.get("OTEL_SERVICE_NAME") {
            attributes.insert("service.name".to_owned(), service.to_owned());
        }
        let attributes = attributes.into_iter().map(|(key, value)| KeyValue::new(key, value));
        let builder = Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector));
        Ok(builder.with_attributes(attributes).build())
    }
}

/// The endpoint of a signal: its own one as it is written, or its path below that of all.
fn endpoint_of(signal: Signal, named: Option<(String, &str)>) -> Result<Uri, OtlpError> {
    let (name, base) = named.unwrap_or(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), DEFAULT_ENDPOINT));
    let is_common = name == "OTEL_EXPORTER_OTLP_ENDPOINT";
    let text =
        if is_common { format!("{}/v1/{}", base.trim_end_matches('/'), signal.label()) } else { base.to_owned() };
    let example = "such as `http://localhost:4318`";
    let uri: Uri = text.parse().map_err(|error| wrong(&name, format!("is not a URL {example}: {error}")))?;
    match (uri.scheme_str(), uri.authority()) {
        (_, Some(authority)) if authority.as_str().contains('@') => {
            Err(wrong(&name, "has a user or a password, which belong into `OTEL_EXPORTER_OTLP_HEADERS`".to_owned()))
        }
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err(wrong(&name, format!("is `{base}`, and has to be a URL {example}"))),
    }
}

fn headers(name: &str, list: &str) -> Result<Vec<(HeaderName, HeaderValue)>, OtlpError> {
    // Values may be secret, so that no message shows one.
    let header = |(key, value): (String, String)| {
        let value =
            HeaderValue::from_str(&value).map_err(|_| wrong(name, format!("has no valid value for `{key}`")))?;
        let key = HeaderName::from_str(&key).map_err(|_| wrong(name, format!("has `{key}`, which names no header")))?;
        Ok((key, value))
    };
    pairs(name, list)?.into_iter().map(header).collect()
}

/// `key=value,key=value`, where values may have octets as `%20`.
fn pairs(name: &str, list: &str) -> Result<Vec<(String, String)>, OtlpError> {
    let entries = list.split(',').enumerate().filter(|(_, entry)| !entry.trim().is_empty());
    let pair = |entry: &str| {
        let (key, value) = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty())?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    };
    let entries = entries.map(|(index, entry)| {
        pair(entry).ok_or_else(|| wrong(name, format!("has no `key=value` as entry {}", index + 1)))
    });
    entries.collect()
}

fn parsed<T: FromStr>(name: &str, value: &str, what: &str) -> Result<T, OtlpError> {
    value.parse().map_err(|_| wrong(name, format!("is `{value}`, and has to be {what}")))
}

fn wrong(variable: impl fmt::Display, problem: String) -> OtlpError {
    OtlpError { variable: variable.to_string(), problem }
}

#[cfg(test)]
mod tests;
