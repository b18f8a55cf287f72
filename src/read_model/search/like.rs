//! Documents like another one: those that have the words which tell it from others.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use tantivy::Term;
use tantivy::query::{Bm25StatisticsProvider, BooleanQuery, BoostQuery, EmptyQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::layout::IndexedColumn;
use super::order::encode_key;
use super::permitted::PermittedKeys;
use super::request::SearchError;
use super::snapshot::SearchSnapshot;
use super::spec::FieldKind;
use super::statistics::Living;
use super::tokenizers::STEM;
use super::values::value_of;

/// Words that are looked for.
const WORDS_MAX: usize = 25;
/// Different words of a column that are weighed: those that come first in it.
const WEIGHED_MAX: usize = 5_000;

impl SearchSnapshot {
    /// What finds the documents that are like the one of this key, without itself.
    ///
    /// # Errors
    /// If there is no such document, or it is not permitted.
    pub(super) fn like(
        &self,
        written: &[String],
        permitted: Option<&PermittedKeys>,
    ) -> Result<Box<dyn Query>, SearchError> {
        let types = self.layout.key_types();
        let key: Option<Vec<ScalarValue>> =
            types.iter().zip(written).map(|(data_type, text)| value_of(data_type, text)).collect();
        let Some(key) = key.filter(|key| key.len() == types.len() && written.len() == types.len()) else {
            let fields = self.layout.spec.key.iter().map(|column| self.layout.spec.schema.field(*column));
            let fields: Vec<String> =
                fields.map(|field| format!("`{}` ({})", field.name(), field.data_type())).collect();
            let (written, fields) = (written.join(","), fields.join(", "));
            return Err(SearchError::Invalid(format!("`{written}` is no key of this index, which has {fields}")));
        };
        let encoded = encode_key(&key).map_err(|error| self.internal(error))?;
        let is_permitted = permitted.is_none_or(|permitted| permitted.includes(&encoded));
        let row = self.table().get(&key).map_err(|error| self.internal(error))?;
        let Some(row) = row.filter(|_| is_permitted) else {
            let written = written.join(",");
            return Err(SearchError::Invalid(format!("there is no document `{written}` that others could be like")));
        };
        let own = Term::from_field_bytes(self.layout.key, &encoded);
        let mut clauses = vec![(Occur::Must, self.of_words(&row, permitted.is_some())?)];
        clauses.push((Occur::MustNot, Box::new(TermQuery::new(own, IndexRecordOption::Basic))));
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    /// The words of a row that are frequent in it and rare elsewhere; how rare they are is left out where that would tell of
    /// documents that are not permitted.
    fn of_words(&self, row: &RecordBatch, is_restricted: bool) -> Result<Box<dyn Query>, SearchError> {
        let failed = |error: tantivy::TantivyError| self.internal(error);
        let living = Living { searcher: &self.searcher, lengths: &self.lengths };
        let documents = living.total_num_docs().map_err(failed)? as f32;
        let mut weighed: Vec<(f32, Term)> = Vec::new();
        for column in self.layout.searchable() {
            for ((field, word), times) in self.words(column, row)? {
                let term = Term::from_field_text(field, &word);
                if is_restricted {
                    weighed.push((times as f32 * f32::from(column.weight), term));
                    continue;
                }
                let having = living.doc_freq(&term).map_err(failed)? as f32;
                // One that no other document has finds nothing.
                if having > 1.0 {
                    let rarity = (1.0 + (documents - having + 0.5) / (having + 0.5)).ln();
                    weighed.push((times as f32 * rarity * f32::from(column.weight), term));
                }
            }
        }
        weighed.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        weighed.truncate(WORDS_MAX);
        let Some(&(best, _)) = weighed.first() else { return Ok(Box::new(EmptyQuery)) };
        let queries = weighed.into_iter().map(|(weight, term)| {
            let query = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            Box::new(BoostQuery::new(query, weight / best)) as Box<dyn Query>
        });
        Ok(Box::new(BooleanQuery::union(queries.collect())))
    }

    /// The words of a text column, by their stems where it has them, with how often they are there.
    fn words(&self, column: &IndexedColumn, row: &RecordBatch) -> Result<HashMap<(Field, String), usize>, SearchError> {
        let mut words = HashMap::new();
        let (Some(field), FieldKind::Text { .. }, Some(tokenizer)) = (column.terms, column.kind, column.tokenizer())
        else {
            return Ok(words);
        };
        let Some(mut analyzer) = self.searcher.index().tokenizers().get(tokenizer) else { return Ok(words) };
        let mut has_stems = false;
        for text in self.texts(column, row)? {
            analyzer.token_stream(&text).process(&mut |token| {
                has_stems |= token.text.starts_with(STEM);
                let key = (field, token.text.clone());
                if words.len() < WEIGHED_MAX || words.contains_key(&key) {
                    *words.entry(key).or_default() += 1;
                }
            });
        }
        if has_stems {
            words.retain(|(_, word), _| word.starts_with(STEM));
        }
        Ok(words)
    }

    fn texts(&self, column: &IndexedColumn, row: &RecordBatch) -> Result<Vec<String>, SearchError> {
        let values = row.column(column.index);
        let items = match values.data_type() {
            _ if values.is_null(0) => return Ok(Vec::new()),
            DataType::List(_) => values.as_list::<i32>().value(0),
            DataType::LargeList(_) => values.as_list::<i64>().value(0),
            _ => values.clone(),
        };
        let items = cast(&items, &DataType::Utf8).map_err(|error| self.internal(error))?;
        Ok(items.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
    }
}
