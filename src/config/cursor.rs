//! Where a cursor stands in a file that is being written: below which keys, and in which text. It is read from the parser's events up to
//! the first fault, so that what is broken elsewhere does not matter.
//!
//! A mark is put at the cursor before the text is parsed, and looked for in what comes out: so indentation, folding, quotes and
//! escapes are the parser's matter.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// The place of a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The document's place in the file, from 0.
    pub document: usize,
    /// The keys at the top of its document with their values, where these are texts, as far as they can be read.
    pub top: Vec<(String, Option<String>)>,
    /// Keys, and indices of items, that lead to the mapping, list or value in which it stands.
    pub path: Vec<String>,
    pub stands: Stands,
}

/// What it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// A key of the mapping at the path.
    Key { name: String, siblings: Vec<String> },
    /// The value at the path, behind so many characters of it.
    Value { text: String, at: usize },
}

/// A character for private use, which no file has.
const MARK: char = '\u{F8F0}';

/// The place of a cursor, by line and character in it, both from 0. None in a comment, or behind what cannot be parsed.
pub fn cursor(text: &str, line: usize, column: usize) -> Option<Cursor> {
    let mut lines: Vec<String> = text.split('\n').map(|line| line.trim_end_matches('\r').to_owned()).collect();
    let own: Vec<char> = lines.get(line)?.chars().collect();
    let (before, after) = own.split_at(column.min(own.len()));
    let (before, after): (String, String) = (before.iter().collect(), after.iter().collect());
    let mut read = |end: &str| {
        lines[line] = format!("{before}{MARK}{after}{end}");
        Reader::read(&lines.join("\n"))
    };
    let found = read("");
    // A word alone in its line is a key that has no colon yet, unless it stands in a block of text.
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == ' ';
    let is_alone = before.chars().chain(after.chars()).all(is_word);
    let is_settled = found.as_ref().is_some_and(|(_, is_plain)| !is_plain);
    let found = if is_alone && !is_settled { read(":").or(found) } else { found };
    found.map(|(cursor, _)| cursor)
}

/// A collection that has begun.
enum Frame {
    Mapping { keys: Vec<String>, open: Option<String> },
    List { items: usize },
}

#[derive(Default)]
struct Reader {
    frames: Vec<Frame>,
    documents: usize,
    top: Vec<(String, Option<String>)>,
    found: Option<Cursor>,
    /// Whether what was found is a plain value.
    is_plain: bool,
    /// The number of collections around a key that was found, as long as its mapping is open.
    within: Option<usize>,
}

impl Reader {
    /// The cursor of a text with the mark, and whether it stands in a plain value.
    fn read(text: &str) -> Option<(Cursor, bool)> {
        let mut reader = Self::default();
        let mut parser = Parser::new_from_str(text);
        while let Some(Ok((event, _))) = parser.next_event() {
            match event {
                Event::DocumentStart(_) => reader.top.clear(),
                Event::DocumentEnd if reader.found.is_some() => break,
                Event::DocumentEnd => reader.documents += 1,
                Event::StreamEnd => break,
                Event::MappingStart(..) => reader.frames.push(Frame::Mapping { keys: Vec::new(), open: None }),
                Event::SequenceStart(..) => reader.frames.push(Frame::List { items: 0 }),
                Event::MappingEnd | Event::SequenceEnd => reader.end(),
                Event::Scalar(text, style, ..) => reader.scalar(&text, style),
                Event::Alias(_) => reader.value_ended(None),
                _ => {}
            }
        }
        reader.note_siblings();
        let mut found = reader.found?;
        found.top = reader.top;
        Some((found, reader.is_plain))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle) {
        let marked = text.chars().position(|c| c == MARK);
        let unmarked = text.replace(MARK, "");
        let path = self.path();
        if let Some(Frame::Mapping { keys, open: open @ None }) = self.frames.last_mut() {
            *open = Some(unmarked.clone());
            match marked {
                Some(_) => {
                    self.within = Some(self.frames.len());
                    self.find(path, Stands::Key { name: unmarked, siblings: Vec::new() });
                }
                None => keys.push(unmarked),
            }
            return;
        }
        if let Some(at) = marked {
            self.is_plain = style == ScalarStyle::Plain;
            self.find(path, Stands::Value { text: unmarked.clone(), at });
        }
        self.value_ended(Some(unmarked));
    }

    fn find(&mut self, path: Vec<String>, stands: Stands) {
        self.found = Some(Cursor { document: self.documents, top: Vec::new(), path, stands });
    }

    /// Keys and indices down to where the next node begins.
    fn path(&self) -> Vec<String> {
        let part = |frame: &Frame| match frame {
            Frame::Mapping { open, .. } => open.clone(),
            Frame::List { items } => Some(items.to_string()),
        };
        self.frames.iter().filter_map(part).collect()
    }

    fn end(&mut self) {
        self.note_siblings();
        self.frames.pop();
        self.value_ended(None);
    }

    /// Counts a node that has ended as the value of its key, or as an item.
    fn value_ended(&mut self, text: Option<String>) {
        let is_top = self.frames.len() == 1;
        match self.frames.last_mut() {
            Some(Frame::Mapping { open, .. }) => match open.take() {
                Some(key) if is_top => self.top.push((key, text)),
                // An alias in the place of a key.
                None => *open = Some(String::new()),
                Some(_) => {}
            },
            Some(Frame::List { items }) => *items += 1,
            None => {}
        }
    }

    /// The other keys of the mapping in which the cursor stands, if that is the innermost collection.
    fn note_siblings(&mut self) {
        if self.within != Some(self.frames.len()) {
            return;
        }
        if let (Some(Frame::Mapping { keys, .. }), Some(Cursor { stands: Stands::Key { siblings, .. }, .. })) =
            (self.frames.last(), &mut self.found)
        {
            siblings.clone_from(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the cursor `|` of a text stands.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let before = text.split('|').next().unwrap_or_default();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let found = cursor(&text.replacen('|', "", 1), line, column).map(|found| {
            let path = found.path.join("/");
            match found.stands {
                Stands::Key { name, siblings } => format!("{path} key {name:?} beside {}", siblings.join(" ")),
                Stands::Value { text, at } => {
                    let (before, after): (String, String) =
                        (text.chars().take(at).collect(), text.chars().skip(at).collect());
                    format!("{path} value {before:?} {after:?}")
                }
            }
        });
        assert_eq!(found.as_deref().unwrap_or("nothing"), expected, "{text}");
    }

    #[test]
    fn a_key_is_found_before_it_has_a_colon() {
        check("projection: p\nk|\nsql: SELECT 1\n", r#" key "k" beside projection sql"#);
        check("projection: p\n|", r#" key "" beside projection"#);
        check("freshness:\n  on|\n", r#"freshness key "on" beside "#);
        check("freshness: {on_|}\nkey: [a]", r#"freshness key "on_" beside "#);
        check("freshness: {on_|", r#"freshness key "on_" beside "#);
        check("given:\n  - source: a\n    su|\n", r#"given/0 key "su" beside source"#);
        check("ow|ner: x\n", r#" key "owner" beside "#);
        check("a: 1\n---\nb: 1\nc|\n", r#" key "c" beside b"#);
    }

    #[test]
    fn a_value_is_found_in_every_style() {
        check("kind: ta|\n", r#"kind value "ta" """#);
        check("kind: |\n", r#"kind value "" """#);
        check("key: [a, b|]\n", r#"key/1 value "b" """#);
        check("sql: SELECT a|b FROM t\n", r#"sql value "SELECT a" "b FROM t""#);
        check("sql: \"SELECT \\u00e9, a|b\"\n", r#"sql value "SELECT é, a" "b""#);
        check("sql: >\n  SELECT\n  a|b\n  FROM t\n", r#"sql value "SELECT a" "b FROM t\n""#);
    }

    #[test]
    fn a_word_alone_in_a_block_is_no_key() {
        let block = "\n  SELECT a,\n    b|\n  FROM t\nkey: [a]\n";
        check(&format!("sql: >-{block}"), r#"sql value "SELECT a,\n  b" "\nFROM t""#);
    }

    #[test]
    fn what_is_broken_elsewhere_does_not_matter() {
        check("sql: SELECT a| FROM t\nkey: [a\nother: }", r#"sql value "SELECT a" " FROM t""#);
        check("# a comment|\na: 1", "nothing");
        check("", r#" key "" beside "#);
    }
}
