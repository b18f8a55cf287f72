//! The beginnings of words, as terms of their own.
//!
//! Whoever types into a search box asks for all words that begin with a letter, then with two. Thousands of terms begin so,
//! each with documents of its own; the short beginnings are therefore indexed beside the words, and one term answers what
//! thousands would. Longer ones begin few words, which are looked for one by one.

use std::collections::HashSet;

use tantivy::schema::{Field, IndexRecordOption, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{BoxTokenStream, TextAnalyzer, Token, TokenStream, TokenizerManager};

use super::spec::Tokenizer;
use super::tokenizers::FOLDED;

/// Letters of the longest beginning of a word of text.
const OF_WORDS: usize = 3;
/// Of a whole value: thousands of ids have long beginnings in common.
const OF_VALUES: usize = 12;

/// Where the beginnings of a field's words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginnings {
    field: Field,
    letters: usize,
}

impl Beginnings {
    /// Of a text, as its tokenizer splits it; of a whole value, its words as people type them.
    pub(super) fn new(tokenizer: Tokenizer, field: Field) -> Self {
        Self { field, letters: letters(base(tokenizer)) }
    }

    pub(super) fn field(self) -> Field {
        self.field
    }

    /// The field in which all words that begin so are one term, if it is short enough.
    pub(super) fn of(self, beginning: &str) -> Option<Field> {
        (1..=self.letters).contains(&beginning.chars().count()).then_some(self.field)
    }
}

/// How they are indexed: which documents have them, and nothing else.
pub(super) fn options(tokenizer: Tokenizer) -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(&tokenizer_name(base(tokenizer)))
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    TextOptions::default().set_indexing_options(indexing)
}

/// Adds a tokenizer of beginnings for each that is there and that words are looked for by.
pub(super) fn register(tokenizers: &TokenizerManager) {
    let bases: HashSet<&str> = Tokenizer::all().map(base).collect();
    for name in bases {
        if let Some(words) = tokenizers.get(name) {
            tokenizers.register(&tokenizer_name(name), FirstLetters { words, letters: letters(name) });
        }
    }
}

/// The tokenizer that the words come from. Stems are no words, so that their columns have those of all others.
fn base(tokenizer: Tokenizer) -> &'static str {
    match tokenizer {
        Tokenizer::Raw => FOLDED,
        Tokenizer::Stem(_) => Tokenizer::Default.name(),
        other => other.name(),
    }
}

fn letters(base: &str) -> usize {
    if base == FOLDED { OF_VALUES } else { OF_WORDS }
}

fn tokenizer_name(base: &str) -> String {
    format!("beginnings of {base}")
}

/// Gives the beginnings of a text's words.
#[derive(Clone)]
struct FirstLetters {
    words: TextAnalyzer,
    letters: usize,
}

/// One word after the other, letter by letter.
struct Growing<'a> {
    words: BoxTokenStream<'a>,
    /// Of a beginning at most.
    letters: usize,
    /// The beginning of the current word.
    beginning: Token,
    length: usize,
}

impl tantivy::tokenizer::Tokenizer for FirstLetters {
    type TokenStream<'a> = Growing<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Growing<'a> {
        let words = self.words.token_stream(text);
        Growing { words, letters: self.letters, beginning: Token::default(), length: self.letters }
    }
}

impl TokenStream for Growing<'_> {
    fn advance(&mut self) -> bool {
        loop {
            let ended = self.beginning.text.len();
            if self.length < self.letters
                && let Some(letter) = self.words.token().text[ended..].chars().next()
            {
                self.beginning.text.push(letter);
                self.length += 1;
                return true;
            }
            if !self.words.advance() {
                return false;
            }
            self.beginning.text.clear();
            self.beginning.position = self.words.token().position;
            self.length = 0;
        }
    }

    fn token(&self) -> &Token {
        &self.beginning
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.beginning
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::spec::Language;
    use super::super::tokenizers::tokenizers;
    use super::*;

    fn beginnings(tokenizer: Tokenizer, text: &str) -> String {
        let mut analyzer = tokenizers().get(&tokenizer_name(base(tokenizer))).unwrap();
        let mut terms = Vec::new();
        analyzer.token_stream(text).process(&mut |token| terms.push(token.text.clone()));
        terms.join(" ")
    }

    #[test]
    fn words_and_values_have_beginnings() {
        assert_eq!(beginnings(Tokenizer::Default, "\u{c9}lan elder, el"), "e el ela e el eld e el");
        assert_eq!(beginnings(Tokenizer::Stem(Language::English), "running"), "r ru run");
        assert_eq!(beginnings(Tokenizer::Simple, "Ab aB"), "A Ab a aB");
        assert_eq!(beginnings(Tokenizer::Default, "\u{8ba2}\u{5355}"), "\u{8ba2} \u{5355}");
        let id = beginnings(Tokenizer::Raw, "ORD-2024-0012 x");
        assert!(id.starts_with("o or ord ord-") && id.ends_with(" ord-2024-001 x"), "{id}");
    }

    #[test]
    fn only_short_ones_are_terms() {
        let field = Field::from_field_id(7);
        let (of_words, of_values) =
            (Beginnings::new(Tokenizer::Default, field), Beginnings::new(Tokenizer::Raw, field));
        let cases =
            [("", false, false), ("\u{e9}l\u{e4}", true, true), ("elan", false, true), ("ord-2024-0012", false, false)];
        for (beginning, word, value) in cases {
            assert_eq!(of_words.of(beginning).is_some(), word, "{beginning}");
            assert_eq!(of_values.of(beginning).is_some(), value, "{beginning}");
        }
    }
}
