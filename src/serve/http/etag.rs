//! ETags, which name what is in an answer: its rows, the place of its page, and of its freshness what is no running number.
//!
//! They are made of the caller's own answer alone, so they tell nobody more than that. They are weak: an answer also says when it was
//! made, and its bytes may be compressed. The next page's token is left out but for whether there is one: it is made of the last row, and
//! of positions.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::answer::PageJson;
use crate::progress::Freshness;
use crate::serve::formats::Format;

/// Of the hash: enough that no two answers of one address have the same.
const TAG_BYTES: usize = 16;

/// What is rendered of an answer, as one hash. Values are chosen by strangers, so it is one in which nobody finds two texts that are one.
pub(super) struct Content {
    hash: Sha256,
    /// Of the rows, so that none of them can look like what is hashed behind them.
    bytes: u64,
}

impl Content {
    pub(super) fn of(format: Format, rows: &[Bytes], page: Option<&PageJson>) -> Self {
        let mut hash = Sha256::new();
        hash.update([format as u8]);
        let page = page.map(|page| (page.next_page_token.is_some(), page.cut_changed));
        hash.update(
            page.map_or([u8::MAX; 2], |(has_next, cut_changed)| [has_next.into(), cut_changed.map_or(2, u8::from)]),
        );
        rows.iter().for_each(|part| hash.update(part));
        Content { hash, bytes: rows.iter().map(|part| part.len() as u64).sum() }
    }

    /// The ETag of an answer that is as fresh as this: a source that is lost gives a new answer, a second that has passed does not.
    pub(super) fn etag(self, freshness: &Freshness) -> String {
        let Content { mut hash, bytes } = self;
        // Texts end with a zero, which no name of a source and no label has.
        let mut tell = |text: &str| {
            hash.update(text);
            hash.update([0]);
        };
        tell(freshness.state.label());
        tell(freshness.phase.label());
        for (name, source) in &freshness.sources {
            tell(name);
            tell(source.state.label());
        }
        hash.update([freshness.incomplete.into()]);
        hash.update(bytes.to_le_bytes());
        let hash = hash.finalize();
        format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..TAG_BYTES]))
    }
}

/// Whether the reader already has the answer with this ETag.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}
