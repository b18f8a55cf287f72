//! What the texts of the program advise exists: every flag and every verb that they name is one of the command line's.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use readside::cli::Cli;

/// Its flags are those of the NATS server that it starts.
const OTHERS: &str = "cli/demo/server.rs";

#[test]
fn every_flag_and_verb_that_a_text_names_exists() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    assert!(files.len() > 100, "{} files", files.len());
    let command = Cli::command();
    let mut named = 0;
    let mut unknown = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with(OTHERS)) {
        for (number, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
            named += flags(line).count() + verbs(line).count();
            let at = |what: String| format!("{}:{}: {what}", file.display(), number + 1);
            unknown.extend(unknown_in(&command, line).into_iter().map(at));
        }
    }
    assert!(named > 20, "only {named} were found");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn what_does_not_exist_is_found() {
    let found = |text| unknown_in(&Cli::command(), text);
    assert_eq!(found("start it with `readside run --log-json`, or say --url"), [""; 0]);
    assert_eq!(found("resume behind them with --accept-gap"), ["--accept-gap"]);
    assert_eq!(found("write `readside projection remake NAME`"), ["`readside projection remake NAME`"]);
    assert_eq!(
        found("write `readside mend`, or `readside run --facet x`"),
        ["`readside mend`", "`readside run --facet x`"]
    );
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Flags and verbs in `line` that `command` does not have.
fn unknown_in(command: &Command, line: &str) -> Vec<String> {
    let verbs = verbs(line).filter(|verb| !is_known(command, verb)).map(|verb| format!("`readside {verb}`"));
    let flags = flags(line).filter(|flag| !any_has(command, flag)).map(|flag| format!("--{flag}"));
    verbs.chain(flags).collect()
}

/// What stands between `` `readside `` and the closing backtick.
fn verbs(line: &str) -> impl Iterator<Item = &str> {
    line.split("`readside ").skip(1).map(|rest| rest.split('`').next().unwrap_or(rest))
}

/// Names behind two hyphens.
fn flags(line: &str) -> impl Iterator<Item = &str> {
    let name = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    let behind =
        line.match_indices("--").filter(|(at, _)| !line[..*at].ends_with(|c: char| c == '-' || c.is_alphanumeric()));
    behind
        .map(move |(at, _)| &line[at + 2..][..name(&line[at + 2..])])
        .filter(|flag| flag.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// Whether the words are verbs as deep as verbs go, and the flags those of the last one.
fn is_known(command: &Command, line: &str) -> bool {
    let mut verb = command;
    for word in line.split_whitespace() {
        if let Some(flag) = word.strip_prefix("--") {
            if !has(verb, flag) {
                return false;
            }
        } else if verb.has_subcommands() {
            let Some(below) = verb.find_subcommand(word) else { return false };
            verb = below;
        }
    }
    true
}

fn has(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(flag))
}

fn any_has(command: &Command, flag: &str) -> bool {
    has(command, flag) || command.get_subcommands().any(|below| any_has(below, flag))
}
