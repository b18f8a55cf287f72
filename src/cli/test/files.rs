//! The files of cases: where they are, what they hold, and how an outcome is written down in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{CASES_ENDING, Case, Config, Diagnostic, cases};

/// A file with its cases.
#[derive(Debug)]
pub(super) struct CaseFile {
    pub(super) path: String,
    text: String,
    pub(super) cases: Vec<Case>,
}

/// The files that are named, or else those beside the projections.
///
/// # Errors
/// There are none, or a folder cannot be listed, as a sentence.
pub(super) fn case_files(named: &[PathBuf], config: &Config) -> Result<Vec<PathBuf>, String> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let declared = config.projections.iter().map(|projection| Path::new(&projection.node.file));
    let folders: BTreeSet<&Path> = declared.filter_map(Path::parent).collect();
    let mut found = BTreeSet::new();
    for folder in folders {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let listed =
            std::fs::read_dir(here).map_err(|error| format!("cannot look into {}: {error}", here.display()))?;
        for entry in listed.flatten() {
            if entry.file_name().to_string_lossy().ends_with(CASES_ENDING) {
                found.insert(folder.join(entry.file_name()));
            }
        }
    }
    if found.is_empty() {
        return Err(format!(
            "there is no case: no file beside the projections ends in `{CASES_ENDING}`; begin one with `case: WHAT HOLDS`"
        ));
    }
    Ok(found.into_iter().collect())
}

/// Reads all files.
///
/// # Errors
/// All problems of all files.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<CaseFile>, Vec<Diagnostic>> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let path = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                problems.push(Diagnostic::of_file(&path, format!("cannot read the cases: {error}")));
                continue;
            }
        };
        match cases(&path, &text) {
            Ok(cases) => files.push(CaseFile { path, text, cases }),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// Writes the outcomes of some cases in the place of what they say. Everything else of the file stays as it is.
///
/// # Errors
/// A case is written so that its outcome has no lines of its own, or the file cannot be written, as a sentence.
pub(super) fn accept(file: &CaseFile, outcomes: &[(&Case, String)]) -> Result<(), String> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<&str> = file.text.lines().collect();
    // From the end on, so that the places before it stay.
    for (case, then) in outcomes.iter().rev() {
        let place = case.then_lines.clone().ok_or_else(|| {
            format!(
                "{}:{}: `then` is not at the margin on a line of its own; write it so, to have it accepted",
                file.path, case.line
            )
        })?;
        lines.splice(place.start - 1..place.end - 1, then.lines());
    }
    let text = lines.join("\n") + "\n";
    std::fs::write(&file.path, text).map_err(|error| format!("cannot write {}: {error}", file.path))
}
