//! What the audit log is told of requests: those that change something, and those that are denied.

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;

use super::admin::{PROJECTION_VERBS, SOURCE_VERBS};
use super::connections::Peer;
use super::problem::Problem;
use super::{ADMIN, Api, CurrentApi};
use crate::access::Caller;
use crate::serve::audit::{Asking, Audit, Outcome};
use crate::serve::auth::Identity;

/// Changes nothing, and is asked by each plan.
const FACTS: &str = "/v1/admin/facts";

/// Answers, and tells of it where that is due. Whoever it comes from is found out before.
pub(super) async fn audited(
    audit: &Audit,
    api: &CurrentApi,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let (mut head, body) = request.into_parts();
    let mut asking = asking(&head);
    let acts = head.method == Method::POST
        && asking.route.as_ref().is_some_and(|route| route.starts_with(ADMIN) && &**route != FACTS);
    if acts {
        name_action(&mut asking, &mut head, &api.now()).await;
        let mut telling = Telling { audit: audit.clone(), asking, outcome: Outcome::Unanswered };
        let response = next(Request::from_parts(head, body)).await;
        telling.outcome = outcome(&response);
        return response;
    }
    let response = next(Request::from_parts(head, body)).await;
    if let (Outcome::Denied(reason), Some(problem)) = (outcome(&response), response.extensions().get::<Problem>()) {
        audit.denied(&Asking { relation: problem.relation.clone(), ..asking }, reason);
    }
    response
}

/// Tells of an action however its request ends: who goes away before the answer may have done it all the same.
struct Telling {
    audit: Audit,
    asking: Asking,
    outcome: Outcome,
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.audit.acted(&self.asking, self.outcome);
    }
}

/// Who asks, and by which route.
pub(super) fn asking(head: &Parts) -> Asking {
    let route = head.extensions.get::<MatchedPath>().map(|path| path.as_str().into());
    let peer = head.extensions.get::<Peer>().map(|Peer(peer)| *peer);
    Asking { route, peer, ..Asking::of(head.extensions.get::<Identity>()) }
}

/// What is to be done with whom, by names that are declared: what else stands in a path is nobody's business.
async fn name_action(asking: &mut Asking, head: &mut Parts, api: &Api) {
    let named = RawPathParams::from_request_parts(head, &()).await.ok();
    let (mut name, mut verb) = ("", "");
    for (parameter, value) in named.iter().flatten() {
        match parameter {
            "name" => name = value,
            "verb" => verb = value,
            _ => {}
        }
    }
    let view = api.service.view(Caller::Daemon);
    let known = |verbs: &[&'static str]| verbs.iter().copied().find(|known| *known == verb);
    match asking.route.as_deref().unwrap_or_default() {
        "/v1/admin/reload" => asking.action = Some("reload"),
        "/v1/admin/parked/discard" => asking.action = Some("discard"),
        "/v1/admin/parked/replay" => asking.action = Some("replay"),
        "/v1/admin/projections/{name}/{verb}" => {
            asking.action = known(&PROJECTION_VERBS);
            asking.relation = view.projections().contains_key(name).then(|| name.to_owned());
        }
        "/v1/admin/sources/{name}/{verb}" => {
            asking.action = known(&SOURCE_VERBS);
            asking.source = view.sources().contains_key(name).then(|| name.to_owned());
        }
        _ => {}
    }
}

/// What an answer comes to. One without a problem is what was asked for.
fn outcome(response: &Response) -> Outcome {
    match response.extensions().get::<Problem>() {
        None => Outcome::Done,
        // Not of SQL that does not read, which nobody may ask.
        Some(Problem { kind: kind @ ("denied" | "not-allowed"), .. }) => Outcome::Denied(kind),
        Some(Problem { kind, .. }) => Outcome::Failed(kind),
    }
}

#[cfg(test)]
mod tests {
    /// A route that changes something, and has no name in the log, would be told as nothing in particular.
    #[test]
    fn every_route_that_changes_something_has_a_name_in_the_log() {
        let (routes, named) = (include_str!("mod.rs"), include_str!("audited.rs"));
        let posted = routes.lines().filter_map(|line| line.trim().strip_prefix(".route(\"/v1/admin/"));
        let posted: Vec<&str> = posted.filter_map(|rest| rest.split('"').next()).collect();
        assert!(posted.len() > 5, "{posted:?}");
        for route in posted {
            assert!(named.contains(&format!("\"/v1/admin/{route}\"")), "{route}");
        }
    }
}
