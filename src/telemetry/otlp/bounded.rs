//! The processors and exporters of OpenTelemetry's own, with the bound and the counts of an outbox around them.
//!
//! Theirs drop as well when their queues are full, but tell nobody how much. What the outbox admits always finds room in them.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_otlp::{LogExporter as OtlpLogs, SpanExporter as OtlpSpans};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use super::outbox::Outbox;

/// Hands spans over, as far as there is room.
#[derive(Debug)]
pub(super) struct Spans {
    pub(super) inner: BatchSpanProcessor,
    pub(super) outbox: Arc<Outbox>,
}

impl SpanProcessor for Spans {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.outbox.admits() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Sends spans, on the thread of their processor.
#[derive(Debug)]
pub(super) struct SentSpans {
    pub(super) inner: OtlpSpans,
    pub(super) outbox: Arc<Outbox>,
}

impl SpanExporter for SentSpans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.outbox.takes(spans);
        let sent = self.inner.export(batch).await;
        self.outbox.ended(spans, sent.is_ok());
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Hands records of the log over, as far as there is room.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) inner: BatchLogProcessor,
    pub(super) outbox: Arc<Outbox>,
}

impl LogProcessor for Records {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.outbox.admits() {
            self.inner.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Sends records of the log, on the thread of their processor.
#[derive(Debug)]
pub(super) struct SentRecords {
    pub(super) inner: OtlpLogs,
    pub(super) outbox: Arc<Outbox>,
}

impl LogExporter for SentRecords {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count();
        self.outbox.takes(records);
        let sent = self.inner.export(batch).await;
        self.outbox.ended(records, sent.is_ok());
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
