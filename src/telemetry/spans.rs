//! The few spans that are exported: commits, requests, and what takes long. Without an exporter none is made.
//!
//! No span has anything of an event or a row: no payload, no key, no query, no path but its route.

use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::context::FutureExt;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Link, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, ContextGuard, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use crate::event::{Headers, Message};

/// A commit's span is linked with the spans that published its newest messages, as many as these.
const LINKS_MAX: usize = 32;
/// Beyond these nothing is looked for: a commit may have very many messages, most of them of the same trace or of none.
const LOOKED_AT_MAX: usize = 1024;

/// Methods as the semantic conventions know them; all others are one.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
/// Asked every few seconds, and of no interest.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/healthz"];

struct Exporter {
    tracer: SdkTracer,
    /// Whether the traces of callers are continued.
    continues: bool,
}

static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Exports spans from now on.
pub(super) fn export_to(tracer: SdkTracer, continues: bool) {
    // A process has one exporter, and begins with it.
    let _ = EXPORTER.set(Exporter { tracer, continues });
}

/// The span of a commit, for as long as it is held. What is logged meanwhile belongs to it.
pub struct CommitSpan(#[expect(dead_code, reason = "it is held for what its end does")] Option<ContextGuard>);

impl CommitSpan {
    /// Of a commit of these messages, the newest ones first. They are not looked at where spans are not exported.
    pub fn begin<'a>(messages: impl Iterator<Item = &'a Message>) -> Self {
        Self(EXPORTER.get().and_then(|exporter| {
            let mut messages = messages.peekable();
            // One that only notes how far a source was read is no work.
            messages.peek()?;
            let links = links(messages).into_iter().map(Link::with_context).collect();
            let builder = SpanBuilder::from_name("commit").with_kind(SpanKind::Consumer).with_links(links);
            let span = builder.start_with_context(&exporter.tracer, &Context::new());
            Some(Context::new().with_span(span).attach())
        }))
    }
}

/// The traces that messages belong to, each span once.
fn links<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<SpanContext> {
    let mut links: Vec<SpanContext> = Vec::new();
    for message in messages.take(LOOKED_AT_MAX) {
        let context = parent(&OfMessage(&message.headers));
        let span = context.span().span_context().clone();
        let is_known = links.iter().any(|one| one.span_id() == span.span_id() && one.trace_id() == span.trace_id());
        if span.is_valid() && !is_known {
            links.push(span);
        }
        if links.len() == LINKS_MAX {
            break;
        }
    }
    links
}

/// The span of a request, where it is to have one.
pub struct RequestSpan(Context);

impl RequestSpan {
    /// `route` as it is declared, with its parameters' names; `header` finds one of the request.
    pub fn begin(method: &str, route: Option<&str>, header: impl Fn(&'static str) -> Option<String>) -> Option<Self> {
        let exporter = EXPORTER.get()?;
        if route.is_some_and(|route| PROBES.contains(&route)) {
            return None;
        }
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER");
        let headers = OfRequest(["traceparent", "tracestate"].map(|name| (name, header(name))));
        let parent = if exporter.continues { parent(&headers) } else { Context::new() };
        let verb = if method == "_OTHER" { "HTTP" } else { method };
        let name = route.map_or(verb.to_owned(), |route| format!("{verb} {route}"));
        let mut attributes = vec![KeyValue::new("http.request.method", method), KeyValue::new("url.scheme", "http")];
        attributes.extend(route.map(|route| KeyValue::new("http.route", route.to_owned())));
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes(attributes);
        let span = builder.start_with_context(&exporter.tracer, &parent);
        Some(Self(parent.with_span(span)))
    }

    /// What answers the request, within the span.
    pub async fn around<F: Future>(&self, answering: F) -> F::Output {
        answering.with_context(self.0.clone()).await
    }

    /// Answered with this status.
    pub fn end(self, status: u16) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// A span of work that has just ended, of a projection or of all.
pub(super) fn ended(name: &'static str, projection: Option<&str>, took: Duration, result: Option<&'static str>) {
    let Some(exporter) = EXPORTER.get() else { return };
    let started = SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH);
    let projection = projection.map(|projection| KeyValue::new("readside.projection", projection.to_owned()));
    let result = result.map(|result| KeyValue::new("readside.result", result));
    let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal).with_start_time(started);
    let builder = builder.with_attributes(projection.into_iter().chain(result));
    // It ends when it goes.
    drop(builder.start_with_context(&exporter.tracer, &Context::new()));
}

fn parent(headers: &dyn Extractor) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), headers)
}

struct OfMessage<'a>(&'a Headers);

impl Extractor for OfMessage<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

struct OfRequest([(&'static str, Option<String>); 2]);

impl Extractor for OfRequest {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == key)?.1.as_deref()
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, headers: &[(&str, String)]) -> Message {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Message {
            seq,
            subject: String::new(),
            headers: Headers(headers),
            payload: Default::default(),
            published_at_us: 0,
            unreadable: None,
        }
    }

    fn traced(seq: u64, span: u64) -> Message {
        message(seq, &[("Traceparent", format!("00-{:032x}-{span:016x}-01", 7))])
    }

    #[test]
    fn a_commit_is_linked_with_its_newest_messages() {
        let none = message(1, &[]);
        let wrong = message(2, &[("traceparent", "00-zz-1-01".to_owned())]);
        let all: Vec<Message> = [none, wrong].into_iter().chain((3..100).map(|seq| traced(seq, seq / 2))).collect();
        let found: Vec<u64> =
            links(all.iter().rev()).iter().map(|one| u64::from_be_bytes(one.span_id().to_bytes())).collect();
        let expected: Vec<u64> = (18..=49).rev().collect();
        assert_eq!(found, expected, "each span once, and as many as there may be");
        assert!(links(all[..2].iter()).is_empty());
    }

    #[test]
    fn without_an_exporter_nothing_is_looked_at() {
        let looked_at = std::iter::from_fn(|| -> Option<&'static Message> { panic!("a message was looked at") });
        drop(CommitSpan::begin(looked_at));
        let header = |name: &'static str| -> Option<String> { panic!("`{name}` was looked at") };
        assert!(RequestSpan::begin("GET", Some("/v1/sql"), header).is_none());
    }
}
