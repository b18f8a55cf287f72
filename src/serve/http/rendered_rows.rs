//! Rows of an answer, from where they are rendered to where it is known whether the reader has them already.

use axum::http::HeaderMap;
use bytes::Bytes;

use super::answer::{Answer, Head, PageJson, finish, list};
use super::etag::{Content, is_known};
use crate::progress::Freshness;
use crate::query::{Page, QueryError};
use crate::serve::formats::{self, Format};
use crate::serve::json::{AnswerLimits, ColumnJson};

/// Rows as they are rendered, and what is said of them.
pub(super) struct RenderedRows {
    format: Format,
    rows: Vec<Bytes>,
    /// None where nobody asks for it.
    content: Option<Content>,
    place: Place,
}

/// What rows are to an answer of JSON.
pub(super) enum Place {
    /// The one of a key.
    Item,
    Items {
        columns: Option<Vec<ColumnJson>>,
        page: Option<PageJson>,
    },
    /// Hits of a search, which are rendered with their envelope up to the freshness.
    Hits(PageJson),
}

impl RenderedRows {
    /// Rows that a reader may have already.
    pub(super) fn tagged(format: Format, rows: Vec<Bytes>, place: Place) -> Self {
        let content = Content::of(format, &rows, place.page());
        RenderedRows { format, rows, content: Some(content), place }
    }

    /// Rows of which nobody asks whether they are the same again.
    pub(super) fn untagged(format: Format, rows: Vec<Bytes>, place: Place) -> Self {
        RenderedRows { format, rows, content: None, place }
    }

    /// The same of a POST, of which nobody asks whether it is the same again.
    pub(super) fn without_tag(self) -> Self {
        RenderedRows { content: None, ..self }
    }

    /// The answer to a request with these headers.
    pub(super) fn answer(self, headers: &HeaderMap, freshness: Freshness) -> Result<Answer, QueryError> {
        let RenderedRows { format, rows, content, place } = self;
        let etag = content.map(|content| content.etag(&freshness));
        let mut head = Head { freshness, etag, format: Some(format), page: None };
        if head.etag.as_ref().is_some_and(|etag| is_known(headers, etag)) {
            return Ok(Answer::NotModified { head });
        }
        if format != Format::Json {
            head.page = place.into_page();
            return Ok(Answer::Full { body: rows, head });
        }
        let json = match place {
            Place::Item => [vec![Bytes::from_static(b"{\"item\":")], rows].concat(),
            Place::Items { columns, page } => list(columns.as_deref(), rows, page.as_ref())?,
            Place::Hits(_) => rows,
        };
        finish(json, head)
    }
}

impl Place {
    fn page(&self) -> Option<&PageJson> {
        match self {
            Place::Item => None,
            Place::Items { page, .. } => page.as_ref(),
            Place::Hits(page) => Some(page),
        }
    }

    fn into_page(self) -> Option<PageJson> {
        match self {
            Place::Item => None,
            Place::Items { page, .. } => page,
            Place::Hits(page) => Some(page),
        }
    }
}

/// Renders a page; runs where the query runs.
pub(super) fn render(page: Page, format: Format, limits: AnswerLimits) -> Result<RenderedRows, QueryError> {
    let rows = formats::render(format, &page.rows, limits)?;
    let page = PageJson::of_rows(page.next_token, page.cut_changed);
    Ok(RenderedRows::tagged(format, rows, Place::Items { columns: None, page: Some(page) }))
}
