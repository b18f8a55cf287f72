//! `/v1/admin/…`: what an administrator asks a running daemon to do. Who is one is decided in `asked`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::asked::Asked;
use super::parked::ParkedTexts;
use super::status::unknown;
use super::{Api, body, problem};
use crate::access::Caller;
use crate::lifecycle::{Actor, Decision, ParkedFilter};
use crate::progress::SourceName;
use crate::query::{ErrorKind, QueryError};
use crate::state::KeyShare;

/// Requests that wait for the one before at the most.
const QUEUED: usize = 16;

/// What can be done with a projection.
pub(super) const PROJECTION_VERBS: [&str; 8] =
    ["rebuild", "abort", "pause", "resume", "promote", "rollback", "retire", "verify"];
/// What can be done with a source.
pub(super) const SOURCE_VERBS: [&str; 4] = ["pause", "resume", "accept-gap", "reset"];

/// Hands over what an administrator asks for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin(mpsc::Sender<AdminRequest>);

impl Admin {
    /// With what is asked for.
    pub fn new() -> (Self, mpsc::Receiver<AdminRequest>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What is asked for is refused, or the daemon is about to end.
    pub async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Refused>>) -> AdminRequest,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        self.0.send(request(reply)).await.map_err(|_| Refused::ending())?;
        answer.await.unwrap_or_else(|_| Err(Refused::ending()))
    }
}

/// What an administrator asks for.
#[derive(Debug)]
pub enum AdminRequest {
    /// To read the configuration again.
    Reload { actor: Actor, reply: oneshot::Sender<Result<Reloaded, Refused>> },
    /// To say what runs, so that it can be compared with what is declared, as JSON.
    Facts { reply: oneshot::Sender<Result<Value, Refused>> },
    /// To recompute a share of a projection, or of what is `built` of it, and to compare it with its rows. The answer is JSON.
    Verify { projection: String, built: bool, share: KeyShare, reply: oneshot::Sender<Result<Value, Refused>> },
    /// To build a projection again, with all that reads it; of what was published since then, microseconds since the epoch, if that is
    /// said.
    Rebuild {
        projection: String,
        since_us: Option<i64>,
        actor: Actor,
        reply: oneshot::Sender<Result<Reloaded, Refused>>,
    },
    /// To end the build of a projection.
    Abort { projection: String, actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
    /// To take the configuration as it is now if what was parked can be admitted by it in place.
    Replay { actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
    /// To let what was built of a projection take the place of what serves.
    Promote { projection: String, allow_breaking: bool, actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
    /// To let what was replaced take its place again.
    RollBack { projection: String, actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
    /// To stop a projection, and what reads it, for a while.
    Pause { projection: String, actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
    /// To let what was paused go on.
    Resume { projection: String, actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
    /// To keep what was replaced no more.
    Retire { projection: String, actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
    /// To do what was decided about a source or parked events.
    Decide { decision: Decision, actor: Actor, reply: oneshot::Sender<Result<Done, Refused>> },
}

/// What a reload changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// Projections, views, queries and sources by what became of them. Those that stay as they are are left out.
    pub changes: Vec<Change>,
    /// Projections that are built, each list together.
    pub builds: Vec<Vec<String>>,
    /// What of that does not take its place by itself once it is built.
    pub waits: Vec<Waits>,
}

/// A build that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    pub projections: Vec<String>,
    /// Whether it takes its place all the same if its rows are those that serve.
    pub unless_equal: bool,
    /// Whether readers may miss something, which has to be allowed.
    pub breaking: bool,
}

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// For people.
    pub detail: String,
}

/// What a reload does with one declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `source`, `projection`, `view`, `query` or `setting`.
    pub kind: &'static str,
    pub name: String,
    /// `new`, `changed` or `removed`; of a source that had halted, `reopened`.
    pub change: &'static str,
    /// What follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    /// The problem's kind, for programs.
    pub kind: &'static str,
    pub title: &'static str,
    pub detail: String,
}

impl Refused {
    /// What a person decided cannot be done as things are.
    pub fn impossible(detail: String) -> Self {
        Refused { status: 409, kind: "not-possible", title: "Not possible now", detail }
    }

    fn by(error: QueryError) -> Self {
        let status = if error.kind == ErrorKind::UnknownRelation { 404 } else { 400 };
        let hint = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let detail = format!("{}{hint}", error.detail);
        Refused { status, kind: "invalid", title: "Invalid request", detail }
    }

    pub fn ending() -> Self {
        let detail = "the daemon is about to end".to_owned();
        Refused { status: 503, kind: "unavailable", title: "Not available", detail }
    }
}

pub(super) async fn reload(State(api): State<Api>, uri: Uri, Asked(actor): Asked<Actor>) -> Response {
    let Some(admin) = &api.admin else { return Refused::ending().into_problem(&uri) };
    match admin.ask(|reply| AdminRequest::Reload { actor, reply }).await {
        Ok(reloaded) => render(&reloaded),
        Err(refused) => refused.into_problem(&uri),
    }
}

/// Takes the configuration as it is now, if what was parked can be admitted by it without anything being read again.
pub(super) async fn replay(State(api): State<Api>, uri: Uri, Asked(actor): Asked<Actor>) -> Response {
    let Some(admin) = &api.admin else { return Refused::ending().into_problem(&uri) };
    match admin.ask(|reply| AdminRequest::Replay { actor, reply }).await {
        Ok(done) => render(&done),
        Err(refused) => refused.into_problem(&uri),
    }
}

/// What runs, as facts for a plan. It changes nothing; it is no reader's business all the same.
pub(super) async fn facts(State(api): State<Api>, uri: Uri, Asked(_): Asked<Actor>) -> Response {
    let Some(admin) = &api.admin else { return Refused::ending().into_problem(&uri) };
    match admin.ask(|reply| AdminRequest::Facts { reply }).await {
        Ok(facts) => render(&facts),
        Err(refused) => refused.into_problem(&uri),
    }
}

/// Pauses, resumes or resets a source, or accepts what its stream has lost.
pub(super) async fn source(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
    Asked(actor): Asked<Actor>,
) -> Response {
    let asked = path.map_err(|error| invalid(error.body_text())).and_then(|Path((name, verb))| {
        let view = api.service.view(Caller::Daemon);
        // While the daemon starts nothing is known yet; what is asked for waits.
        if !view.sources().is_empty() && !view.sources().contains_key(name.as_str()) {
            let error = unknown("source", &name, view.sources().keys().map(|name| &**name));
            return Err(Refused::by(error));
        }
        let decide: fn(SourceName) -> Decision = match verb.as_str() {
            "pause" => Decision::Pause,
            "resume" => Decision::Resume,
            "accept-gap" => Decision::AcceptGap,
            "reset" => Decision::Reset,
            _ => return Err(no_verb(&verb, &SOURCE_VERBS)),
        };
        Ok((decide(name.as_str().into()), actor))
    });
    decide(&api, asked, &uri).await
}

/// Who asks, and what goes with a verb of a projection.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProjectionBody {
    /// Of a promotion: whether readers of today may miss something.
    #[serde(default)]
    allow_breaking: bool,
    /// Of a rebuild: from when on what was published counts, as RFC 3339.
    #[serde(default)]
    from_timestamp: Option<String>,
    /// Of a verification: whether what is built and waits is meant, and not what serves.
    #[serde(default)]
    built: bool,
    /// Of a verification: which keys are looked at, such as `1/20`; all if it is left out.
    #[serde(default)]
    share: Option<KeyShare>,
    #[serde(default)]
    actor: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    revision: Option<String>,
}

/// Builds a projection again, ends its build, promotes it, rolls it back, or verifies it.
pub(super) async fn projection(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
    Asked(asked): Asked<ProjectionBody>,
) -> Response {
    let ProjectionBody { allow_breaking, from_timestamp, built, share, actor, reason, revision } = asked;
    let actor = Actor { actor, reason, revision };
    let asked = path.map_err(|error| invalid(error.body_text())).and_then(|Path((name, verb))| {
        let view = api.service.view(Caller::Daemon);
        let projections = view.projections();
        if !projections.is_empty() && !projections.contains_key(&name) {
            return Err(Refused::by(unknown("projection", &name, projections.keys().map(String::as_str))));
        }
        let members = [
            ("allowBreaking", "promote", allow_breaking),
            ("fromTimestamp", "rebuild", from_timestamp.is_some()),
            ("built", "verify", built),
            ("share", "verify", share.is_some()),
        ];
        if let Some((member, of, _)) = members.iter().find(|(_, of, is_said)| *is_said && *of != verb) {
            return Err(invalid(format!("`{member}` is of {of} alone")));
        }
        let admin = api.admin.clone().ok_or_else(Refused::ending)?;
        Ok((admin, name, verb, actor))
    });
    let answer = match asked {
        Err(refused) => Err(refused),
        Ok((admin, projection, verb, actor)) => match verb.as_str() {
            "rebuild" => match from_timestamp.as_deref().map(timestamp).transpose() {
                Ok(since_us) => {
                    let rebuilt = admin.ask(|reply| AdminRequest::Rebuild { projection, since_us, actor, reply }).await;
                    rebuilt.map(|rebuilt| render(&rebuilt))
                }
                Err(refused) => Err(refused),
            },
            "abort" => {
                let aborted = admin.ask(|reply| AdminRequest::Abort { projection, actor, reply }).await;
                aborted.map(|aborted| render(&aborted))
            }
            "promote" => {
                let promoted =
                    admin.ask(|reply| AdminRequest::Promote { projection, allow_breaking, actor, reply }).await;
                promoted.map(|promoted| render(&promoted))
            }
            "rollback" => {
                let back = admin.ask(|reply| AdminRequest::RollBack { projection, actor, reply }).await;
                back.map(|back| render(&back))
            }
            "pause" => {
                let paused = admin.ask(|reply| AdminRequest::Pause { projection, actor, reply }).await;
                paused.map(|paused| render(&paused))
            }
            "resume" => {
                let resumed = admin.ask(|reply| AdminRequest::Resume { projection, actor, reply }).await;
                resumed.map(|resumed| render(&resumed))
            }
            "retire" => {
                let retired = admin.ask(|reply| AdminRequest::Retire { projection, actor, reply }).await;
                retired.map(|retired| render(&retired))
            }
            "verify" => {
                let share = share.unwrap_or(KeyShare::ALL);
                let verified = admin.ask(|reply| AdminRequest::Verify { projection, built, share, reply }).await;
                verified.map(|verified| render(&verified))
            }
            _ => Err(no_verb(&verb, &PROJECTION_VERBS)),
        },
    };
    answer.unwrap_or_else(|refused| refused.into_problem(&uri))
}

/// Microseconds since the epoch.
fn timestamp(text: &str) -> Result<i64, Refused> {
    let time = DateTime::parse_from_rfc3339(text);
    let time =
        time.map_err(|_| invalid(format!("`{text}` is no time as in RFC 3339, such as 2026-11-29T10:00:00Z")))?;
    if time > Utc::now() {
        return Err(invalid(format!("{text} lies in the future")));
    }
    Ok(time.timestamp_micros())
}

/// What is to be discarded, by whom and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiscardBody {
    which: ParkedTexts,
    #[serde(default)]
    actor: Option<String>,
    reason: String,
    #[serde(default)]
    revision: Option<String>,
}

/// Gives parked events up.
pub(super) async fn discard(State(api): State<Api>, uri: Uri, Asked(asked): Asked<DiscardBody>) -> Response {
    let DiscardBody { which, actor, reason, revision } = asked;
    let filter = which.filter(&api.service.view(Caller::Daemon)).map_err(Refused::by).and_then(|filter| {
        let nothing = || invalid("say which parked events are meant, by a source at least".to_owned());
        (filter != ParkedFilter::default()).then_some(filter).ok_or_else(nothing)
    });
    let asked = filter.map(|filter| (Decision::Discard(filter), Actor { actor, reason: Some(reason), revision }));
    decide(&api, asked, &uri).await
}

async fn decide(api: &Api, asked: Result<(Decision, Actor), Refused>, uri: &Uri) -> Response {
    let decided = match (asked, &api.admin) {
        (Ok((decision, actor)), Some(admin)) => {
            admin.ask(|reply| AdminRequest::Decide { decision, actor, reply }).await
        }
        (Ok(_), None) => Err(Refused::ending()),
        (Err(refused), _) => Err(refused),
    };
    match decided {
        Ok(done) => render(&done),
        Err(refused) => refused.into_problem(uri),
    }
}

fn no_verb(verb: &str, verbs: &[&str]) -> Refused {
    let detail = format!("there is no verb `{verb}`; there are {}", verbs.join(", "));
    Refused { status: 404, kind: "no-route", title: "No such route", detail }
}

pub(super) fn invalid(detail: String) -> Refused {
    Refused { status: 400, kind: "invalid", title: "Invalid request", detail }
}

impl Refused {
    pub(super) fn into_problem(self, uri: &Uri) -> Response {
        let Refused { status, kind, title, detail } = self;
        problem::plain(status, kind, title, detail, uri)
    }
}

fn render(json: &impl Serialize) -> Response {
    body(200, "application/json", serde_json::to_vec(json).unwrap_or_default())
}
