//! The cases of `tests/sql/*.case`: both sides agree, and agree on what is written there.
//! `UPDATE_EXPECT=1` writes what the batch gives; then read it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::case::{Case, Entry};
use super::run::{Verdict, run};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "case")).collect();
    files.sort();
    files
}

/// What is wrong with one file.
fn check(path: &Path) -> Result<(), String> {
    let mut case = Case::parse(&std::fs::read_to_string(path).unwrap())?;
    let outcome = run(&case).map_err(|verdict| match verdict {
        Verdict::Refused(reason) => format!("refused: {reason}"),
        Verdict::NoAnswer => "DataFusion gives no answer".to_owned(),
        Verdict::Failed(failure) => failure.to_string(),
    })?;
    let cuts = case.log.iter_mut().filter_map(|entry| match entry {
        Entry::Cut(expected) => Some(expected),
        _ => None,
    });
    let mut wrong = String::new();
    for (number, (written, found)) in cuts.zip(outcome.cuts).enumerate() {
        let mut sorted = [written.clone(), found.clone()];
        sorted.iter_mut().for_each(|lines| lines.sort());
        if sorted[0] != sorted[1] {
            let _ = writeln!(wrong, "cut {}: written {written:#?}, found {found:#?}", number + 1);
            *written = found;
        }
    }
    if !wrong.is_empty() && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, case.to_string()).unwrap();
        return Ok(());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

#[test]
fn cases_hold() {
    let files = files();
    assert!(files.len() >= 40, "{} cases", files.len());
    let wrong: Vec<String> =
        files.iter().filter_map(|path| Some(format!("{}: {}", path.display(), check(path).err()?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
