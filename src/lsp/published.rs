//! Problems as an editor shows them, and what has changed of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ls_types::{Diagnostic as Shown, DiagnosticSeverity, NumberOrString, Position, PublishDiagnosticsParams, Range};

use super::analysis::Analysis;
use super::position::Encoding;
use super::workspace::Workspace;
use crate::config::{Diagnostic, Severity};

/// What has to be told after a look, and is then noted: each file of the configuration, if its problems or the version of its text are
/// others than were told; and files that are no part of it any more, without problems.
pub(super) fn changes(
    workspace: &Workspace,
    encoding: Encoding,
    analysis: &Analysis,
    published: &mut BTreeMap<PathBuf, PublishDiagnosticsParams>,
) -> Vec<PublishDiagnosticsParams> {
    let mut changes = Vec::new();
    let gone: Vec<PathBuf> = published.keys().filter(|path| !analysis.found.contains_key(*path)).cloned().collect();
    for (_, told) in gone.into_iter().filter_map(|path| published.remove_entry(&path)) {
        if !told.diagnostics.is_empty() {
            changes.push(PublishDiagnosticsParams::new(told.uri, Vec::new(), None));
        }
    }
    for (path, found) in &analysis.found {
        let Some(uri) = workspace.uri(path) else { continue };
        let diagnostics = found.iter().map(|problem| shown(problem, encoding)).collect();
        let now = PublishDiagnosticsParams::new(uri, diagnostics, analysis.versions.get(path).copied());
        if published.get(path) != Some(&now) {
            published.insert(path.clone(), now.clone());
            changes.push(now);
        }
    }
    changes
}

fn shown(problem: &Diagnostic, encoding: Encoding) -> Shown {
    let column = problem.column.saturating_sub(1);
    // The problem has its own line with it.
    let position = |column| Position {
        line: problem.line.saturating_sub(1) as u32,
        ..encoding.position(&problem.text, 0, column)
    };
    let hint = problem.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    Shown {
        range: Range::new(position(column), position(column + problem.length)),
        severity: Some(match problem.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(problem.code.to_string())),
        source: Some("readside".to_owned()),
        message: format!("{}{hint}", problem.message),
        ..Shown::default()
    }
}

/// The codes of the problems at a position.
pub(super) fn codes_at(problems: &[Shown], position: Position) -> BTreeSet<String> {
    let is_there = |shown: &&Shown| shown.range.start <= position && position <= shown.range.end;
    let code = |shown: &Shown| match &shown.code {
        Some(NumberOrString::String(code)) => Some(code.clone()),
        _ => None,
    };
    problems.iter().filter(is_there).filter_map(code).collect()
}

/// The code that is written at a place, as in a comment.
pub(super) fn code_written(text: &str, (line, column): (usize, usize)) -> Option<String> {
    let own: Vec<char> = text.split('\n').nth(line)?.chars().collect();
    let (before, after) = own.split_at(column.min(own.len()));
    let is_part = |c: &&char| c.is_ascii_alphanumeric();
    let start = before.iter().rev().take_while(is_part).count();
    let word = before[before.len() - start..].iter().chain(after.iter().take_while(is_part)).collect::<String>();
    word.starts_with("RS").then_some(word)
}
