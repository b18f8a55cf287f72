//! Forms of a word that are one to who searches: what Unicode writes in several ways, capital letters, and accents where
//! people leave them out.

use tantivy::tokenizer::{AsciiFoldingFilter, RawTokenizer, TextAnalyzer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Takes accents off words.
#[derive(Clone)]
pub(super) struct Folding {
    /// Knows the Latin letters that are no base letter with a mark, such as `ø` and `ß`.
    latin: TextAnalyzer,
}

impl Folding {
    pub(super) fn new() -> Self {
        Self { latin: TextAnalyzer::builder(RawTokenizer::default()).filter(AsciiFoldingFilter).build() }
    }

    /// The word without accents. It is in lower case already.
    pub(super) fn fold(&mut self, word: &str) -> String {
        if word.is_ascii() {
            return word.to_owned();
        }
        let mut base = ' ';
        let without_accents = word.nfd().filter(|letter| {
            let is_mark = is_combining_mark(*letter);
            if !is_mark {
                base = *letter;
            }
            !(is_mark && drops_marks(base))
        });
        let word: String = without_accents.map(|letter| if letter == 'ς' { 'σ' } else { letter }).nfc().collect();
        only(&mut self.latin, &word)
    }
}

/// The one term that an analyzer of whole words makes of a word.
pub(super) fn only(analyzer: &mut TextAnalyzer, word: &str) -> String {
    let mut stream = analyzer.token_stream(word);
    if stream.advance() { stream.token().text.clone() } else { word.to_owned() }
}

/// A word as it is written, in the one form that Unicode has for it.
pub(super) fn composed(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    word.chars().filter(|letter| !is_ignorable(*letter)).nfc().collect()
}

/// A word in lower case, with full-width letters, ligatures and the like as the letters that they stand for.
pub(super) fn lowered(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let letters: String = word.chars().filter(|letter| !is_ignorable(*letter)).nfkc().collect();
    letters.to_lowercase().nfkc().collect()
}

/// What is in a word without being seen as a letter of it: soft hyphens, joiners, selectors of a variant or a skin tone.
pub(super) fn is_ignorable(letter: char) -> bool {
    matches!(letter,
        '\u{AD}' | '\u{200C}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{1F3FB}'..='\u{1F3FF}')
}

/// Whether people search for words of this letter's script without their marks. In other scripts a mark makes another letter
/// (Cyrillic, Japanese) or is a vowel.
fn drops_marks(letter: char) -> bool {
    matches!(u32::from(letter),
        // Latin
        0x41..=0x24F | 0x1E00..=0x1EFF | 0x2C60..=0x2C7F | 0xA720..=0xA7FF
        // Greek, Hebrew, Arabic
        | 0x370..=0x3FF | 0x1F00..=0x1FFF | 0x590..=0x6FF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_leave_out_is_left_out() {
        let fold = |word: &str| Folding::new().fold(&lowered(word));
        let cases = [
            ("Cafe\u{301}", "cafe"),
            ("Ti\u{1EBF}ng", "tieng"),
            ("Stra\u{DF}e", "strasse"),
            ("\u{D8}re", "ore"),
            ("\u{130}zmir", "izmir"),
            ("\u{FF21}\u{FF22}\u{FF11}", "ab1"),
            ("\u{FB01}n", "fin"),
            ("deli\u{AD}very", "delivery"),
            ("\u{391}\u{3B8}\u{3AE}\u{3BD}\u{3B1}\u{3C2}", "\u{3B1}\u{3B8}\u{3B7}\u{3BD}\u{3B1}\u{3C3}"),
            // Harakat, and points.
            ("\u{643}\u{64E}\u{62A}\u{64E}\u{628}", "\u{643}\u{62A}\u{628}"),
            ("\u{5E9}\u{5C1}\u{5B8}\u{5DC}", "\u{5E9}\u{5DC}"),
            // Letters of their own, not accents.
            ("\u{419}\u{43E}\u{434}", "\u{439}\u{43E}\u{434}"),
            ("\u{30AB}\u{3099}", "\u{30AC}"),
            ("\u{FF76}\u{FF9E}", "\u{30AC}"),
            ("\u{D55C}\u{AD6D}", "\u{D55C}\u{AD6D}"),
        ];
        for (word, expected) in cases {
            assert_eq!(fold(word), expected, "{word}");
        }
        assert_eq!(composed("Cafe\u{301}"), "Caf\u{e9}");
    }
}
