//! The pages of error codes: each example that fails has its code and no other, and the mended one none.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use readside::config::{Diagnostic, Files, cases, load};
use readside::plan::program;

const PAGES: &str = include_str!("../../docs/errors.md");

/// The source that examples are over which have none.
fn source() -> &'static str {
    block(PAGES, 0)
}

/// The n-th example of a text.
fn block(text: &str, number: usize) -> &str {
    let example = text.split("```yaml\n").nth(number + 1).unwrap_or_else(|| panic!("an example is missing: {text}"));
    example.split("```").next().unwrap()
}

/// The code of each page, with its example that fails.
pub(crate) fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.split("\n## ").skip(1).map(|page| (page.split(':').next().unwrap(), block(page, 0)))
}

/// An example as a root file, with what it lacks.
pub(crate) fn root(example: &str) -> String {
    let first = example.lines().find(|line| !line.is_empty()).unwrap_or_default();
    let is_declaration = ["source:", "projection:", "query:", "policy:"].iter().any(|kind| first.starts_with(kind));
    let mut text = if is_declaration { format!("sources: []\n---\n{example}") } else { example.to_owned() };
    if !text.contains("source:") {
        text.push_str("---\n");
        text.push_str(source());
    }
    text
}

/// What `readside validate` says of documents in a root file.
pub(crate) fn found(example: &str) -> Vec<Diagnostic> {
    if example.starts_with("case:") {
        return cases("x.test.yaml", example).err().unwrap_or_default();
    }
    let text = root(example);
    let read = |path: &str| match path {
        "readside.yaml" => Ok(text.clone()),
        _ => Err(io::Error::from_raw_os_error(2)),
    };
    let files = Files { list: &|_| Ok(Vec::new()), read: &read };
    match load("readside.yaml", &files, &|_| None) {
        Err(diagnostics) => diagnostics,
        Ok(loaded) => match program(&loaded.config) {
            Ok(_) => loaded.warnings,
            Err(problems) => problems.iter().map(|problem| loaded.places.diagnostic(problem)).collect(),
        },
    }
}

#[test]
fn each_page_shows_its_problem_and_how_it_is_mended() {
    let mut wrong = Vec::new();
    let mut pages = 0;
    for page in PAGES.split("\n## ").skip(1) {
        let (code, _) = page.split_once(": ").expect("a title");
        pages += 1;
        let codes: BTreeSet<String> = found(block(page, 0)).iter().map(|one| one.code.to_string()).collect();
        if codes != BTreeSet::from([code.to_owned()]) {
            wrong.push(format!("{code} fails with {codes:?}"));
        }
        let left: Vec<String> = found(block(page, 1)).iter().map(ToString::to_string).collect();
        if !left.is_empty() {
            wrong.push(format!("{code} is mended, and there is still {}", left.join("\n")));
        }
    }
    assert!(pages > 50, "only {pages} pages");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The codes of the program, as they stand in its list.
#[test]
fn each_code_has_a_page() {
    let list = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/code.rs")).unwrap();
    let number = |line: &str| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse::<u16>().ok();
    let codes: Vec<String> = list.lines().filter_map(number).map(|number| format!("RS{number:04}")).collect();
    let pages: Vec<&str> = PAGES.split("\n## ").skip(1).filter_map(|page| page.split(':').next()).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    assert_eq!(codes, pages);
}
