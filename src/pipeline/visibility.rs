//! When messages become visible: from their publication to the snapshot in which a projection has them.
//!
//! A table has a message with its commit, a search index with the commit of its own. What is read by a build beside counts in no
//! projection, because nobody waits for it.

use std::collections::{BTreeMap, VecDeque};

use super::engine::Fetched;
use crate::progress::{Phase, Position, SourceName};
use crate::read_model::ReadView;
use crate::read_model::catalog::Catalog;
use crate::telemetry::{self, Delays};

/// Of more messages than these that wait at the same time, the first ones are forgotten: what is in error may stay so for long.
const MESSAGES_MAX: usize = 1 << 17;

/// Messages that are committed and that not every projection shows yet.
#[derive(Debug, Default)]
pub(super) struct Visibility {
    waiting: VecDeque<Waiting>,
    messages: usize,
    /// Up to where each projection has shown each source.
    shown: BTreeMap<String, BTreeMap<SourceName, Position>>,
}

/// Messages of one source that were committed together.
#[derive(Debug)]
struct Waiting {
    source: SourceName,
    last: Position,
    published_at_us: Vec<i64>,
}

impl Visibility {
    /// Notes when these messages were published, as far as their stream says it.
    pub(super) fn committed(&mut self, fetched: &[Fetched]) {
        for Fetched { source, messages, .. } in fetched {
            let Some(last) = messages.last().map(|message| message.seq.into()) else { continue };
            let published = messages.iter().map(|message| message.published_at_us).filter(|published| *published > 0);
            let published_at_us: Vec<i64> = published.collect();
            if !published_at_us.is_empty() {
                self.messages += published_at_us.len();
                self.waiting.push_back(Waiting { source: source.clone(), last, published_at_us });
            }
        }
        while self.messages > MESSAGES_MAX && self.waiting.len() > 1 {
            self.forget_first();
        }
    }

    /// Records what has become visible with the snapshot that was published last.
    pub(super) fn published(&mut self, catalog: &Catalog, now_us: i64) {
        if self.waiting.is_empty() && !self.shown.is_empty() {
            return;
        }
        let view = ReadView::of_daemon(catalog.snapshot());
        let mut delays: Vec<Option<Delays>> = vec![None; self.waiting.len()];
        // Whether a projection that takes every commit has yet to show it.
        let mut is_awaited = vec![false; self.waiting.len()];
        let mut shown = BTreeMap::new();
        for (name, status) in view.projections() {
            let Ok(relation) = view.open(name) else { continue };
            let basis = relation.basis();
            let now: BTreeMap<SourceName, Position> =
                basis.reads.keys().map(|source| (source.clone(), basis.cut.position(source))).collect();
            // What it showed when it was first seen has come in some other way.
            let before = self.shown.get(name).unwrap_or(&now);
            for (index, waiting) in self.waiting.iter().enumerate() {
                let position = |positions: &BTreeMap<_, _>| positions.get(&waiting.source).copied();
                let (Some(before), Some(now)) = (position(before), position(&now)) else { continue };
                if before < waiting.last && waiting.last <= now {
                    let delays = delays[index].get_or_insert_with(|| Delays::of(&waiting.published_at_us, now_us));
                    telemetry::observe_visible(name, delays);
                }
                is_awaited[index] |= waiting.last > now && status.state == Phase::Serving;
            }
            shown.insert(name.clone(), now);
        }
        self.shown = shown;
        while is_awaited.first() == Some(&false) {
            is_awaited.remove(0);
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let forgotten = self.waiting.pop_front().map_or(0, |waiting| waiting.published_at_us.len());
        self.messages -= forgotten;
    }
}
