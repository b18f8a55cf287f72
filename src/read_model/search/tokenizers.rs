//! From text to the terms that are indexed and looked for.
//!
//! Tantivy's own tokenizers leave words of 40 bytes or more out without a word, which is half as many letters of Cyrillic, and cut
//! a letter from its combining accent. Here nothing is left out: a very long word is known by its beginning and a hash of all
//! of it, composed and decomposed forms are one, and what is written without spaces is found by each of its characters, in
//! order. Emoji are words.

use std::fmt::Write as _;

use tantivy::tokenizer::{RawTokenizer, Stemmer, TextAnalyzer, Token, TokenStream, TokenizerManager};
use unicode_normalization::char::is_combining_mark;
use xxhash_rust::xxh3::xxh3_64;

use super::beginnings;
use super::folding::{Folding, composed, is_ignorable, lowered, only};
use super::spec::Tokenizer;

/// Bytes of a term; Tantivy drops terms of more than 65,530 with a line in the log only.
const TERM_MAX: usize = 1_000;

/// Of `…` and 16 hexadecimal digits.
const HASH_LENGTH: usize = 19;

/// Begins the stem of a word, which is indexed beside the word itself: words are looked for by their stems, prefixes among the
/// words.
pub(super) const STEM: char = '\u{1}';

/// Tokenizer of keywords where they are searched for as people type them: folded, and split at white space alone.
pub(super) const FOLDED: &str = "folded";

/// All tokenizers that a column may name, [`FOLDED`], and those of their words' beginnings.
pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::new();
    tokenizers.register(FOLDED, TextAnalyzer::from(Words::folded(Splits::Space)));
    for tokenizer in Tokenizer::all() {
        tokenizers.register(tokenizer.name(), TextAnalyzer::from(Words::new(tokenizer)));
    }
    beginnings::register(&tokenizers);
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
    /// Where letters are not taken as they are written.
    folding: Option<Folding>,
    stemmed: Option<TextAnalyzer>,
    /// Whether each syllable of Korean is a term.
    parts_syllables: bool,
}

#[derive(Clone, Copy)]
enum Splits {
    Nowhere,
    /// At white space.
    Space,
    /// At everything but letters, digits, their marks, and emoji.
    Words,
}

impl Words {
    fn new(tokenizer: Tokenizer) -> Self {
        let as_written = |splits| Self { splits, folding: None, stemmed: None, parts_syllables: false };
        match tokenizer {
            Tokenizer::Raw => as_written(Splits::Nowhere),
            Tokenizer::Whitespace => as_written(Splits::Space),
            Tokenizer::Simple => as_written(Splits::Words),
            Tokenizer::Default => Self::folded(Splits::Words),
            Tokenizer::Cjk => Self { parts_syllables: true, ..Self::folded(Splits::Words) },
            Tokenizer::Stem(language) => {
                let stemmed = TextAnalyzer::builder(RawTokenizer::default()).filter(Stemmer::new(language));
                Self { stemmed: Some(stemmed.build()), ..Self::folded(Splits::Words) }
            }
        }
    }

    fn folded(splits: Splits) -> Self {
        Self { splits, folding: Some(Folding::new()), stemmed: None, parts_syllables: false }
    }

    /// Where the words are, in bytes.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        // Where a word has begun, and with which letter.
        let mut begun: Option<(usize, char)> = None;
        for (at, letter) in text.char_indices() {
            let is_mark = is_part_of_another(letter);
            let in_word = match self.splits {
                Splits::Nowhere => true,
                Splits::Space => !letter.is_whitespace(),
                Splits::Words => letter.is_alphanumeric() || is_emoji(letter) || begun.is_some() && is_mark,
            };
            let joins = |first: char| match self.splits {
                Splits::Nowhere | Splits::Space => in_word,
                Splits::Words => {
                    in_word && (is_mark || ![first, letter].into_iter().any(|letter| self.stands_alone(letter)))
                }
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

    /// Whether it is a term by itself, whatever it stands next to.
    fn stands_alone(&self, letter: char) -> bool {
        let is_syllable = matches!(letter, '\u{1100}'..='\u{11FF}' | '\u{AC00}'..='\u{D7A3}');
        is_written_without_spaces(letter) || is_emoji(letter) || self.parts_syllables && is_syllable
    }

    /// The terms of one word: itself, and its stem where there are stems.
    fn terms(&mut self, word: &str) -> (String, Option<String>) {
        let Some(folding) = &mut self.folding else { return (bounded(&composed(word)), None) };
        let word = lowered(word);
        // Stems are those of words with their accents.
        let stem = self.stemmed.as_mut().map(|stemmed| only(stemmed, &word));
        let stem = stem.map(|stem| format!("{STEM}{}", bounded(&folding.fold(&stem))));
        (bounded(&folding.fold(&word)), stem)
    }
}

/// Whether it belongs to the letter before it.
fn is_part_of_another(letter: char) -> bool {
    // The half-width sound marks of Japanese count as letters in Unicode.
    is_combining_mark(letter) || is_ignorable(letter) || matches!(letter, '\u{FF9E}' | '\u{FF9F}')
}

/// Pictures that people type and search for.
fn is_emoji(letter: char) -> bool {
    let is_picture =
        matches!(u32::from(letter), 0x2600..=0x27BF | 0x2B50..=0x2B55 | 0x1F1E6..=0x1F1FF | 0x1F300..=0x1FAFF);
    is_picture && !is_ignorable(letter)
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
    use super::super::spec::Language;
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
        assert_eq!(terms(Tokenizer::Default, "deli\u{AD}very \u{FF21}\u{FF22}\u{FF11}"), "delivery ab1");
        assert_eq!(terms(Tokenizer::Default, "\u{FF76}\u{FF9E}\u{FF97}"), "\u{30AC} \u{30E9}", "half-width");
    }

    #[test]
    fn emoji_are_words() {
        let text = "great\u{1F389}\u{1F44D}\u{1F3FD} \u{2764}\u{FE0F}!";
        assert_eq!(terms(Tokenizer::Default, text), "great \u{1F389} \u{1F44D} \u{2764}");
    }

    #[test]
    fn each_character_of_a_script_without_spaces_is_a_term() {
        assert_eq!(terms(Tokenizer::Default, "订单12已发货, ok"), "订 单 12 已 发 货 ok");
        assert_eq!(terms(Tokenizer::Default, "ガラス"), "ガ ラ ス");
        assert_eq!(terms(Tokenizer::Default, "한국어 문장"), "한국어 문장");
        assert_eq!(terms(Tokenizer::Cjk, "한국어를 ok 订"), "한 국 어 를 ok 订");
    }

    #[test]
    fn stems_stand_beside_their_words() {
        let stem = |language, text| terms(Tokenizer::Stem(language), text);
        assert_eq!(stem(Language::German, "H\u{e4}user laufen"), "hauser ~haus laufen ~lauf");
        assert_eq!(stem(Language::French, "livr\u{e9}es"), "livrees ~livr");
        assert_eq!(
            stem(Language::Russian, "\u{434}\u{43e}\u{43c}\u{430}"),
            "\u{434}\u{43e}\u{43c}\u{430} ~\u{434}\u{43e}\u{43c}"
        );
        assert_eq!(terms(Tokenizer::Stem(Language::English), "Running happily"), "running ~run happily ~happili");
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
