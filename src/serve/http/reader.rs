//! Who reads, as the relations know them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

use super::connections::Peer;
use crate::access::Caller;
use crate::serve::auth::{Identity, Role};

/// The side that a request comes from.
pub(super) struct Reader(pub(super) Caller);

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(caller(&head.extensions)))
    }
}

/// The side that a request with these comes from.
pub(super) fn caller(extensions: &Extensions) -> Caller {
    match extensions.get::<Identity>() {
        Some(Identity::Known(principal)) => {
            Caller::Reader { claims: principal.claims.clone(), administers: principal.role == Role::Admin }
        }
        // Where nobody is asked for a token, who sits at this machine decides over it.
        Some(Identity::Unasked) => {
            let is_local = extensions.get::<Peer>().is_some_and(|Peer(peer)| peer.is_loopback());
            Caller::Reader { claims: Arc::default(), administers: is_local }
        }
        Some(Identity::Anonymous) | None => Caller::anonymous(),
    }
}
