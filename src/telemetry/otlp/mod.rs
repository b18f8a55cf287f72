//! Metrics, traces and logs over OTLP, as far as the standard `OTEL_*` variables ask for them.
//!
//! Nothing waits for a collector: what is to be sent is handed to threads of the exporters, as far as there is room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{ExporterBuildError, LogExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::logs::{BatchConfigBuilder as LogBatches, BatchLogProcessor, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{BatchConfigBuilder as SpanBatches, BatchSpanProcessor, SdkTracerProvider};

use super::spans;
use bounded::{Records, SentRecords, SentSpans, Spans};
use client::Client;
use outbox::Outbox;
use pusher::{Pages, Pusher, nanoseconds};
use settings::{Settings, Signal, Target};

mod bounded;
mod client;
mod outbox;
mod page;
mod pusher;
mod settings;
mod variables;

pub use settings::OtlpError;

/// For what is left when the daemon ends, of all signals together.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where pages of metrics go once there are some, and the thread that sends them.
static PAGES: Mutex<Option<Pages>> = Mutex::new(None);
static PUSHER: Mutex<Option<Pusher>> = Mutex::new(None);

/// What is exported of this process.
#[derive(Debug, Default)]
pub struct Exports {
    tracers: Option<SdkTracerProvider>,
    loggers: Option<SdkLoggerProvider>,
    /// Variables that are set and change nothing.
    unread: Vec<String>,
}

impl Exports {
    /// As this process's variables ask for it: nothing without them. Traces and pages of metrics are exported from now on.
    ///
    /// # Errors
    /// Where a variable cannot be obeyed.
    pub fn start() -> Result<Self, OtlpError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables: BTreeMap<String, String> =
            variables.map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect();
        let Some(settings) = Settings::read(&variables)? else { return Ok(Self::default()) };
        let tracers = settings.traces.as_ref().map(|target| tracers(&settings, target)).transpose()?;
        let loggers = settings.logs.as_ref().map(|target| loggers(&settings, target)).transpose()?;
        if let Some(tracers) = &tracers {
            spans::export_to(tracers.tracer("readside"), settings.continues);
        }
        if let Some(target) = &settings.metrics {
            let (client, outbox) = client(Signal::Metrics, target, 0)?;
            let attributes = ResourceAttributesWithSchema::from(&settings.resource).attributes.0;
            let resource = Resource { attributes, ..Resource::default() };
            let (target, every, started) = (target.clone(), settings.metrics_every, nanoseconds());
            *PAGES.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Pages { target, client, outbox, resource, every, started });
        }
        Ok(Self { tracers, loggers, unread: settings.unread })
    }

    /// Hands lines of the log over, where logs are exported.
    pub fn log_layer(&self) -> Option<OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>> {
        self.loggers.as_ref().map(OpenTelemetryTracingBridge::new)
    }

    /// Says which variables change nothing.
    pub fn warn_of_unread(&self) {
        if !self.unread.is_empty() {
            tracing::warn!(variables = %self.unread.join(", "), "variables of OpenTelemetry are not read here and change nothing");
        }
    }

    /// Sends what is left, for a while and no longer.
    pub fn finish(self) {
        let pusher = PUSHER.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::thread::scope(|scope| {
            // Without a collector each of them takes all the time there is.
            scope.spawn(|| pusher.map(|pusher| pusher.finish(FAREWELL)));
            scope.spawn(|| self.loggers.as_ref().map(|loggers| loggers.shutdown_with_timeout(FAREWELL)));
            scope.spawn(|| self.tracers.as_ref().map(|tracers| tracers.shutdown_with_timeout(FAREWELL)));
        });
    }
}

/// Begins to export this page, where metrics are exported.
///
/// # Errors
/// Where the system has no more threads.
pub fn push_metrics(page: impl Fn() -> String + Send + 'static) -> std::io::Result<()> {
    let pages = PAGES.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(pages) = pages {
        *PUSHER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pusher::start(pages, page)?);
    }
    Ok(())
}

fn client(signal: Signal, target: &Target, room: usize) -> Result<(Client, Arc<Outbox>), OtlpError> {
    let collector = target.endpoint.authority().map(ToString::to_string).unwrap_or_default();
    let outbox = Arc::new(Outbox::new(signal, collector, room));
    Ok((Client::new(target, outbox.clone())?, outbox))
}

fn tracers(settings: &Settings, target: &Target) -> Result<SdkTracerProvider, OtlpError> {
    let (client, outbox) = client(Signal::Traces, target, settings.spans_max)?;
    let exporter = SpanExporter::builder().with_http().with_http_client(client);
    let exporter = exporter.with_endpoint(target.endpoint.to_string()).with_timeout(target.timeout);
    let inner = exporter.build().map_err(unbuilt)?;
    let exporter = SentSpans { inner, outbox: outbox.clone() };
    let batches = SpanBatches::default().with_max_queue_size(settings.spans_max).build();
    let inner = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let provider = SdkTracerProvider::builder().with_resource(settings.resource.clone());
    let provider = provider.with_sampler(settings.sampler.clone());
    Ok(provider.with_span_processor(Spans { inner, outbox }).build())
}

fn loggers(settings: &Settings, target: &Target) -> Result<SdkLoggerProvider, OtlpError> {
    let (client, outbox) = client(Signal::Logs, target, settings.records_max)?;
    let exporter = LogExporter::builder().with_http().with_http_client(client);
    let exporter = exporter.with_endpoint(target.endpoint.to_string()).with_timeout(target.timeout);
    let inner = exporter.build().map_err(unbuilt)?;
    let exporter = SentRecords { inner, outbox: outbox.clone() };
    let batches = LogBatches::default().with_max_queue_size(settings.records_max).build();
    let inner = BatchLogProcessor::builder(exporter).with_batch_config(batches).build();
    let provider = SdkLoggerProvider::builder().with_resource(settings.resource.clone());
    Ok(provider.with_log_processor(Records { inner, outbox }).build())
}

fn unbuilt(error: ExporterBuildError) -> OtlpError {
    OtlpError { variable: "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), problem: format!("cannot be exported to: {error}") }
}
