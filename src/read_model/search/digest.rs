//! What an index keeps of each document, as one number.
//!
//! It takes in all that an answer can depend on: each term with its positions, the length that scores are computed with, and the
//! values that are sorted by, counted and read as the key. Terms are stored by term and not by document, so the numbers of all
//! documents of a segment grow together while it is read once, and the order in which they grow does not matter. Two documents
//! that differ have one number with a probability of 2^-64.

use tantivy::columnar::BytesColumn;
use tantivy::index::SegmentReader;
use tantivy::postings::Postings;
use tantivy::schema::{Field, FieldEntry, FieldType, IndexRecordOption};
use tantivy::{DocId, DocSet, TERMINATED};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Tells apart what is kept of a field in several ways.
#[derive(Clone, Copy)]
enum Part {
    Term,
    Length,
    Value,
}

/// The numbers of a segment's documents, by their ids. Those of deleted ones mean nothing.
pub(super) fn digests(segment: &SegmentReader) -> tantivy::Result<Vec<u64>> {
    let mut digests = Digests(vec![0; segment.max_doc() as usize]);
    for (field, entry) in segment.schema().fields() {
        if entry.is_indexed() {
            digests.take_terms(segment, field, entry)?;
            digests.take_lengths(segment, field)?;
        }
        if entry.is_fast() {
            digests.take_values(segment, field, entry)?;
        }
    }
    Ok(digests.0)
}

struct Digests(Vec<u64>);

impl Digests {
    fn add(&mut self, document: DocId, hash: u64) {
        let digest = &mut self.0[document as usize];
        *digest = digest.wrapping_add(hash);
    }

    fn take_terms(&mut self, segment: &SegmentReader, field: Field, entry: &FieldEntry) -> tantivy::Result<()> {
        let kept = entry.field_type().get_index_record_option().unwrap_or(IndexRecordOption::Basic);
        let inverted = segment.inverted_index(field)?;
        let mut positions = Vec::new();
        let mut terms = inverted.terms().stream()?;
        while terms.advance() {
            let term = hash(field, Part::Term, terms.key());
            let mut postings = inverted.read_postings_from_terminfo(terms.value(), kept)?;
            while postings.doc() != TERMINATED {
                if kept.has_positions() {
                    postings.positions(&mut positions);
                }
                let here = |hash, position: &u32| xxh3_64_with_seed(&position.to_le_bytes(), hash);
                self.add(postings.doc(), positions.iter().fold(term, here));
                postings.advance();
            }
        }
        Ok(())
    }

    fn take_lengths(&mut self, segment: &SegmentReader, field: Field) -> tantivy::Result<()> {
        let Some(lengths) = segment.fieldnorms_readers().get_field(field)? else { return Ok(()) };
        for document in segment.doc_ids_alive() {
            match lengths.fieldnorm_id(document) {
                // A field without a term, which a segment may leave out for all of its documents.
                0 => {}
                length => self.add(document, hash(field, Part::Length, &[length])),
            }
        }
        Ok(())
    }

    fn take_values(&mut self, segment: &SegmentReader, field: Field, entry: &FieldEntry) -> tantivy::Result<()> {
        let (columns, name) = (segment.fast_fields(), entry.name());
        let texts = match entry.field_type() {
            FieldType::Bytes(_) => columns.bytes(name)?,
            FieldType::Str(_) => columns.str(name)?.map(BytesColumn::from),
            _ => {
                let Some(column) = columns.column_opt::<i64>(name)? else { return Ok(()) };
                for document in segment.doc_ids_alive() {
                    for value in column.values_for_doc(document) {
                        self.add(document, hash(field, Part::Value, &value.to_le_bytes()));
                    }
                }
                return Ok(());
            }
        };
        let Some(column) = texts else { return Ok(()) };
        let mut hashes = Vec::with_capacity(column.num_terms());
        let mut values = column.dictionary().stream()?;
        while values.advance() {
            hashes.push(hash(field, Part::Value, values.key()));
        }
        for document in segment.doc_ids_alive() {
            for ordinal in column.term_ords(document) {
                self.add(document, hashes[ordinal as usize]);
            }
        }
        Ok(())
    }
}

fn hash(field: Field, part: Part, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, u64::from(field.field_id()) << 2 | part as u64)
}
