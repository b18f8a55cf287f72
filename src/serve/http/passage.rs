//! What every request passes on the way to its route, and its answer on the way back.
//!
//! All of it is one layer. For each request axum clones and boxes whatever lies below a layer, so that eight of them would cost more than
//! a row that is read by its key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::audited::audited;
use super::authentication::authenticate;
use super::compressed::compressed;
use super::cross_origin::cross_origin;
use super::hosts::{Hosts, check_host};
use super::limited::limited;
use super::spans::traced;
use super::{CurrentApi, limit_uri};
use crate::config::Cors;
use crate::serve::audit::Audit;
use crate::serve::auth::{Gate, Ways};
use crate::serve::quotas::Quotas;

pub(super) struct Passage {
    pub(super) hosts: Hosts,
    /// None: no page of another origin may read.
    pub(super) cors: Option<Cors>,
    pub(super) gate: Gate,
    pub(super) ways: Ways,
    pub(super) audit: Audit,
    pub(super) quotas: Quotas,
    pub(super) api: CurrentApi,
}

/// Lets a request on to its route if it may be asked, by whoever asks it, now.
pub(super) async fn pass(State(passage): State<Arc<Passage>>, request: Request, next: Next) -> Response {
    let Passage { hosts, cors, gate, ways, audit, quotas, api } = &*passage;
    let identified = async |mut request: Request| {
        request.extensions_mut().insert(*ways);
        audited(audit, api, request, async |request| {
            limited(quotas, request, async |request| answered(api, request, next).await).await
        })
        .await
    };
    check_host(hosts, request, async |request| {
        // What a browser asks before it asks has no token.
        cross_origin(cors.as_ref(), request, async |request| authenticate(gate, audit, request, identified).await).await
    })
    .await
}

/// What the route answers, in the span and the coding that the request asks for.
async fn answered(api: &CurrentApi, request: Request, next: Next) -> Response {
    traced(request, async |request| {
        limit_uri(request, async |request| compressed(api, request, async |request| next.run(request).await).await)
            .await
    })
    .await
}
