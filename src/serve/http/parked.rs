//! `/v1/parked`: the events that are not in some read models, and why.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, TimeUnit};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Api;
use super::answer::{PageJson, answer, item, items, to_json};
use super::parameters::{no_parameters, page_size, pairs, take, url_value};
use super::reader::Reader;
use super::status::{for_administrators, unknown};
use crate::event::{Body, Message, Reason};
use crate::lifecycle::{Parked, ParkedFilter};
use crate::progress::rfc3339;
use crate::query::{ErrorKind, QueryError, did_you_mean};
use crate::read_model::ReadView;

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1000;

/// A parked event without its headers and its body.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParkedItem<'a> {
    source: &'a str,
    sequence: u64,
    subject: &'a str,
    /// RFC 3339; none of a line of a file that does not say it.
    published_at: Option<String>,
    body_bytes: usize,
    #[serde(flatten)]
    fault: Fault<'a>,
}

/// Why an event is parked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fault<'a> {
    /// The type, declared or not, if it got that far.
    event_type: Option<&'a str>,
    /// The projection that alone could not take it; none if no projection has it.
    projection: Option<&'a str>,
    generation: Option<u64>,
    /// In a word: `missing_field`.
    reason: &'static str,
    /// JSON pointer of the culprit in the body.
    pointer: Option<&'a str>,
    detail: &'a str,
}

/// A message with all reasons for which it is parked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ParkedMessage<'a> {
    source: &'a str,
    sequence: u64,
    subject: &'a str,
    published_at: Option<String>,
    headers: Vec<Header<'a>>,
    body_bytes: usize,
    /// Of the three forms of the body there is one: as it was written if it is JSON, else as text, else in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    faults: Vec<Fault<'a>>,
}

#[derive(Debug, Serialize)]
struct Header<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> ParkedItem<'a> {
    pub(super) fn of(parked: &'a Parked) -> Self {
        let message = &parked.rejected.message;
        ParkedItem {
            source: &parked.source,
            sequence: message.seq,
            subject: &message.subject,
            published_at: published_at(message),
            body_bytes: message.payload.len(),
            fault: Fault::of(parked),
        }
    }
}

impl<'a> Fault<'a> {
    fn of(parked: &'a Parked) -> Self {
        let rejected = &parked.rejected;
        Fault {
            event_type: rejected.type_name(),
            projection: parked.generation.as_ref().map(|generation| &*generation.projection),
            generation: parked.generation.as_ref().map(|generation| generation.number),
            reason: rejected.reason.label(),
            pointer: rejected.pointer.as_deref(),
            detail: &rejected.detail,
        }
    }
}

/// Which parked events are meant, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ParkedTexts {
    source: Option<String>,
    projection: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    reason: Option<String>,
    since: Option<String>,
    until: Option<String>,
    /// Only in bodies.
    sequences: Option<BTreeSet<u64>>,
}

impl ParkedTexts {
    fn by_name(&mut self) -> [(&'static str, &mut Option<String>); 6] {
        let Self { source, projection, event_type, reason, since, until, sequences: _ } = self;
        [
            ("source", source),
            ("projection", projection),
            ("type", event_type),
            ("reason", reason),
            ("since", since),
            ("until", until),
        ]
    }

    /// What they mean.
    ///
    /// # Errors
    /// Where a source, a projection or a reason is unknown, or a time is not understood.
    pub(super) fn filter(self, view: &ReadView) -> Result<ParkedFilter, QueryError> {
        Ok(ParkedFilter {
            source: known(self.source, "source", view.sources().keys().map(|name| &**name))?,
            projection: known(self.projection, "projection", view.projections().keys().map(String::as_str))?,
            event_type: self.event_type,
            reason: self.reason.map(|reason| reason_named(&reason)).transpose()?,
            since_us: self.since.map(|text| instant("since", &text)).transpose()?,
            until_us: self.until.map(|text| instant("until", &text)).transpose()?,
            sequences: self.sequences,
        })
    }
}

/// The token of the page that begins after a parked event.
fn token(parked: &Parked) -> String {
    let (source, sequence, projection, number) = parked.place();
    format!("{source}:{sequence}:{projection}:{number}")
}

fn parse_token(token: &str) -> Option<(&str, u64, &str, u64)> {
    let mut parts = token.split(':');
    let place = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(place)
}

pub(super) async fn list(State(api): State<Api>, Reader(caller): Reader, uri: Uri) -> Response {
    answer("parked", &uri, async {
        let at = api.service.now(caller);
        let mut pairs = pairs(&uri)?;
        let size = page_size(take(&mut pairs, "pageSize")?.as_deref(), PAGE_DEFAULT, PAGE_MAX)?;
        let page_token = take(&mut pairs, "pageToken")?;
        let after = page_token.as_deref().map(|token| {
            parse_token(token).ok_or_else(|| QueryError::invalid("pageToken is none that this daemon gave"))
        });
        let after = after.transpose()?;
        let mut texts = ParkedTexts::default();
        for (name, text) in texts.by_name() {
            *text = take(&mut pairs, name)?;
        }
        let wanted = texts.filter(at.view())?;
        if let Some((name, _)) = pairs.first() {
            let names = ["source", "projection", "type", "reason", "since", "until", "pageSize", "pageToken"];
            let error = QueryError::invalid(format!("there is no parameter `{name}`"));
            return Err(error.near(did_you_mean(name, names)));
        }
        let parked = at.view().parked().ok_or_else(for_administrators)?;
        let total = parked.iter().filter(|parked| wanted.includes(parked)).count();
        let begin = after.map_or(0, |after| parked.partition_point(|parked| parked.place() <= after));
        let mut rest = parked[begin..].iter().filter(|parked| wanted.includes(parked));
        let page: Vec<&Parked> = rest.by_ref().take(size).map(|parked| &**parked).collect();
        let next = page.last().filter(|_| rest.next().is_some()).map(|last| token(last));
        let rows: Vec<Vec<u8>> =
            page.iter().map(|parked| to_json(&ParkedItem::of(parked))).collect::<Result<_, _>>()?;
        let rows = Bytes::from(rows.join(&b','));
        items(vec![rows], Some(&PageJson::of_total(next, total)), at.freshness())
    })
    .await
}

pub(super) async fn show(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<(String, u64)>, PathRejection>,
    uri: Uri,
) -> Response {
    answer("parked", &uri, async {
        no_parameters(&uri)?;
        let Path((source, sequence)) = path.map_err(|error| QueryError::invalid(error.body_text()))?;
        let at = api.service.now(caller);
        let source = known(Some(source), "source", at.view().sources().keys().map(|name| &**name))?.unwrap_or_default();
        let json = message_json(at.view(), &source, sequence)?;
        let budget = api.answer_limits();
        if json.len() > budget.bytes {
            let detail =
                format!("the message takes {} bytes in JSON, and an answer {} at the most", json.len(), budget.bytes);
            return Err(QueryError::new(ErrorKind::TooLarge, detail));
        }
        let reserved = budget.budget.reserve(json.len());
        let reserved = reserved.ok_or_else(|| {
            QueryError::new(ErrorKind::Overloaded, "too many answers wait for their readers; try again later")
        })?;
        item(vec![reserved.hold(json)], at.of_source(&source).freshness())
    })
    .await
}

/// One message with all reasons for which it is parked, as JSON.
fn message_json(view: &ReadView, source: &str, sequence: u64) -> Result<Vec<u8>, QueryError> {
    let is_it = |parked: &&Parked| *parked.source == *source && parked.rejected.message.seq == sequence;
    let parked = view.parked().ok_or_else(for_administrators)?;
    let found: Vec<&Parked> = parked.iter().map(|parked| &**parked).filter(is_it).collect();
    let Some(first) = found.first() else {
        let detail = format!("message {sequence} of source `{source}` is not parked");
        return Err(QueryError::new(ErrorKind::NotFound, detail));
    };
    let message = &first.rejected.message;
    let (mut body, mut body_text, mut body_base64) = (None, None, None);
    match message.body() {
        Body::Json(json) => body = Some(json),
        Body::Text(text) => body_text = Some(text),
        Body::Bytes(bytes) => body_base64 = Some(STANDARD.encode(bytes)),
    }
    to_json(&ParkedMessage {
        source: &first.source,
        sequence,
        subject: &message.subject,
        published_at: published_at(message),
        headers: message.headers.0.iter().map(|(name, value)| Header { name, value }).collect(),
        body_bytes: message.payload.len(),
        body,
        body_text,
        body_base64,
        faults: found.iter().map(|parked| Fault::of(parked)).collect(),
    })
}

fn published_at(message: &Message) -> Option<String> {
    (message.published_at_us != 0).then(|| rfc3339(message.published_at_us))
}

/// A name that is declared, so that a slip of the pen does not look like nothing parked.
fn known<'a>(
    name: Option<String>,
    kind: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<Option<String>, QueryError> {
    match name {
        Some(name) if !names.clone().any(|known| known == name) => Err(unknown(kind, &name, names)),
        name => Ok(name),
    }
}

fn reason_named(name: &str) -> Result<Reason, QueryError> {
    let labels = Reason::ALL.map(Reason::label);
    Reason::ALL.into_iter().find(|reason| reason.label() == name).ok_or_else(|| {
        let error = QueryError::invalid(format!("there is no reason `{name}`; there are {}", labels.join(", ")));
        error.near(did_you_mean(name, labels))
    })
}

fn instant(name: &str, text: &str) -> Result<i64, QueryError> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    match url_value(text, &instant) {
        Ok(ScalarValue::TimestampMicrosecond(Some(time_us), _)) => Ok(time_us),
        Ok(_) => Err(QueryError::invalid(format!("`{name}` has no time"))),
        Err(error) => Err(QueryError::invalid(format!("`{name}`: {error}"))),
    }
}
