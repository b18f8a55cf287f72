//! `/v1/history`: what was done to projections, sources and parked events, by whom and why.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

use super::Api;
use super::answer::{PageJson, answer, items, to_json};
use super::parameters::{page_size, pairs, take};
use super::reader::Reader;
use super::status::for_administrators;
use crate::lifecycle::{Action, Step};
use crate::progress::rfc3339;
use crate::query::{QueryError, did_you_mean};

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1_000;

/// One step of the ledger.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StepItem<'a> {
    number: u64,
    /// RFC 3339.
    at: String,
    action: Action,
    subject: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    actor: Option<&'a str>,
    reason: Option<&'a str>,
    revision: Option<&'a str>,
}

impl<'a> StepItem<'a> {
    fn of(step: &'a Step) -> Self {
        Self {
            number: step.number,
            at: rfc3339(step.at_us),
            action: step.action,
            subject: &step.subject,
            from: step.from.as_deref(),
            to: step.to.as_deref(),
            actor: step.by.actor.as_deref(),
            reason: step.by.reason.as_deref(),
            revision: step.by.revision.as_deref(),
        }
    }
}

/// The steps, the newest first; a page's token is the number that the next page stays below.
pub(super) async fn history(State(api): State<Api>, Reader(caller): Reader, uri: Uri) -> Response {
    answer("history", &uri, async {
        let at = api.service.now(caller);
        let mut pairs = pairs(&uri)?;
        let size = page_size(take(&mut pairs, "pageSize")?.as_deref(), PAGE_DEFAULT, PAGE_MAX)?;
        let below = take(&mut pairs, "pageToken")?;
        let below = below.map(|token| {
            token.parse::<u64>().map_err(|_| QueryError::invalid("pageToken is none that this daemon gave"))
        });
        let below = below.transpose()?.unwrap_or(u64::MAX);
        if let Some((name, _)) = pairs.first() {
            let error = QueryError::invalid(format!("there is no parameter `{name}`"));
            return Err(error.near(did_you_mean(name, ["pageSize", "pageToken"])));
        }
        let steps = at.view().ledger().ok_or_else(for_administrators)?;
        let mut rest = steps.iter().rev().filter(|step| step.number < below);
        let page: Vec<&Step> = rest.by_ref().take(size).map(|step| &**step).collect();
        let next = page.last().filter(|_| rest.next().is_some()).map(|last| last.number.to_string());
        let rows: Vec<Vec<u8>> = page.iter().map(|step| to_json(&StepItem::of(step))).collect::<Result<_, _>>()?;
        let page = PageJson::of_total(next, steps.len());
        items(vec![Bytes::from(rows.join(&b','))], Some(&page), at.freshness())
    })
    .await
}
