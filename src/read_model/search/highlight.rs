//! Snippets: a piece of a hit's text around the words that matched. Words found by a prefix are not marked;
//! words that differ only in case are.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use tantivy::Score;
use tantivy::query::Query;
use tantivy::snippet::{SnippetGenerator, collapse_overlapped_ranges};
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};

use super::layout::IndexedColumn;
use super::request::Snippet;
use super::spec::FieldKind;

/// Makes the snippets of one field.
pub(super) struct Highlighter<'a> {
    column: &'a IndexedColumn,
    generator: SnippetGenerator,
    words: BTreeMap<String, Score>,
    analyzer: TextAnalyzer,
    max_chars: usize,
}

impl<'a> Highlighter<'a> {
    /// None if the column is not text.
    pub(super) fn new(
        tokenizers: &TokenizerManager,
        query: &dyn Query,
        column: &'a IndexedColumn,
        max_chars: usize,
    ) -> Option<Self> {
        let (Some(field), FieldKind::Text { tokenizer }) = (column.terms, column.kind) else { return None };
        let mut words: BTreeMap<String, Score> = BTreeMap::new();
        query.query_terms(&mut |term, _| {
            if let (true, Some(word)) = (term.field() == field, term.value().as_str()) {
                // Tantivy looks words up in lower case. All weigh the same, so that a snippet depends on nothing but
                // the query and its text.
                words.insert(word.to_lowercase(), 1.0);
            }
        });
        let analyzer = tokenizers.get(tokenizer.name())?;
        let generator = SnippetGenerator::new(words.clone(), analyzer.clone(), field, max_chars);
        Some(Self { column, generator, words, analyzer, max_chars })
    }

    /// Adds this field's snippet of each row to the snippets of its hit.
    pub(super) fn mark(
        &self,
        rows: &RecordBatch,
        snippets: &mut [BTreeMap<String, Snippet>],
    ) -> Result<(), ArrowError> {
        let values = rows.column(self.column.index);
        for (row, snippets) in snippets.iter_mut().enumerate() {
            // Of a list, the first item with a match.
            if let Some(snippet) = texts(values, row)?.iter().find_map(|text| self.snippet(text)) {
                snippets.insert(self.column.name.clone(), snippet);
            }
        }
        Ok(())
    }

    fn snippet(&self, text: &str) -> Option<Snippet> {
        // Of a text that fits, nothing is cut off.
        if text.chars().nth(self.max_chars).is_none() {
            let mut marks: Vec<Range<usize>> = Vec::new();
            self.analyzer.clone().token_stream(text).process(&mut |token| {
                if self.words.contains_key(&token.text.to_lowercase()) {
                    marks.push(token.offset_from..token.offset_to);
                }
            });
            let marks = collapse_overlapped_ranges(&marks);
            return (!marks.is_empty()).then(|| Snippet { text: text.to_owned(), marks });
        }
        let snippet = self.generator.snippet(text);
        let marks = collapse_overlapped_ranges(snippet.highlighted());
        (!marks.is_empty()).then(|| Snippet { text: snippet.fragment().to_owned(), marks })
    }
}

fn texts(values: &ArrayRef, row: usize) -> Result<Vec<String>, ArrowError> {
    let items = match values.data_type() {
        DataType::List(_) if values.is_valid(row) => values.as_list::<i32>().value(row),
        DataType::LargeList(_) if values.is_valid(row) => values.as_list::<i64>().value(row),
        DataType::List(_) | DataType::LargeList(_) => return Ok(Vec::new()),
        _ => values.slice(row, 1),
    };
    let items = cast(&items, &DataType::Utf8)?;
    Ok(items.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}
