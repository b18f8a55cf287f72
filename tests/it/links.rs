//! The links of all Markdown files of the repository: the file that each names is there, and so is the heading.
//!
//! Addresses elsewhere are not looked at, because a test asks nobody outside. Headings have the anchors that GitHub and mdBook
//! give them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_link_leads_somewhere() {
    let mut pages = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), &mut pages);
    let mut followed = 0;
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        followed += links(&text).len();
        broken.extend(broken_links(page, &text).into_iter().map(|link| format!("{}: {link}", page.display())));
    }
    assert!(pages.len() > 40 && followed > 100, "{} pages, {followed} links", pages.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    let other = "# A page\n\n```sh\n# no heading\n```\n## What `it` does, twice\n## What `it` does, twice\n";
    fs::write(folder.path().join("other.md"), other).unwrap();
    let fine = "[a](other.md) [b](other.md#what-it-does-twice-1) [c](https://example.com/#x) [d](#here) `[e](gone.md)`\n# Here\n";
    assert_eq!(broken_links(&page, fine), [""; 0]);
    let broken = "[a](gone.md) [b](other.md#no-heading)\n[c](#there) [d](other.md#a-page)";
    assert_eq!(broken_links(&page, broken), ["gone.md", "other.md#no-heading", "#there"]);
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().unwrap().is_dir() {
            // What git ignores is not the repository's.
            if name != "target" && !name.starts_with('.') {
                collect(&path, pages);
            }
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
}

/// The links of a page that lead nowhere, as they are written.
fn broken_links(page: &Path, text: &str) -> Vec<String> {
    links(text).into_iter().filter(|link| !leads_somewhere(page, text, link)).collect()
}

fn leads_somewhere(page: &Path, text: &str, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = page.with_file_name(path);
    if !path.is_empty() && !target.exists() {
        return false;
    }
    let Some(anchor) = anchor else { return true };
    let target = if path.is_empty() { text.to_owned() } else { fs::read_to_string(target).unwrap_or_default() };
    anchors(&target).contains(anchor)
}

/// What stands in `[…](here)`, outside of code.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text).collect::<Vec<_>>().join("\n");
    let words = prose.split('`').step_by(2).collect::<Vec<_>>().concat();
    words.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned()).collect()
}

/// The anchors of a page's headings. One that is there already gets a number.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let anchor = anchor(heading.trim_start_matches('#').trim());
        let before = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect::<String>().to_lowercase()
}

/// The lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}
