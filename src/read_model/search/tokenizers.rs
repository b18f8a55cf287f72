//! From text to the terms that are indexed and looked for.
//!
//! Tantivy's own tokenizers leave words of 40 bytes or more out without a word, which is half as many letters of Cyrillic, and cut
//! a letter from its combining accent. Here nothing is left out: a very long word is known by its beginning and a hash of all
//! of it, composed and decomposed forms are one, and what is written without spaces is found by each of its characters, in
//! order.

use std::fmt::Write as _;

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RawTokenizer, Stemmer, TextAnalyzer, Token, TokenStream, TokenizerManager,
};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use xxhash_rust::xxh3::xxh3_64;

use super::spec::Tokenizer;

/// Bytes of a term; Tantivy drops terms of more than 65,530 with a line in the log only.
const TERM_MAX: usize = 1_000;

/// Of `…` and 16 hexadecimal digits.
const HASH_LENGTH: usize = 19;

/// Begins the stem of a word, which is indexed beside the word itself: words are looked for by their stems, prefixes among the
/// words.
pub(super) const STEM: char = '\u{1}';

/// All tokenizers that a column may name.
pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::new();
    for tokenizer in Tokenizer::ALL {
        tokenizers.register(tokenizer.name(), TextAnalyzer::from(Words::new(tokenizer)));
    }
    tokenizers
}

/// The term of a whole text, such as a keyword.
pub(super) fn bounded(text: &str) -> String {
    if text.len() <= TERM_MAX {
        return text.to_owned();
    }
    // The term itself is short enough, so that it is the term of itself, as where a facet is filtered by.
    let mut term = text[..text.floor_char_boundary(TERM_MAX - HASH_LENGTH)].to_owned();
    // Writing to a string cannot fail.
    let _ = write!(term, "…{:016x}", xxh3_64(text.as_bytes()));
    term
}

/// Splits a text as one of the tokenizers does.
#[derive(Clone)]
struct Words {
    splits: Splits,
    /// From a word to its term, where letters are not taken as they are written.
    folded: Option<TextAnalyzer>,
    stemmed: Option<TextAnalyzer>,
}

#[derive(Clone, Copy)]
enum Splits {
    Nowhere,
    /// At white space.
    Space,
    /// At everything but letters, digits and their marks.
    Words,
}

impl Words {
    fn new(tokenizer: Tokenizer) -> Self {
        let word = || TextAnalyzer::builder(RawTokenizer::default());
        let folded = || word().filter(AsciiFoldingFilter).filter(LowerCaser).build();
        let (splits, folded, stemmed) = match tokenizer {
            Tokenizer::Raw => (Splits::Nowhere, None, None),
            Tokenizer::Whitespace => (Splits::Space, None, None),
            Tokenizer::Simple => (Splits::Words, None, None),
            Tokenizer::Default => (Splits::Words, Some(folded()), None),
            Tokenizer::EnStem => {
                let stemmed = word().filter(Stemmer::new(Language::English)).build();
                (Splits::Words, Some(folded()), Some(stemmed))
            }
        };
        Self { splits, folded, stemmed }
    }

    /// Where the words are, in bytes.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        // Where a word has begun, and with which letter.
        let mut begun: Option<(usize, char)> = None;
        for (at, letter) in text.char_indices() {
            let is_mark = is_combining_mark(letter);
            let in_word = match self.splits {
                Splits::Nowhere => true,
                Splits::Space => !letter.is_whitespace(),
                Splits::Words => letter.is_alphanumeric() || begun.is_some() && is_mark,
            };
            let joins = |first: char| match self.splits {
                Splits::Nowhere | Splits::Space => in_word,
                Splits::Words => in_word && (is_mark || ![first, letter].into_iter().any(is_written_without_spaces)),
            };
            if begun.is_some_and(|(_, first)| joins(first)) {
                continue;
            }
            spans.extend(begun.take().map(|(start, _)| (start, at)));
            begun = in_word.then_some((at, letter));
        }
        spans.extend(begun.map(|(start, _)| (start, text.len())));
        spans
    }

    /// The terms of one word: itself, and its stem where there are stems.
    fn terms(&mut self, word: &str) -> (String, Option<String>) {
        let word: String = if word.is_ascii() { word.to_owned() } else { word.nfc().collect() };
        let word = match &mut self.folded {
            Some(_) if word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) => word,
            Some(folded) => only(folded, &word),
            None => word,
        };
        let stem = self.stemmed.as_mut().map(|stemmed| format!("{STEM}{}", bounded(&only(stemmed, &word))));
        (bounded(&word), stem)
    }
}

/// The one term that an analyzer of whole words makes of a word.
fn only(analyzer: &mut TextAnalyzer, word: &str) -> String {
    let mut stream = analyzer.token_stream(word);
    if stream.advance() { stream.token().text.clone() } else { word.to_owned() }
}

/// Whether words of this letter's script follow each other without spaces, so that each letter is a term.
fn is_written_without_spaces(letter: char) -> bool {
    matches!(u32::from(letter),
        // Thai, Lao, Myanmar, Khmer
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF
        // Hiragana, Katakana, Han
        | 0x3040..=0x30FF | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF66..=0xFF9D
        | 0x20000..=0x3FFFF)
}

impl tantivy::tokenizer::Tokenizer for Words {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        let mut tokens = Vec::new();
        for (position, (offset_from, offset_to)) in self.spans(text).into_iter().enumerate() {
            let (word, stem) = self.terms(&text[offset_from..offset_to]);
            let token = |text| Token { offset_from, offset_to, position, text, position_length: 1 };
            tokens.push(token(word));
            tokens.extend(stem.map(token));
        }
        // Nothing was taken yet.
        tokens.reverse();
        Terms { left: tokens, current: Token::default() }
    }
}

struct Terms {
    /// Those to come, the next one last.
    left: Vec<Token>,
    current: Token,
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        match self.left.pop() {
            Some(token) => {
                self.current = token;
                true
            }
            None => false,
        }
    }

    fn token(&self) -> &Token {
        &self.current
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.current
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn terms(tokenizer: Tokenizer, text: &str) -> String {
        let mut analyzer = tokenizers().get(tokenizer.name()).unwrap();
        let mut terms = Vec::new();
        analyzer.token_stream(text).process(&mut |token| {
            assert!(text.get(token.offset_from..token.offset_to).is_some(), "{token:?}");
            terms.push(token.text.replace(STEM, "~"));
        });
        terms.join(" ")
    }

    #[test]
    fn forms_of_a_letter_are_one() {
        for text in ["Caf\u{e9}", "Cafe\u{301}", "CAF\u{c9}", "cafe"] {
            assert_eq!(terms(Tokenizer::Default, text), "cafe", "{text}");
        }
        assert_eq!(terms(Tokenizer::Simple, "Cafe\u{301}, cr\u{e8}me"), "Caf\u{e9} cr\u{e8}me");
        assert_eq!(
            terms(Tokenizer::Default, "\u{439}\u{43e}\u{434}"),
            "\u{439}\u{43e}\u{434}",
            "a letter of its own, not an accent"
        );
        assert_eq!(terms(Tokenizer::Default, "don't stop.now"), "don t stop now");
    }

    #[test]
    fn each_character_of_a_script_without_spaces_is_a_term() {
        assert_eq!(terms(Tokenizer::Default, "订单12已发货, ok"), "订 单 12 已 发 货 ok");
        assert_eq!(terms(Tokenizer::Default, "ガラス"), "ガ ラ ス");
        assert_eq!(terms(Tokenizer::Default, "한국어 문장"), "한국어 문장");
    }

    #[test]
    fn stems_stand_beside_their_words() {
        assert_eq!(terms(Tokenizer::EnStem, "Running happily"), "running ~run happily ~happili");
    }

    #[test]
    fn nothing_is_left_out_however_long() {
        let long = "d".repeat(41);
        assert_eq!(terms(Tokenizer::Default, &long), long);
        let (one, other) = ("x".repeat(100_000), format!("{}y", "x".repeat(99_999)));
        let (one, other) = (terms(Tokenizer::Default, &one), terms(Tokenizer::Default, &other));
        assert!(one != other && one.len() <= TERM_MAX, "{one}");
        assert_eq!(bounded(&one), one);
        assert_eq!(terms(Tokenizer::Raw, "A b, c"), "A b, c");
        assert_eq!(terms(Tokenizer::Whitespace, " A  b,c "), "A b,c");
        assert_eq!(terms(Tokenizer::Default, " ,; "), "");
    }
}
