//! The report of a mistake to its author: where, what, and what next. Also the list that gathers all problems.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;

use super::checked::Problem;
use super::code::Code;

/// How bad it is. Only errors keep a configuration from loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One problem with its place. `Display` renders it with the source line and a marker below the culprit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Characters to underline, at least 1.
    pub length: usize,
    /// The whole source line; empty if the file could not be read.
    pub text: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error about a file as a whole, such as one that cannot be read.
    pub fn of_file(name: &str, message: String) -> Self {
        at(Code::FileUnreadable, name, "", Mark::START, Severity::Error, message, None)
    }

    /// The error of a problem that lies in a text of its own, such as SQL from the command line, which is named in place of a
    /// file.
    pub fn in_text(name: &str, text: &str, problem: &Problem) -> Self {
        let (line, column) = problem.within.unwrap_or((1, 1));
        let mut mark = Mark { line: line as usize, column: column as usize, length: 1 };
        let rest = text.lines().nth(mark.line.saturating_sub(1)).unwrap_or_default();
        let word = rest.chars().skip(mark.column.saturating_sub(1));
        mark.length = word.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).count().max(1);
        at(problem.code, name, text, mark, Severity::Error, problem.message.clone(), problem.hint.clone())
    }
}

/// Longest part of a source line that is shown, in characters.
const WINDOW: usize = 120;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}[{}]: {}", self.code, self.message)?;
        let line = self.line.to_string();
        let gutter = " ".repeat(line.len());
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        if !self.text.is_empty() {
            let (shown, column) = window(&self.text, self.column - 1);
            let room = shown.chars().count().saturating_sub(column).max(1);
            writeln!(f, "{gutter} |")?;
            writeln!(f, "{line} | {shown}")?;
            writeln!(f, "{gutter} | {}{}", " ".repeat(column), "^".repeat(self.length.clamp(1, room)))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {hint}")?;
        }
        Ok(())
    }
}

/// The part of a long line around a column (from 0), and the column within it. Tabs become spaces, so that the
/// marker stays below its character.
fn window(text: &str, column: usize) -> (String, usize) {
    let characters: Vec<char> = text.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    if characters.len() <= WINDOW {
        return (characters.iter().collect(), column);
    }
    let start = column.saturating_sub(WINDOW / 3).min(characters.len() - WINDOW);
    let end = start + WINDOW;
    let before = if start > 0 { "…" } else { "" };
    let after = if end < characters.len() { "…" } else { "" };
    let shown: String = characters[start..end].iter().collect();
    (format!("{before}{shown}{after}"), column - start + before.chars().count())
}

/// A place in a file's text, in lines and characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub line: usize,
    pub column: usize,
    pub length: usize,
}

impl Mark {
    pub(super) const START: Mark = Mark { line: 1, column: 1, length: 1 };
}

/// Gathers the problems of all files, so that they are reported at once.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<Vec<Diagnostic>>);

impl Report {
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|found| found.severity == Severity::Error)
    }

    /// All problems, each once, and by place within their files; files stay in the order of `files`.
    pub(super) fn into_sorted(self, files: &[&str]) -> Vec<Diagnostic> {
        let mut diagnostics = self.0.into_inner();
        let place = |file: &str| files.iter().position(|known| *known == file);
        diagnostics.sort_by_key(|d| (place(&d.file), d.line, d.column));
        // What an alias repeats is wrong in one place only.
        diagnostics.dedup();
        diagnostics
    }
}

/// The diagnostic for a place in a text.
pub(super) fn at(
    code: Code,
    file: &str,
    text: &str,
    mark: Mark,
    severity: Severity,
    message: String,
    hint: Option<String>,
) -> Diagnostic {
    let line = text.lines().nth(mark.line - 1).unwrap_or_default();
    // The end of a file that ends in a line break is shown at the end of its last line.
    let (mark, line) = match text.lines().last() {
        Some(last) if mark.line > text.lines().count() => {
            (Mark { line: text.lines().count(), column: last.chars().count() + 1, length: 1 }, last)
        }
        _ => (mark, line),
    };
    Diagnostic {
        severity,
        code,
        file: file.to_owned(),
        line: mark.line,
        column: mark.column,
        length: mark.length.max(1),
        text: line.trim_end().to_owned(),
        message,
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_the_culprit() {
        let text = format!("{}HERE{}", "a".repeat(200), "b".repeat(200));
        let shown = at(
            Code::NotYaml,
            "x.yaml",
            &text,
            Mark { line: 1, column: 201, length: 4 },
            Severity::Error,
            "no".into(),
            None,
        );
        let lines: Vec<String> = shown.to_string().lines().map(str::to_owned).collect();
        let column = lines[4].chars().position(|c| c == '^').unwrap_or_default();
        assert_eq!(lines[3].chars().skip(column).take(4).collect::<String>(), "HERE");
        assert!(lines[3].chars().count() < 130);
    }
}
