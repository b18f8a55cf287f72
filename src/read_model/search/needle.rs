//! What is written in a query, word by word: what the grammar leaves in a word, and what is refused before it reads the text.

use tantivy::query_grammar::{Delimiter, UserInputLiteral, parse_query_lenient};

use super::request::SearchError;

/// Opening parentheses of one query, wherever they stand: the grammar recurses on them before its result can be
/// looked at.
const PARENTHESES_MAX: usize = 32;
const SLOP_MAX: u32 = 16;
const TYPOS_MAX: u8 = 2;
/// Letters of a word that is looked for with typing errors.
const FUZZY_LETTERS_MAX: usize = 40;

/// The terms that one part of a query looks for.
pub(super) struct Needle {
    pub(super) text: String,
    pub(super) prefix: bool,
    /// How far the words of a phrase may be from their places.
    pub(super) slop: u32,
    /// How many typing errors a word may have.
    pub(super) typos: u8,
}

impl Needle {
    pub(super) fn new(literal: UserInputLiteral) -> Result<Self, SearchError> {
        let UserInputLiteral { phrase, delimiter, slop, prefix, .. } = literal;
        if slop > SLOP_MAX {
            return Err(invalid(format!("`~{slop}` is too far apart: at most `~{SLOP_MAX}` is possible")));
        }
        if delimiter != Delimiter::None {
            return Ok(Self { text: phrase, prefix, slop, typos: 0 });
        }
        // The grammar leaves the star of an unquoted prefix in the word.
        let (text, starred) = match phrase.strip_suffix('*') {
            Some(text) => (text.to_owned(), true),
            None => (phrase, prefix),
        };
        if text.contains('*') {
            return Err(invalid(format!(
                "`{text}`: `*` may only end a word; put it in double quotes to search for it"
            )));
        }
        // So it leaves the typing errors.
        let (word, typos) = match text.rsplit_once('~') {
            Some((word, digits)) if !word.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                (word, if digits.is_empty() { TYPOS_MAX } else { digits.parse().unwrap_or(u8::MAX) })
            }
            _ => (text.as_str(), 0),
        };
        if typos > TYPOS_MAX {
            return Err(invalid(format!("`~{typos}` is too many typing errors: at most `~{TYPOS_MAX}` is possible")));
        }
        if typos > 0 && word.chars().count() > FUZZY_LETTERS_MAX {
            return Err(invalid(format!(
                "`{word}` is too long to be looked for with typing errors: leave the `~` out"
            )));
        }
        Ok(Self { text: word.to_owned(), prefix: starred, slop, typos })
    }
}

/// Refuses what would make the grammar recurse deeply, and escapes apostrophes within words, which it would take for
/// quotes.
pub(super) fn guard(text: &str) -> Result<String, SearchError> {
    if text.matches('(').count() > PARENTHESES_MAX {
        return Err(invalid(format!("the query has more than {PARENTHESES_MAX} parentheses: simplify it")));
    }
    let mut after_not = false;
    for word in text.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty()) {
        let is_not = word.trim_start_matches(['+', '-']) == "NOT";
        if is_not && after_not {
            return Err(invalid("the query says NOT twice in a row: leave both out"));
        }
        after_not = is_not;
    }
    let mut guarded = String::with_capacity(text.len() + 8);
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let within_word = previous.is_alphanumeric() && characters.peek().is_some_and(|next| next.is_alphanumeric());
        if character == '\'' && within_word {
            guarded.push('\\');
        }
        guarded.push(character);
        previous = character;
    }
    Ok(guarded)
}

pub(super) fn unreadable(text: &str) -> SearchError {
    let why = match parse_query_lenient(text).1.first() {
        Some(error) => {
            let characters = text.bytes().take(error.pos).filter(|byte| byte & 0xC0 != 0x80).count();
            format!("{} after {characters} characters", error.message)
        }
        None => "an operator or a quote is out of place".to_owned(),
    };
    invalid(format!("the query `{text}` cannot be read ({why}): put text with special characters in double quotes"))
}

pub(super) fn invalid(message: impl Into<String>) -> SearchError {
    SearchError::Invalid(message.into())
}
