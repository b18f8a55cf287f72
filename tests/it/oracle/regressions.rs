//! The cases of `tests/sql`: both sides agree, and agree on what is written there, and so do the plans.
//! `UPDATE_EXPECT=1` writes what the batch gives; then read it.

use std::fmt::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use super::case::{Case, Entry};
use super::run::{Outcome, Verdict, run};

/// All cases of a folder and the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|end| end == "case") {
            files.push(path);
        }
    }
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
    let wrong = correct(&mut case, outcome);
    if wrong.is_empty() {
        return Ok(());
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, case.to_string()).unwrap();
        return Ok(());
    }
    Err(wrong)
}

/// Puts what was found in the place of what is written, and says where they differ.
fn correct(case: &mut Case, outcome: Outcome) -> String {
    let mut wrong = String::new();
    for declared in &mut case.projections {
        let found = &outcome.plans[&declared.name];
        if declared.plan != *found {
            let _ = writeln!(wrong, "plan of `{}`: written {:?}, found {found:?}", declared.name, declared.plan);
            declared.plan.clone_from(found);
        }
    }
    let mut found = outcome.cuts.into_iter();
    let cuts = case.log.iter_mut().filter_map(|entry| match entry {
        Entry::Cut(expected) => Some(expected),
        _ => None,
    });
    for (number, written) in cuts.enumerate() {
        let found = found.next().unwrap_or_default();
        let mut sorted = [written.clone(), found.clone()];
        sorted.iter_mut().for_each(|lines| lines.sort());
        if sorted[0] != sorted[1] {
            let _ = writeln!(wrong, "cut {}: written {written:#?}, found {found:#?}", number + 1);
            *written = found;
        }
    }
    wrong
}

/// What is wrong with which files, which are checked by as many threads as there are processors.
fn wrong(files: &[PathBuf]) -> Vec<String> {
    let check = |path: &PathBuf| Some(format!("{}: {}", path.display(), check(path).err()?));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads).max(1));
        let parts: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().filter_map(check).collect::<Vec<_>>())).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

#[test]
fn cases_hold() {
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql"));
    assert!(files.len() >= 150, "{} cases", files.len());
    let wrong = wrong(&files);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
