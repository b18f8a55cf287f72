//! The cases of `tests/sql`: both sides agree, and agree on what is written there, and so do the plans.
//! `UPDATE_EXPECT=1` writes what the batch gives; then read it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::case::{Case, Entry};
use super::run::{Outcome, Verdict, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql")
}

/// What a folder has, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// What is wrong with one file.
fn check(path: &Path) -> Result<(), String> {
    let mut case = Case::parse(&std::fs::read_to_string(path).unwrap())?;
    let outcome = run(&case).map_err(|verdict| match verdict {
        Verdict::Refused(reason) => format!("refused: {reason}"),
        Verdict::NoAnswer(known) => format!("DataFusion gives no answer: {known}"),
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

/// What is wrong with the cases of a folder.
fn hold(folder: &str) {
    let files = entries(&root().join(folder));
    let wrong: Vec<String> =
        files.iter().filter_map(|path| Some(format!("{}: {}", path.display(), check(path).err()?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A test a folder, so that they run beside each other, and one that none is left out.
macro_rules! cases_hold {
    ($($folder:ident)*) => {
        mod cases_hold {
            $(#[test]
            fn $folder() {
                super::hold(stringify!($folder));
            })*
        }

        #[test]
        fn every_folder_has_its_test() {
            let folders = entries(&root()).into_iter().filter(|path| path.is_dir());
            let folders: Vec<String> = folders.map(|path| path.file_name().unwrap().to_string_lossy().into()).collect();
            assert_eq!(folders, [$(stringify!($folder)),*]);
        }
    };
}

cases_hold! { aggregates errors events groups joins levels limits lists sets sharing subqueries values windows }
