//! Places in a text: an editor counts code units from 0, everything else here characters.

use ls_types::{Position, PositionEncodingKind};

/// What an editor counts within a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
    Utf32,
}

impl Encoding {
    /// The first that an editor offers and that is known; what every editor has if it offers none.
    pub(super) fn chosen(offered: &[PositionEncodingKind]) -> Self {
        let known = |kind: &PositionEncodingKind| match kind.as_str() {
            "utf-8" => Some(Self::Utf8),
            "utf-16" => Some(Self::Utf16),
            "utf-32" => Some(Self::Utf32),
            _ => None,
        };
        offered.iter().find_map(known).unwrap_or(Self::Utf16)
    }

    pub(super) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    /// The position of a character of a line, both counted from 0. Behind the line's end is its end.
    pub(super) fn position(self, text: &str, line: usize, character: usize) -> Position {
        let own = text.split('\n').nth(line).unwrap_or_default().trim_end_matches('\r');
        let units: usize = own.chars().take(character).map(|c| self.units(c)).sum();
        Position::new(line as u32, units as u32)
    }

    /// Line and character of a position, both from 0. A position within a character is before it.
    pub(super) fn place(self, text: &str, position: Position) -> (usize, usize) {
        let line = position.line as usize;
        let own = text.split('\n').nth(line).unwrap_or_default().trim_end_matches('\r');
        let mut units = 0;
        let before = own.chars().take_while(|&c| {
            units += self.units(c);
            units <= position.character as usize
        });
        (line, before.count())
    }

    fn units(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_outside_of_the_basic_plane_have_two_units() {
        let text = "a\r\nü😀b\r\n";
        for (encoding, units) in [(Encoding::Utf8, 6), (Encoding::Utf16, 3), (Encoding::Utf32, 2)] {
            assert_eq!(encoding.position(text, 1, 2), Position::new(1, units));
            assert_eq!(encoding.place(text, Position::new(1, units)), (1, 2));
            assert_eq!(encoding.position(text, 1, 99), encoding.position(text, 1, 3));
            assert_eq!(encoding.place(text, Position::new(1, 99)), (1, 3));
        }
        // Between the two units of a character.
        assert_eq!(Encoding::Utf16.place(text, Position::new(1, 2)), (1, 1));
        assert_eq!(Encoding::Utf16.place(text, Position::new(9, 9)), (9, 0));
    }
}
