//! `/v1/projections` and `/v1/sources`: what there is and how it is doing.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::answer::{answer, check_part, item, items, to_json};
use super::parameters::no_parameters;
use super::parked::ParkedItem;
use super::reader::Reader;
use crate::progress::{Freshness, LostMessages, Position, SourceProgress, SourceState, rfc3339};
use crate::query::{ErrorKind, QueryError, ReadPoint, did_you_mean, now_us};
use crate::read_model::catalog::ProjectionStatus;
use crate::telemetry::{self, LastHour, Minute};

/// Parked events that a source's status shows; `/v1/parked` has all of them.
const PARKED_MAX: usize = 100;

/// What tells of a projection's rows.
const WITHHELD: [&str; 4] = ["rows", "stateBytes", "operators", "rowsInError"];

/// A projection with the freshness that an answer from it would have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectionItem<'a> {
    #[serde(flatten)]
    status: &'a ProjectionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    freshness: Option<Freshness>,
    /// How fresh it was over the last hour; none while that was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_hour: Option<LastHour>,
}

/// How fresh a projection was within a minute.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MinuteItem {
    /// When it began.
    at: String,
    observed_seconds: f64,
    unknown_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed_seconds: Option<f64>,
    lag_seconds_max: Option<f64>,
}

impl MinuteItem {
    fn of(minute: &Minute) -> Self {
        let Minute { at_us, observed, unknown, missed, lag_seconds_max } = *minute;
        Self {
            at: rfc3339(at_us),
            observed_seconds: observed.as_secs_f64(),
            unknown_seconds: unknown.as_secs_f64(),
            missed_seconds: missed.map(|missed| missed.as_secs_f64()),
            lag_seconds_max,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceItem<'a> {
    name: &'a str,
    stream: Option<&'a str>,
    state: SourceState,
    message: Option<&'a str>,
    /// The last sequence whose message was applied.
    applied: Position,
    /// The last sequence known to hold nothing more for this source.
    position: Position,
    last_sequence: Position,
    lag_events: u64,
    lag_seconds: Option<f64>,
    watermark: Option<String>,
    late_events: u64,
    late_events_dropped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<LostMessages>,
    heard_at: Option<String>,
    caught_up_at: Option<String>,
    /// The declared event types.
    types: Vec<TypeItem<'a>>,
    parked: &'a std::collections::BTreeMap<String, u64>,
    /// The newest parked events, those of single projections included.
    parked_events: Vec<ParkedItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeItem<'a> {
    name: &'a str,
    /// What SQL calls its events, after the source: `orders.placed`.
    table: &'a str,
    version: u32,
}

pub(super) async fn projections(State(api): State<Api>, Reader(caller): Reader, uri: Uri) -> Response {
    answer("projections", &uri, async {
        no_parameters(&uri)?;
        let at = api.service.now(caller);
        let projections: Vec<_> = at.view().projections().values().map(|one| with_freshness(&at, one)).collect();
        let projections = projections.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        items(vec![projections.join(&b',').into()], None, at.freshness())
    })
    .await
}

pub(super) async fn projection(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Response {
    answer("projections", &uri, async {
        no_parameters(&uri)?;
        let at = api.service.now(caller);
        let name = name(path)?;
        let projections = at.view().projections();
        let status = projections.get(&name);
        let status = status.ok_or_else(|| unknown("projection", &name, projections.keys().map(|n| &**n)))?;
        let mut projection = with_freshness(&at, status);
        let freshness = projection.freshness.take().unwrap_or_else(|| at.freshness());
        item(vec![json(&projection)?.into()], freshness)
    })
    .await
}

/// How fresh a projection was, minute by minute.
pub(super) async fn freshness(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Response {
    answer("freshness", &uri, async {
        no_parameters(&uri)?;
        let at = api.service.now(caller);
        let name = name(path)?;
        let projections = at.view().projections();
        let status = projections.get(&name);
        let status = status.ok_or_else(|| unknown("projection", &name, projections.keys().map(|n| &**n)))?;
        let minutes: Vec<MinuteItem> = telemetry::minutes(&name, now_us()).iter().map(MinuteItem::of).collect();
        let freshness = at.freshness_of(&status.name).unwrap_or_else(|| at.freshness());
        items(vec![list(&minutes)?], None, freshness)
    })
    .await
}

pub(super) async fn sources(State(api): State<Api>, Reader(caller): Reader, uri: Uri) -> Response {
    answer("sources", &uri, async {
        no_parameters(&uri)?;
        let at = api.service.now(caller);
        let sources: Vec<_> = at.view().sources().iter().map(|(name, one)| source_item(&api, &at, name, one)).collect();
        items(vec![list(&sources)?], None, at.freshness())
    })
    .await
}

pub(super) async fn source(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Response {
    answer("sources", &uri, async {
        no_parameters(&uri)?;
        let at = api.service.now(caller);
        let name = name(path)?;
        let at = at.of_source(&name);
        let sources = at.view().sources();
        let progress = sources.get(name.as_str());
        let progress = progress.ok_or_else(|| unknown("source", &name, sources.keys().map(|n| &**n)))?;
        item(vec![to_json(&source_item(&api, &at, &name, progress))?.into()], at.freshness())
    })
    .await
}

fn name(path: Result<Path<String>, PathRejection>) -> Result<String, QueryError> {
    let Path(name) = path.map_err(|error| QueryError::invalid(error.body_text()))?;
    check_part(&name)?;
    Ok(name)
}

fn with_freshness<'a>(at: &ReadPoint, status: &'a ProjectionStatus) -> ProjectionItem<'a> {
    let last_hour = telemetry::last_hour(&status.name, now_us());
    ProjectionItem { status, freshness: at.freshness_of(&status.name), last_hour }
}

/// Without the numbers that are withheld, which would be zeros.
fn json(projection: &ProjectionItem<'_>) -> Result<Vec<u8>, QueryError> {
    if !projection.status.withheld {
        return to_json(projection);
    }
    let mut item =
        serde_json::to_value(projection).map_err(|error| QueryError::new(ErrorKind::Internal, error.to_string()))?;
    for member in WITHHELD {
        for part in ["", "/kept"] {
            item.pointer_mut(part).and_then(Value::as_object_mut).map(|object| object.remove(member));
        }
    }
    to_json(&item)
}

fn source_item<'a>(api: &'a Api, at: &'a ReadPoint, name: &'a str, progress: &'a SourceProgress) -> SourceItem<'a> {
    let now = now_us();
    let parked =
        at.view().parked().into_iter().flat_map(|parked| parked.iter()).rev().filter(|parked| *parked.source == *name);
    let newest = parked.take(PARKED_MAX).map(|parked| ParkedItem::of(parked)).collect();
    let types = at.view().schema(name).into_iter().flat_map(|schema| &schema.types);
    let types = types.map(|one| TypeItem { name: &one.name, table: &one.table, version: one.current });
    SourceItem {
        name,
        stream: api.service.streams().0.get(name).and_then(Option::as_deref),
        state: progress.state_at(now),
        message: progress.message(),
        applied: progress.applied(),
        position: progress.covered(),
        last_sequence: progress.last_sequence(),
        lag_events: progress.lag_events(),
        lag_seconds: progress.lag_seconds(now),
        watermark: progress.watermark_us().map(rfc3339),
        late_events: progress.late_events(),
        late_events_dropped: progress.late_events_dropped(),
        since: progress.since(),
        lost: LostMessages::of(progress.losses()),
        heard_at: progress.heard_at_us().map(rfc3339),
        caught_up_at: progress.caught_up_at_us().map(rfc3339),
        types: types.collect(),
        parked: progress.parked(),
        parked_events: newest,
    }
}

/// Items as the envelope wants them: without the brackets.
pub(super) fn list<T: Serialize>(items: &[T]) -> Result<Bytes, QueryError> {
    let items: Vec<Vec<u8>> = items.iter().map(to_json).collect::<Result<_, _>>()?;
    Ok(items.join(&b',').into())
}

/// Why somebody is not shown what the daemon says of its work.
pub(super) fn for_administrators() -> QueryError {
    let detail = "policies hide rows from some readers, and this would tell of them";
    QueryError::new(ErrorKind::Denied, detail).hint("ask with a token of the role `admin`")
}

pub(super) fn unknown<'a>(kind: &str, name: &str, names: impl Iterator<Item = &'a str>) -> QueryError {
    QueryError::new(ErrorKind::UnknownRelation, format!("there is no {kind} `{name}`")).near(did_you_mean(name, names))
}
