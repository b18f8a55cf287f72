//! Golden tests: each file of `tests/config` holds the YAML of a mistake and the diagnostics that it must give.
//! `UPDATE_EXPECT=1` writes the diagnostics anew; then read them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::{Diagnostic, Files, FolderEntry, Loaded, load};

/// Files of a case, by path, and the environment that it sees.
#[derive(Default)]
pub(super) struct Case {
    pub files: BTreeMap<String, String>,
    pub env: BTreeMap<String, String>,
}

/// What a case has unless it says otherwise, so that it shows little more than its mistake.
const ROOT: &str = "sources: sources/*.yaml\nprojections: projections/*.yaml\n";
const SOURCE: &str = "source: orders
jetstream: {stream: ORDERS}
envelope: {type: header:Event-Type}
events:
  OrderPlaced: {fields: {order_id: string!, total: \"decimal(18,2)\"}}
";
const PROJECTION: &str = "projection: placed\nkey: [order_id]\nsql: SELECT order_id FROM orders.order_placed\n";

impl Case {
    pub(super) fn load(&self, root: &str) -> Result<Loaded, Vec<Diagnostic>> {
        let list = |folder: &str| {
            let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let below = self.files.keys().filter_map(|path| path.strip_prefix(&prefix));
            let entries: BTreeSet<(String, bool)> = below
                .map(|rest| rest.split_once('/').map_or((rest.to_owned(), false), |(name, _)| (name.to_owned(), true)))
                .collect();
            Ok(entries.into_iter().map(|(name, is_folder)| FolderEntry { name, is_folder }).collect())
        };
        let read = |path: &str| self.files.get(path).cloned().ok_or_else(|| io::Error::other("no such file"));
        load(root, &Files { list: &list, read: &read }, &|name| self.env.get(name).cloned())
    }

    fn with_defaults(mut self) -> Self {
        let below = |folder: &str| self.files.keys().any(|path| path.starts_with(folder));
        let (has_sources, has_projections) = (below("sources/"), below("projections/"));
        // A root of the case's own names what it needs.
        if !self.files.contains_key("readside.yaml") {
            self.files.insert("readside.yaml".to_owned(), ROOT.to_owned());
        }
        if !has_sources {
            self.files.insert("sources/orders.yaml".to_owned(), SOURCE.to_owned());
        }
        if !has_projections {
            self.files.insert("projections/placed.yaml".to_owned(), PROJECTION.to_owned());
        }
        self
    }
}

/// A case file: `== path` before each file, `== env` before `NAME=value` lines, `== expect` before the diagnostics.
fn parse(text: &str) -> (Case, String) {
    let mut case = Case::default();
    let mut expected = String::new();
    for section in text.split("\n== ").skip(1) {
        let (name, body) = section.split_once('\n').unwrap_or((section, ""));
        match name.trim() {
            "expect" => expected = body.to_owned(),
            "env" => {
                let pairs = body.lines().filter_map(|line| line.split_once('='));
                case.env.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            path => drop(case.files.insert(path.to_owned(), format!("{}\n", body.trim_end()))),
        }
    }
    (case, expected)
}

fn rendered(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n")
}

fn check(path: &Path, update: bool) -> Result<(), String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    if !text.starts_with("# ") {
        return Err(format!("{name}: begin with a line `# what is wrong`"));
    }
    let (case, expected) = parse(&text);
    let actual = match case.with_defaults().load("readside.yaml") {
        Ok(loaded) => rendered(&loaded.warnings),
        Err(diagnostics) => rendered(&diagnostics),
    };
    if actual.is_empty() {
        return Err(format!("{name}: gives no diagnostic"));
    }
    if actual.trim_end() == expected.trim_end() {
        return Ok(());
    }
    if update {
        let input = text.split("\n== expect").next().unwrap_or_default().trim_end();
        return std::fs::write(path, format!("{input}\n\n== expect\n{actual}")).map_err(|error| error.to_string());
    }
    Err(format!("{name}:\n--- expected\n{expected}\n--- actual\n{actual}"))
}

#[test]
fn every_mistake_is_explained() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let entries = std::fs::read_dir(&folder).map(|entries| entries.flatten().map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> =
        entries.into_iter().flatten().filter(|path| path.extension().is_some_and(|end| end == "case")).collect();
    paths.sort();
    let update = std::env::var("UPDATE_EXPECT").is_ok_and(|value| value == "1");
    let failed: Vec<String> = paths.iter().filter_map(|path| check(path, update).err()).collect();
    assert!(paths.len() >= 45, "only {} cases found in {}", paths.len(), folder.display());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
