//! Compares an index with the table of its own cut, document by document.
//!
//! The rows are indexed once more, some thousands at a time and in memory, by the code that indexes them at first, and what comes
//! of each is compared with what the index has under its key. A search for each row would be cheaper to write and would prove
//! less: it finds what is missing, but neither a term too many nor a position, a length or a facet that is wrong. The index is
//! read once from beginning to end, and a document takes 48 bytes while that lasts.

use std::collections::HashMap;
use std::io;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{DataFusionError, ScalarValue};
use tantivy::columnar::BytesColumn;
use tantivy::directory::RamDirectory;
use tantivy::index::SegmentReader;
use tantivy::{DocAddress, Index, TantivyDocument, TantivyError};
use xxhash_rust::xxh3::xxh3_128;

use super::digest::digests;
use super::document::{DocumentError, Documents};
use super::index::HEAP_BYTES_MIN;
use super::layout::{IndexLayout, KEY};
use super::order::decode_key;
use super::request::SearchError;
use super::snapshot::SearchSnapshot;
use super::tokenizers::tokenizers;
use crate::state::KeyShare;

/// Differences that are told one by one; beyond it they are only counted.
const TOLD_MAX: usize = 100;

/// Keys that are read together.
const KEYS_AT_ONCE: usize = 8_192;

/// How an index differs from its table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexComparison {
    /// Documents that are not of an equal row each, and rows without a document, by key.
    pub total: u64,
    /// The first of them, by key.
    pub differences: Vec<(String, IndexFault)>,
}

/// What is wrong with the documents of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexFault {
    /// There is a row, and no document.
    Missing,
    /// There is a document, and no row.
    WithoutRow,
    /// There is more than one document.
    Twice,
    /// The document is not that of the row.
    Otherwise,
}

/// What the index has under one key.
struct Indexed {
    digest: u64,
    documents: u32,
    first: DocAddress,
}

impl SearchSnapshot {
    /// Compares what the index keeps of each row whose key is in the share with what it would keep if it were made now. Blocks, for about as long as
    /// indexing all rows takes.
    ///
    /// # Errors
    /// If the index or the rows cannot be read.
    pub fn compare_index(&self, share: KeyShare) -> Result<IndexComparison, SearchError> {
        self.compared(share).map_err(|failure| self.internal(failure))
    }

    fn compared(&self, share: KeyShare) -> Result<IndexComparison, Failure> {
        let mut indexed = self.documents_by_key(share)?;
        let mut found = IndexComparison::default();
        let types = self.layout.key_types();
        for rows in self.table().scan() {
            for (key, digest) in fresh(&self.layout, &in_share(&self.layout, share, rows?)?)? {
                let fault = match indexed.remove(&xxh3_128(&key)) {
                    None => IndexFault::Missing,
                    Some(Indexed { documents: 2.., .. }) => IndexFault::Twice,
                    Some(Indexed { digest: other, .. }) if other != digest => IndexFault::Otherwise,
                    Some(_) => continue,
                };
                found.tell(fault, || key_text(&key, &types))?;
            }
        }
        let mut left: Vec<Indexed> = indexed.into_values().collect();
        left.sort_unstable_by_key(|indexed| indexed.first);
        for Indexed { first, .. } in left {
            found.tell(IndexFault::WithoutRow, || key_text(&self.key_at(first)?, &types))?;
        }
        found.differences.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found)
    }

    /// What the index has of the share, by the hash of the key.
    fn documents_by_key(&self, share: KeyShare) -> Result<HashMap<u128, Indexed>, Failure> {
        let mut indexed: HashMap<u128, Indexed> = HashMap::new();
        for (ordinal, segment) in (0..).zip(self.searcher.segment_readers()) {
            let (digests, keys) = (digests(segment)?, keys(segment)?);
            let hashes = self.key_hashes(&keys, share)?;
            for document in segment.doc_ids_alive() {
                let hash = keys.term_ords(document).next().map_or(Some(NO_KEY), |ordinal| hashes[ordinal as usize]);
                let Some(hash) = hash else { continue };
                let (digest, first) = (digests[document as usize], DocAddress::new(ordinal, document));
                let of_key = indexed.entry(hash).or_insert(Indexed { digest, documents: 0, first });
                of_key.documents += 1;
            }
        }
        Ok(indexed)
    }

    /// The hashes of the keys in the share, by their places among all keys of a segment.
    fn key_hashes(&self, keys: &BytesColumn, share: KeyShare) -> Result<Vec<Option<u128>>, Failure> {
        let types = self.layout.key_types();
        let mut hashes = Vec::with_capacity(keys.num_terms());
        let mut terms = keys.dictionary().stream()?;
        let mut some: Vec<Vec<u8>> = Vec::new();
        loop {
            let goes_on = terms.advance();
            if goes_on {
                some.push(terms.key().to_vec());
            }
            if some.len() == KEYS_AT_ONCE || !goes_on {
                let included = are_in_share(&some, &types, share)?;
                hashes.extend(some.drain(..).zip(included).map(|(key, is_in)| is_in.then(|| xxh3_128(&key))));
            }
            if !goes_on {
                return Ok(hashes);
            }
        }
    }

    /// The key of a document; empty if it has none.
    fn key_at(&self, address: DocAddress) -> Result<Vec<u8>, Failure> {
        let keys = keys(self.searcher.segment_reader(address.segment_ord))?;
        let mut key = Vec::new();
        if let Some(ordinal) = keys.term_ords(address.doc_id).next() {
            keys.ord_to_bytes(ordinal, &mut key)?;
        }
        Ok(key)
    }
}

/// Of documents that have no key, which no row asks for.
const NO_KEY: u128 = 0;

/// Why something cannot be compared.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Index(#[from] TantivyError),
    #[error(transparent)]
    Dictionary(#[from] io::Error),
    #[error(transparent)]
    Rows(#[from] ArrowError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Value(#[from] DataFusionError),
}

impl IndexComparison {
    fn tell(&mut self, fault: IndexFault, key: impl FnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
        self.total += 1;
        if self.differences.len() < TOLD_MAX {
            self.differences.push((key()?, fault));
        }
        Ok(())
    }
}

/// Which keys are in the share. One that cannot be read is in each.
fn are_in_share(keys: &[Vec<u8>], types: &[DataType], share: KeyShare) -> Result<Vec<bool>, Failure> {
    let mut included = vec![true; keys.len()];
    if share.is_all() {
        return Ok(included);
    }
    let read = keys.iter().enumerate().filter_map(|(place, key)| Some((place, decode_key(key, types).ok()?)));
    let (places, values): (Vec<usize>, Vec<Vec<ScalarValue>>) = read.unzip();
    if values.is_empty() {
        return Ok(included);
    }
    let column = |column: usize| ScalarValue::iter_to_array(values.iter().map(|key| key[column].clone()));
    let columns = (0..types.len()).map(column).collect::<Result<Vec<_>, _>>()?;
    let are_in = share.includes(&columns)?;
    places.into_iter().enumerate().for_each(|(row, place)| included[place] = are_in.value(row));
    Ok(included)
}

/// The rows whose key is in the share.
fn in_share(layout: &IndexLayout, share: KeyShare, rows: RecordBatch) -> Result<RecordBatch, Failure> {
    if share.is_all() {
        return Ok(rows);
    }
    let key: Vec<ArrayRef> = layout.spec.key.iter().map(|&column| rows.column(column).clone()).collect();
    Ok(filter_record_batch(&rows, &share.includes(&key)?)?)
}

fn keys(segment: &SegmentReader) -> tantivy::Result<BytesColumn> {
    let column = segment.fast_fields().bytes(KEY)?;
    Ok(column.unwrap_or_else(|| BytesColumn::empty(segment.max_doc())))
}

/// Keys of rows, and what an index keeps of each that is made of them now.
fn fresh(layout: &IndexLayout, rows: &RecordBatch) -> Result<Vec<(Vec<u8>, u64)>, Failure> {
    if rows.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let documents = Documents::new(layout, rows)?;
    let index = Index::builder().schema(layout.schema.clone()).tokenizers(tokenizers());
    let mut writer = index.single_segment_index_writer::<TantivyDocument>(RamDirectory::create(), HEAP_BYTES_MIN)?;
    let mut keys = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let (key, document) = documents.document(row)?;
        keys.push(key.serialized_value_bytes().to_vec());
        writer.add_document(document)?;
    }
    let searcher = writer.finalize()?.reader()?.searcher();
    let mut kept = Vec::with_capacity(keys.len());
    for segment in searcher.segment_readers() {
        kept.extend(digests(segment)?);
    }
    // Documents are numbered as they come.
    Ok(keys.into_iter().zip(kept).collect())
}

fn key_text(key: &[u8], types: &[DataType]) -> Result<String, Failure> {
    if key.is_empty() {
        return Ok("a document without a key".to_owned());
    }
    let Ok(values) = decode_key(key, types) else { return Ok("a document whose key cannot be read".to_owned()) };
    let text = |value: &ScalarValue| -> Result<String, Failure> {
        if value.is_null() {
            return Ok("NULL".to_owned());
        }
        let array = value.to_array()?;
        Ok(ArrayFormatter::try_new(&array, &FormatOptions::new())?.value(0).try_to_string()?)
    };
    Ok(values.iter().map(text).collect::<Result<Vec<_>, _>>()?.join("/"))
}
