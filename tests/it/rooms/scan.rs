//! Which paths the code outside tests names: a small reader of Rust, enough for imports.
//!
//! Knows comments, strings, use trees, `super` and `#[cfg(test)]`; macros and aliases are read as they are written.

use std::fs;
use std::path::{Path, PathBuf};

/// A path as the code names it, from the crate's root where it is the crate's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

/// A source file and the module that it is.
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// From the crate's root: empty for `lib.rs`.
    pub(super) path: Vec<String>,
    pub(super) named: Vec<Named>,
}

/// All modules below `lib.rs` that are not for tests.
pub(super) fn modules(src: &Path) -> Vec<Module> {
    let mut modules = Vec::new();
    visit(src, src.join("lib.rs"), Vec::new(), &mut modules);
    modules
}

fn visit(src: &Path, file: PathBuf, path: Vec<String>, modules: &mut Vec<Module>) {
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let code = code(&text);
    for child in children(&code) {
        let mut path = path.clone();
        path.push(child);
        let stem: PathBuf = src.join(path.iter().collect::<PathBuf>());
        let file = [stem.with_extension("rs"), stem.join("mod.rs")].into_iter().find(|file| file.exists());
        visit(src, file.unwrap_or_else(|| panic!("no file for module {path:?}")), path, modules);
    }
    let named = named(&code, &path);
    modules.push(Module { file, path, named });
}

/// The text without comments, without what strings say, and without what is only for tests. Lines stay where they are.
pub(super) fn code(text: &str) -> String {
    let code = without_text(text);
    let mut kept = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        kept.push_str(line);
        kept.push('\n');
        if line.trim() != "#[cfg(test)]" {
            continue;
        }
        kept.truncate(kept.len() - line.len() - 1);
        kept.push('\n');
        let indent = &line[..line.len() - line.trim_start().len()];
        // rustfmt puts the end of an item at the indent of its beginning.
        for line in lines.by_ref() {
            kept.push('\n');
            let ends = [";", "}"].iter().any(|end| line.ends_with(end));
            if ends && line.strip_prefix(indent).is_some_and(|rest| !rest.starts_with(' ')) {
                break;
            }
        }
    }
    kept
}

/// Comments, strings and characters become blanks.
fn without_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match rest {
            [b'/', b'/', ..] => find(rest, b"\n").unwrap_or(rest.len()),
            [b'/', b'*', ..] => find(rest, b"*/").map_or(rest.len(), |end| end + 2),
            [b'"', ..] => string_end(rest),
            [b'r', b'"' | b'#', ..] if !out.last().is_some_and(|last| is_word(*last)) => raw_string_end(rest),
            [b'\'', b'\\', ..] => 2 + find(&rest[2..], b"'").map_or(1, |end| end.max(1) + 1),
            [b'\'', _, b'\'', ..] => 3,
            _ => 0,
        };
        if end == 0 {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(rest[..end].iter().map(|&byte| if byte == b'\n' { byte } else { b' ' }));
            at += end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn string_end(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// 0 if it is no raw string but, say, a raw identifier.
fn raw_string_end(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let begin = hashes + 2;
    let close = [vec![b'"'], vec![b'#'; hashes]].concat();
    find(&rest[begin..], &close).map_or(rest.len(), |end| begin + end + close.len())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Modules that have a file of their own.
fn children(code: &str) -> Vec<String> {
    let declared = |line: &str| {
        let line = line.trim();
        let line = line
            .strip_prefix("pub")
            .map_or(line, |rest| rest.trim_start_matches("(super)").trim_start_matches("(crate)"));
        line.trim_start().strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    };
    code.lines().filter_map(declared).collect()
}

/// Every path in the code that has more than one word, `module` being the one that it stands in.
pub(super) fn named(code: &str, module: &[String]) -> Vec<Named> {
    let (tokens, children) = (tokens(code), children(code));
    let mut named = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_word(tokens[at].1.as_bytes()[0]);
        at = if begins { path(&tokens, at, Vec::new(), &mut named) } else { at + 1 };
    }
    named.retain(|named| named.segments.len() > 1);
    for Named { segments, .. } in &mut named {
        if children.contains(&segments[0]) {
            segments.insert(0, "self".to_owned());
        }
        *segments = absolute(std::mem::take(segments), module);
    }
    named
}

/// Reads a path or a tree of them, and gives the place after it.
fn path(tokens: &[(usize, &str)], mut at: usize, mut segments: Vec<String>, named: &mut Vec<Named>) -> usize {
    let line = tokens[at].0;
    let text = |at: usize| tokens.get(at).map_or("", |token| token.1);
    loop {
        if text(at) == "{" && !segments.is_empty() {
            at += 1;
            while at < tokens.len() && text(at) != "}" {
                at = if is_word(text(at).as_bytes()[0]) { path(tokens, at, segments.clone(), named) } else { at + 1 };
            }
            return at + 1;
        }
        if !is_word(text(at).bytes().next().unwrap_or(b' ')) {
            break;
        }
        segments.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    named.push(Named { line, segments });
    at
}

/// From the crate's root, `crate` left in front.
fn absolute(segments: Vec<String>, module: &[String]) -> Vec<String> {
    let up = segments.iter().take_while(|segment| *segment == "super").count();
    match segments.first().map(String::as_str) {
        Some("super") if up <= module.len() => {
            let base = module[..module.len() - up].iter().cloned();
            ["crate".to_owned()].into_iter().chain(base).chain(segments.into_iter().skip(up)).collect()
        }
        Some("self") if segments.len() > 1 => {
            let base = module.iter().cloned();
            ["crate".to_owned()].into_iter().chain(base).chain(segments.into_iter().skip(1)).collect()
        }
        _ => segments,
    }
}

/// Words, `::` and single other characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut at = 0;
        while at < line.len() {
            let rest = &line[at..];
            let word = rest.bytes().take_while(|byte| is_word(*byte)).count();
            let length = match rest.chars().next() {
                _ if word > 0 => word,
                _ if rest.starts_with("::") => 2,
                other => other.map_or(1, char::len_utf8),
            };
            if !rest[..length].trim().is_empty() {
                tokens.push((number + 1, &rest[..length]));
            }
            at += length;
        }
    }
    tokens
}
