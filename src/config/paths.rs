//! Paths and patterns of the configuration, relative to its folder. Lexical: the caller does the reading.

use std::collections::BTreeSet;
use std::io;

use super::case::CASES_ENDING;

/// What the caller reads for this room.
pub struct Files<'a> {
    /// The entries of a folder (`""` is the current one), sorted or not; none if there is no such folder.
    pub list: &'a dyn Fn(&str) -> io::Result<Vec<FolderEntry>>,
    /// The text of a file.
    pub read: &'a dyn Fn(&str) -> io::Result<String>,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    pub name: String,
    pub is_folder: bool,
}

/// Deeper folders are not looked into for `**`.
const DEPTH_MAX: usize = 16;

/// The folder of a file, `""` for the current one.
pub(super) fn folder_of(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(end) => &path[..end],
        None => "",
    }
}

/// A path as seen from where the process runs: `config` and `../projections` give `projections`.
pub(super) fn resolve(folder: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    let absolute = path.starts_with('/') || folder.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    match (absolute, path.is_empty()) {
        (true, _) => format!("/{path}"),
        (false, true) => ".".to_owned(),
        (false, false) => path,
    }
}

/// The files that a resolved pattern names, sorted, without those of cases. Without a wildcard it is the file itself, there or not.
pub(super) fn expand(pattern: &str, files: &Files<'_>) -> io::Result<Vec<String>> {
    if !pattern.contains(['*', '?']) {
        return Ok(vec![pattern.to_owned()]);
    }
    let (root, relative) = match pattern.strip_prefix('/') {
        Some(relative) => ("/", relative),
        None => ("", pattern),
    };
    let segments: Vec<&str> = relative.split('/').collect();
    let mut found = BTreeSet::new();
    walk(root, &segments, files, 0, &mut found)?;
    Ok(found.into_iter().filter(|path| !path.ends_with(CASES_ENDING)).collect())
}

fn walk(
    folder: &str,
    segments: &[&str],
    files: &Files<'_>,
    depth: usize,
    found: &mut BTreeSet<String>,
) -> io::Result<()> {
    let Some((segment, rest)) = segments.split_first() else {
        return Ok(());
    };
    if !rest.is_empty() && !segment.contains(['*', '?']) {
        return walk(&join(folder, segment), rest, files, depth, found);
    }
    if *segment == "**" {
        walk(folder, rest, files, depth, found)?;
    }
    for entry in (files.list)(folder)? {
        // As in a shell, a wildcard does not see what is hidden.
        let hidden = entry.name.starts_with('.') && !segment.starts_with('.');
        let path = join(folder, &entry.name);
        match (entry.is_folder, *segment) {
            _ if hidden => {}
            (true, "**") if depth < DEPTH_MAX => walk(&path, segments, files, depth + 1, found)?,
            (true, segment) if !rest.is_empty() && matches(segment, &entry.name) && segment != "**" => {
                walk(&path, rest, files, depth, found)?;
            }
            (false, segment) if rest.is_empty() && matches(segment, &entry.name) => drop(found.insert(path)),
            _ => {}
        }
    }
    Ok(())
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        folder => format!("{folder}/{name}"),
    }
}

/// `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last `*` and the place in the name up to which it stands: where to take up again.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, up_to)) => {
                    star = Some((at, up_to + 1));
                    (p, n) = (at + 1, up_to + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_begin_at_the_folder_of_the_configuration() {
        for (folder, path, expected) in [
            ("config", "sources/a.yaml", "config/sources/a.yaml"),
            ("config", "../projections/**/*.yaml", "projections/**/*.yaml"),
            ("", "../x", "../x"),
            ("../a", "../../x", "../../x"),
            ("/etc/readside", "./data", "/etc/readside/data"),
            ("/etc", "../../..", "/"),
            ("config", "/abs/./x", "/abs/x"),
            ("config", "..", "."),
        ] {
            assert_eq!(resolve(folder, path), expected, "{folder} + {path}");
        }
        assert_eq!((folder_of("a/b/c.yaml"), folder_of("c.yaml"), folder_of("/c.yaml")), ("a/b", "", "/"));
    }

    #[test]
    fn wildcards_match_within_a_name() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("?.yaml", "ab.yaml", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_find_files_at_any_depth() {
        let all = ["p/a.yaml", "p/x/b.yaml", "p/x/y/c.yaml", "p/.git/d.yaml", "p/x/e.txt", "q/f.yaml", "g.yaml"];
        let list = |folder: &str| {
            let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let below = all.iter().filter_map(|path| path.strip_prefix(&prefix));
            let names: BTreeSet<(String, bool)> = below
                .map(|rest| match rest.split_once('/') {
                    Some((name, _)) => (name.to_owned(), true),
                    None => (rest.to_owned(), false),
                })
                .collect();
            Ok(names.into_iter().map(|(name, is_folder)| FolderEntry { name, is_folder }).collect())
        };
        let read = |_: &str| Ok(String::new());
        let files = Files { list: &list, read: &read };
        let found = |pattern: &str| expand(pattern, &files).unwrap().join(" ");
        assert_eq!(found("p/**/*.yaml"), "p/a.yaml p/x/b.yaml p/x/y/c.yaml");
        assert_eq!(found("p/*.yaml"), "p/a.yaml");
        assert_eq!(found("*/*.yaml"), "p/a.yaml q/f.yaml");
        assert_eq!(found("p/*/b.yaml"), "p/x/b.yaml");
        assert_eq!(found("**/x/*"), "p/x/b.yaml p/x/e.txt");
        assert_eq!(found("*.yaml"), "g.yaml");
        assert_eq!(found("none/*.yaml"), "");
        assert_eq!(found("p/missing.yaml"), "p/missing.yaml");
    }
}
