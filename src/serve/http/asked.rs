//! What an administrator has sent, once it is known that one has.
//!
//! Where there are tokens, their holders of the role `admin` may ask; else only this machine. Nobody may by way of a browser that
//! shows somebody else's page: such a page can send neither JSON without asking first, nor another `Origin`, nor the name of this
//! listener.

use axum::extract::{FromRef, FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::admin::{Refused, invalid};
use super::connections::Peer;
use super::request_body::RequestBody;
use super::{Api, CurrentApi};
use crate::serve::auth::{Identity, Principal, Role};

/// What is asked for, of someone who may ask.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<CurrentApi> for Asked<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &CurrentApi) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        // The body is taken in any case: who is still writing would not see the answer.
        let body = RequestBody::read(&Api::from_ref(state), body).await;
        let body = body.map_err(|error| error.into_problem(&head.uri))?;
        let asks = check(&head).map_err(|refused| refused.into_problem(&head.uri))?;
        let body = body.checked_json(&head.headers).map_err(|error| error.into_problem(&head.uri))?;
        let asked = parse(&body, asks);
        asked.map(Asked).map_err(|refused| refused.into_problem(&head.uri))
    }
}

/// Lets administrators ask, and no page of others. Gives who asks, where a token tells.
fn check(head: &Parts) -> Result<Option<&Principal>, Refused> {
    let not_allowed = |detail: String| Refused { status: 403, kind: "not-allowed", title: "Not allowed", detail };
    let is_local = || head.extensions.get::<Peer>().is_some_and(|Peer(peer)| peer.is_loopback());
    let asks = match head.extensions.get::<Identity>() {
        Some(Identity::Known(principal)) if principal.role == Role::Admin => Some(principal),
        Some(Identity::Known(Principal { name, role, .. })) => {
            return Err(not_allowed(format!("the token of `{name}` has the role `{role}`, and this needs `admin`")));
        }
        Some(Identity::Unasked) if is_local() => None,
        Some(Identity::Unasked) => {
            return Err(not_allowed("only this machine may ask for that, through a loopback address".to_owned()));
        }
        Some(Identity::Anonymous) | None => {
            return Err(not_allowed("this needs a token of the role `admin`".to_owned()));
        }
    };
    if let Some(origin) = foreign_origin(&head.headers) {
        return Err(not_allowed(format!("a page of `{origin}` may not ask for that")));
    }
    Ok(asks)
}

fn parse<T: DeserializeOwned>(body: &RequestBody, asks: Option<&Principal>) -> Result<T, Refused> {
    let failed = |error| invalid(format!("the body: {error}"));
    // A list of the members' values would be read as an object.
    if body.bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(invalid("the body: it is a list and no object".to_owned()));
    }
    let Some(Principal { name, .. }) = asks else { return serde_json::from_slice(&body.bytes).map_err(failed) };
    let mut asked: Value = serde_json::from_slice(&body.bytes).map_err(failed)?;
    if let Some(members) = asked.as_object_mut() {
        // The ledger has who asked by their token, and beside that who they say they are. What is no name is refused below.
        let actor = match members.get("actor") {
            None | Some(Value::Null) => Some(name.to_string()),
            Some(Value::String(said)) if *said == **name => Some(name.to_string()),
            Some(Value::String(said)) => Some(format!("{said} (token of {name})")),
            Some(_) => None,
        };
        if let Some(actor) = actor {
            members.insert("actor".to_owned(), actor.into());
        }
    }
    serde_json::from_value(asked).map_err(failed)
}

/// The origin of a page that is not this listener's own.
fn foreign_origin(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or("?"));
    let origin = text(header::ORIGIN)?;
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    (authority != text(header::HOST)).then(|| origin.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_page_of_another_origin_is_foreign() {
        let foreign = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
            foreign_origin(&headers).is_some()
        };
        assert!(!foreign(None, "localhost:8080"));
        assert!(!foreign(Some("http://localhost:8080"), "localhost:8080"));
        for origin in ["null", "http://localhost", "http://localhost:8081", "https://attacker.example", "file://"] {
            assert!(foreign(Some(origin), "localhost:8080"), "{origin}");
        }
    }
}
