//! What scores are computed with: how many documents there are, how long they are, and how many have a word.
//!
//! Tantivy counts deleted documents until a merge lets them go, so that an answer would change with merges and restarts, and
//! differ between two daemons with the same rows. Here only those count that are there.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tantivy::index::SegmentReader;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, Searcher, TERMINATED, Term};

/// The lengths of fields in a searcher's documents, each counted once.
#[derive(Debug, Default)]
pub(super) struct Lengths(Mutex<HashMap<Field, u64>>);

/// The statistics of the documents that are there.
pub(super) struct Living<'a> {
    pub(super) searcher: &'a Searcher,
    pub(super) lengths: &'a Lengths,
}

impl Bm25StatisticsProvider for Living<'_> {
    /// The sum of the lengths as scores know them, which are rounded: a sum of the exact ones would not be that of these
    /// documents alone.
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        let known = |lengths: &Lengths| lengths.0.lock().unwrap_or_else(PoisonError::into_inner).get(&field).copied();
        if let Some(sum) = known(self.lengths) {
            return Ok(sum);
        }
        let mut sum = 0;
        for segment in self.searcher.segment_readers() {
            let Some(lengths) = segment.fieldnorms_readers().get_field(field)? else { continue };
            sum += segment.doc_ids_alive().map(|document| u64::from(lengths.fieldnorm(document))).sum::<u64>();
        }
        self.lengths.0.lock().unwrap_or_else(PoisonError::into_inner).insert(field, sum);
        Ok(sum)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.searcher.num_docs())
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        self.searcher.segment_readers().iter().map(|segment| documents_with(segment, term)).sum()
    }
}

fn documents_with(segment: &SegmentReader, term: &Term) -> tantivy::Result<u64> {
    let index = segment.inverted_index(term.field())?;
    let Some(alive) = segment.alive_bitset() else { return Ok(u64::from(index.doc_freq(term)?)) };
    let Some(mut postings) = index.read_postings(term, IndexRecordOption::Basic)? else { return Ok(0) };
    let mut documents = 0;
    while postings.doc() != TERMINATED {
        documents += u64::from(alive.is_alive(postings.doc()));
        postings.advance();
    }
    Ok(documents)
}
