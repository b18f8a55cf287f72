//! From a node of the configuration, and a place within its text, to file, line and column.

use saphyr_parser::ScalarStyle;

use super::checked::{NodePath, Problem};
use super::diagnostic::{Diagnostic, Mark, Severity, at};
use super::substitute::written_place;
use super::yaml::{Data, File, Scalar, Yaml};

/// Where a declaration is written. Line and column are from 1, the column and the length in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub length: usize,
}

/// The files that a configuration was read from: turns a [`Problem`] into a [`Diagnostic`].
#[derive(Debug, Clone)]
pub struct Places {
    files: Vec<File>,
}

impl Places {
    pub(super) fn new(files: Vec<File>) -> Self {
        Self { files }
    }

    /// The files, the root first.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The place of a node's key, or of the last part of its pointer that is there.
    pub fn of(&self, node: &NodePath) -> Option<Place> {
        let file = self.files.iter().find(|file| file.path == node.file)?;
        let (found, _) = find(file.documents.get(node.document)?, node);
        let Mark { line, column, length } = found.key.unwrap_or_else(|| found.head());
        Some(Place { file: file.path.clone(), line, column, length })
    }

    /// The diagnostic for a problem that another room found. A pointer that leads nowhere ends at its last known part.
    pub fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let (message, hint) = (problem.message.clone(), problem.hint.clone());
        let Some(file) = self.files.iter().find(|file| file.path == problem.node.file) else {
            return at(problem.code, &problem.node.file, "", Mark::START, Severity::Error, message, hint);
        };
        let mark = file.documents.get(problem.node.document).map_or(Mark::START, |document| {
            let (node, exact) = find(document, &problem.node);
            match (&node.data, problem.within) {
                (Data::Scalar(scalar), Some(within)) if exact => within_scalar(&file.text, node.mark, scalar, within),
                _ => node.head(),
            }
        });
        at(problem.code, &file.path, &file.text, mark, Severity::Error, message, hint)
    }
}

/// The node that the pointer leads to, or the last one on the way, and whether it is the one.
fn find<'a>(document: &'a Yaml, node: &NodePath) -> (&'a Yaml, bool) {
    let mut current = document;
    for part in node.pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        let next = match &current.data {
            Data::Mapping(_) => current.entry(&name).map(|entry| &entry.value),
            Data::List(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
            Data::Scalar(_) => None,
        };
        match next {
            Some(next) => current = next,
            None => return (current, false),
        }
    }
    (current, true)
}

/// The place of line and column (from 1) of a scalar's value, with the word there.
fn within_scalar(text: &str, start: Mark, scalar: &Scalar, (line, column): (u64, u64)) -> Mark {
    let before: usize =
        scalar.text.split('\n').take(line.saturating_sub(1) as usize).map(|line| line.chars().count() + 1).sum();
    let mut mark = within(text, start, scalar, before + column.saturating_sub(1) as usize);
    let rest = text.lines().nth(mark.line - 1).unwrap_or_default().chars().skip(mark.column - 1);
    mark.length = rest.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).count().max(1);
    mark
}

/// The mark of a character of a scalar's value.
pub(super) fn within(text: &str, start: Mark, scalar: &Scalar, place: usize) -> Mark {
    written_mark(text, start, scalar.style, &scalar.written, written_place(&scalar.replaced, place))
}

/// The mark of a character of a scalar as it is written, before substitution.
///
/// YAML changes the white space of a scalar (indentation, folding) and, within quotes, escapes; the other characters
/// keep their order. So the n-th visible character of the value is the n-th visible one of the source.
pub(super) fn written_mark(text: &str, start: Mark, style: ScalarStyle, written: &str, place: usize) -> Mark {
    let visible = written.chars().take(place).filter(|c| !c.is_whitespace()).count();
    let past_the_end = written.chars().skip(place).all(char::is_whitespace);
    let mut source = PatternText::new(text, start);
    if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) {
        source.skip(1);
    }
    // At the end there is no such character: one past the last.
    let count = if past_the_end { visible.saturating_sub(1) } else { visible };
    for _ in 0..count {
        source.skip_blank(style);
        source.step(style);
    }
    source.skip_blank(style);
    if past_the_end && visible > 0 {
        source.step(style);
    }
    Mark { line: source.line, column: source.column, length: 1 }
}

/// Where a scalar's text begins whose node begins with an anchor or a tag.
pub(super) fn after_properties(text: &str, start: Mark, style: ScalarStyle) -> Mark {
    let mut source = PatternText::new(text, start);
    while matches!(source.peek(0), Some('&' | '!')) {
        source.skip_while(|c| !c.is_whitespace());
        source.skip_while(char::is_whitespace);
    }
    if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
        // The text of a block begins below its header.
        source.skip_while(|c| c != '\n');
        source.skip_while(char::is_whitespace);
    }
    Mark { line: source.line, column: source.column, length: source.rest_of_line().max(1) }
}

/// A walk over the characters of the source.
struct PatternText {
    rest: Vec<char>,
    at: usize,
    line: usize,
    column: usize,
}

impl PatternText {
    fn new(text: &str, start: Mark) -> Self {
        let lines: Vec<&str> = text.lines().skip(start.line - 1).collect();
        let rest = lines.join("\n").chars().skip(start.column - 1).collect();
        Self { rest, at: 0, line: start.line, column: start.column }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            match self.peek(0) {
                Some('\n') => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => return,
            }
            self.at += 1;
        }
    }

    fn skip_while(&mut self, skipped: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&skipped) {
            self.skip(1);
        }
    }

    /// Characters to the end of the line, without white space at its end.
    fn rest_of_line(&self) -> usize {
        let line: String = self.rest[self.at..].iter().take_while(|c| **c != '\n').collect();
        line.trim_end().chars().count()
    }

    /// Skips white space, also where it is escaped.
    fn skip_blank(&mut self, style: ScalarStyle) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(c), _) if c.is_whitespace() => self.skip(1),
                (Some('\\'), Some('n' | 't' | 'r' | 'v' | 'f' | ' ' | '\t' | '\n' | 'N' | '_' | 'L' | 'P'))
                    if style == ScalarStyle::DoubleQuoted =>
                {
                    self.skip(2);
                }
                _ => return,
            }
        }
    }

    /// Steps over one visible character of the value.
    fn step(&mut self, style: ScalarStyle) {
        let length = match (style, self.peek(0), self.peek(1)) {
            (ScalarStyle::SingleQuoted, Some('\''), Some('\'')) => 2,
            (ScalarStyle::DoubleQuoted, Some('\\'), Some(escape)) => match escape {
                'x' => 4,
                'u' => 6,
                'U' => 10,
                _ => 2,
            },
            _ => 1,
        };
        self.skip(length);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::diagnostic::Report;
    use super::super::substitute::Values;
    use super::super::yaml::parse;
    use super::*;
    use crate::config::Code;

    /// The source must read `expected` where the value (after substitution) reads `word`.
    #[track_caller]
    fn check(text: &str, pointer: &str, word: &str, expected: &str) {
        let env = |_: &str| Some("variable".to_owned());
        let report = Report::default();
        let values = Values { env: &env, ..Values::NONE };
        let file = parse("a.yaml", text.to_owned(), &values, &report);
        assert!(file.complete, "{text}");
        let node = NodePath { file: "a.yaml".into(), document: file.documents.len() - 1, pointer: pointer.into() };
        let Data::Scalar(scalar) = &find(&file.documents[node.document], &node).0.data else {
            unreachable!("{pointer} is no scalar")
        };
        let before = &scalar.text[..scalar.text.find(word).unwrap()];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        let within = Some((line as u64, column as u64));
        let places = Places::new(vec![file]);
        let shown =
            places.diagnostic(&Problem { code: Code::NotAccepted, node, within, message: String::new(), hint: None });
        let found: String = shown.text.chars().skip(shown.column - 1).take(shown.length).collect();
        assert_eq!(found, expected, "{shown}");
    }

    #[test]
    fn literal_blocks_mind_their_indentation() {
        check("sql: |\n  SELECT a,\n      bad FROM t\n", "/sql", "bad", "bad");
        check("a: 1\n---\nx:\n  - sql: |-\n\n      SELECT é,\n\n      bad FROM t\n", "/x/0/sql", "bad", "bad");
        check("sql: |2\n    SELECT bad\n", "/sql", "bad", "bad");
    }

    #[test]
    fn other_styles_are_followed_too() {
        check("sql: SELECT bad FROM t", "/sql", "bad", "bad");
        check("sql: >\n  SELECT\n  bad\n  FROM t\n", "/sql", "bad", "bad");
        check("sql: SELECT\n  bad FROM t", "/sql", "bad", "bad");
        check("sql: &q SELECT bad", "/sql", "bad", "bad");
        check("sql: &bad !!str | # bad\n\n  SELECT\n    bad", "/sql", "bad", "bad");
        check("x-a: &q |\n  SELECT bad\nsql: *q", "/sql", "bad", "bad");
        check("sql: 'SELECT ''x'', bad'", "/sql", "bad", "bad");
        check(r#"sql: "SELECT \"x\",\n \u00e9, bad""#, "/sql", "bad", "bad");
    }

    #[test]
    fn substitution_is_undone() {
        check("sql: |\n  SELECT ${A} + ${B},\n    bad\n", "/sql", "bad", "bad");
        check("sql: SELECT ${A}, bad", "/sql", "bad", "bad");
        check("sql: SELECT ${A}, bad", "/sql", "variable", "$");
    }

    #[test]
    fn a_pointer_that_leads_nowhere_ends_at_the_last_known_key() {
        let report = Report::default();
        let file = parse("a.yaml", "events:\n  A: {x: 1}\n".to_owned(), &Values::NONE, &report);
        let node = NodePath { file: "a.yaml".into(), document: 0, pointer: "/events/A/y/z".into() };
        let problem = Problem { code: Code::NotAccepted, node, within: Some((1, 1)), message: "m".into(), hint: None };
        let shown = Places::new(vec![file]).diagnostic(&problem);
        assert_eq!((shown.line, shown.column, shown.length), (2, 3, 1));
    }
}
