//! Who reads, as the relations know them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

use super::connections::Peer;
use crate::access::Caller;
use crate::serve::auth::Identity;

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
    let is_local = extensions.get::<Peer>().is_some_and(|Peer(peer)| peer.is_loopback());
    extensions.get::<Identity>().map_or_else(Caller::anonymous, |identity| identity.caller(is_local))
}
