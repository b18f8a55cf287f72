//! Snippets: a piece of a hit's text around what was found there, with each word of it marked.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use tantivy::snippet::collapse_overlapped_ranges;
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};

use super::layout::IndexedColumn;
use super::request::Snippet;
use super::typed::{Lookup, Spot};

/// Makes the snippets of one field.
pub(super) struct Highlighter<'a> {
    column: &'a IndexedColumn,
    lookups: &'a [Lookup],
    analyzer: TextAnalyzer,
    max_chars: usize,
}

impl<'a> Highlighter<'a> {
    /// None if the column is not text.
    pub(super) fn new(
        tokenizers: &TokenizerManager,
        lookups: &'a [Lookup],
        column: &'a IndexedColumn,
        max_chars: usize,
    ) -> Option<Self> {
        let analyzer = tokenizers.get(column.tokenizer()?)?;
        Some(Self { column, lookups, analyzer, max_chars })
    }

    /// Adds this field's snippet of each row to the snippets of its hit.
    pub(super) fn mark(
        &mut self,
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

    fn snippet(&mut self, text: &str) -> Option<Snippet> {
        let field = self.column.terms?;
        let spots = self.spots(text);
        let mut marks: Vec<Range<usize>> = Vec::new();
        self.lookups.iter().for_each(|lookup| lookup.mark(field, &spots, &mut marks));
        marks.sort_unstable_by_key(|mark| (mark.start, mark.end));
        // Words next to each other without a space are one mark.
        let marks = collapse_overlapped_ranges(&marks);
        if marks.is_empty() {
            return None;
        }
        let piece = piece(text, &marks, self.max_chars);
        let within = marks.iter().filter(|mark| mark.start >= piece.start && mark.end <= piece.end);
        let marks = within.map(|mark| mark.start - piece.start..mark.end - piece.start).collect();
        Some(Snippet { text: text[piece].to_owned(), marks })
    }

    /// The words of a text, each with its terms: a word, and its stem.
    fn spots(&mut self, text: &str) -> Vec<Spot> {
        let mut spots: Vec<Spot> = Vec::new();
        let mut position = None;
        self.analyzer.token_stream(text).process(&mut |token| match spots.last_mut() {
            Some(spot) if position == Some(token.position) => spot.terms.push(token.text.clone()),
            _ => {
                position = Some(token.position);
                spots.push(Spot { range: token.offset_from..token.offset_to, terms: vec![token.text.clone()] });
            }
        });
        spots
    }
}

/// The piece of a text, of at most so many characters, with the most marks in it: of several, the first. The marks are in
/// its middle, and it begins and ends between words.
fn piece(text: &str, marks: &[Range<usize>], max_chars: usize) -> Range<usize> {
    // Where each character begins, and where the last one ends.
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let count = places.len() - 1;
    if count <= max_chars {
        return 0..text.len();
    }
    let character = |at: usize| places.binary_search(&at).unwrap_or_else(|next| next);
    let marks: Vec<Range<usize>> = marks.iter().map(|mark| character(mark.start)..character(mark.end)).collect();
    let fitting =
        |first: usize| marks[first..].iter().take_while(|mark| mark.end <= marks[first].start + max_chars).count();
    // The last of equals is what `max_by_key` gives, so they are gone through from behind.
    let Some(first) = (0..marks.len()).rev().max_by_key(|first| fitting(*first)) else { return 0..0 };
    let Some(last) = (first + fitting(first)).checked_sub(1).filter(|last| *last >= first) else {
        // Not even the first one fits.
        return places[marks[first].start]..places[marks[first].start + max_chars];
    };
    let spare = max_chars - (marks[last].end - marks[first].start);
    let start = marks[first].start.saturating_sub(spare / 2).min(count - max_chars);
    let end = start + max_chars;
    let is_space = |at: usize| text[places[at]..].starts_with(char::is_whitespace);
    let start =
        if start == 0 { 0 } else { (start..marks[first].start).find(|at| is_space(*at)).map_or(start, |at| at + 1) };
    let end = if end == count { end } else { (marks[last].end..end).rev().find(|at| is_space(*at)).unwrap_or(end) };
    places[start]..places[end]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, words: &[&str], max_chars: usize, expected: &str) {
        let mut marks: Vec<Range<usize>> =
            words.iter().flat_map(|word| text.match_indices(word)).map(|(at, word)| at..at + word.len()).collect();
        marks.sort_by_key(|mark| mark.start);
        assert_eq!(&text[piece(text, &marks, max_chars)], expected);
    }

    #[test]
    fn a_piece_is_taken_where_most_was_found() {
        check("one two three", &["two"], 13, "one two three");
        check("one two three four five", &["three"], 12, "three");
        check("stop and then, much later, stop advice", &["stop", "advice"], 16, "stop advice");
        check("äöü äöü äöü äöü", &["äöü"], 7, "äöü äöü");
        check("abcdefghij", &["cdefgh"], 3, "cde");
        check("a word and a word", &["word"], 6, "word");
    }
}
