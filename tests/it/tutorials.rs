//! The tutorials of the documentation: their files are written and their commands run, in the order in which they stand, and
//! what the program prints is what they show. `UPDATE_EXPECT=1` writes down what it prints.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect_file;
use tempfile::TempDir;

use crate::crash::daemon::binary;

const TUTORIALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tutorials");

#[test]
fn a_hotel() {
    check("hotel");
}

#[test]
fn a_ledger() {
    check("ledger");
}

#[test]
fn devices() {
    check("devices");
}

/// Works through a tutorial in a folder of its own, which begins with the events that lie beside it.
fn check(name: &str) {
    let folder = TempDir::new().unwrap();
    for file in fs::read_dir(Path::new(TUTORIALS).join(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let path = Path::new(TUTORIALS).join(format!("{name}.md"));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let mut worked = String::new();
    let mut commands = 0;
    while let Some(line) = lines.next() {
        let kind = line.strip_prefix("```");
        worked.extend([line, "\n"]);
        let Some(kind) = kind else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match kind {
            "console" => {
                for command in commands_of(&block) {
                    worked.extend(["$ ", &command, "\n", &printed(folder.path(), &command)]);
                    commands += 1;
                }
            }
            // The first line says which file it is.
            "yaml" => {
                let file = block[0].strip_prefix("# ").unwrap_or_else(|| panic!("{name}: {} names no file", block[0]));
                let file = folder.path().join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, block.join("\n") + "\n").unwrap();
            }
            _ => {}
        }
        if kind != "console" {
            block.iter().for_each(|line| worked.extend([line, "\n"]));
        }
        worked.push_str("```\n");
    }
    assert!(commands > 5, "{name}: only {commands} commands were found");
    expect_file![path].assert_eq(&worked);
}

/// What stands behind `$ `, and goes on in the next line where a quote is open. The rest is what was printed.
fn commands_of(block: &[&str]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push(command.to_owned()),
            (None, Some(open)) if is_open(open) => open.extend(["\n", line]),
            _ => {}
        }
    }
    commands
}

/// Whether a quote of the shell begins and does not end.
fn is_open(command: &str) -> bool {
    let quote = |open: Option<char>, next: char| match open {
        None => Some(next).filter(|next| "'\"".contains(*next)),
        Some(open) => Some(open).filter(|open| *open != next),
    };
    command.chars().fold(None, quote).is_some()
}

/// What a shell prints where `readside` is the program under test.
fn printed(folder: &Path, command: &str) -> String {
    let program = binary().canonicalize().unwrap();
    let folders = env::split_paths(&env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = env::join_paths(std::iter::once(program.parent().unwrap().to_owned()).chain(folders)).unwrap();
    let mut shell = Command::new("sh");
    // Errors stand where they came, as on a terminal.
    shell.args(["-c", &format!("exec 2>&1\n{command}")]).current_dir(folder).env("PATH", path);
    for variable in ["READSIDE_CONFIG", "READSIDE_URL", "NATS_URL"] {
        shell.env_remove(variable);
    }
    let output = String::from_utf8(shell.output().unwrap().stdout).unwrap();
    output.lines().map(|line| masked(line) + "\n").collect()
}

/// A line with `…` for what differs from machine to machine and from build to build: seconds, and bytes of state.
fn masked(line: &str) -> String {
    let between = |from: &str, to: &str| {
        let (before, rest) = line.split_once(from)?;
        let (_, after) = rest.split_once(to)?;
        Some(format!("{before}{from}…{to}{after}"))
    };
    let parts =
        [(" ways, ", " s: ", true), ("state: ", " for ", line.starts_with("state: ")), (" keeps ", " in ", true)];
    let masked = parts.into_iter().find_map(|(from, to, fits)| fits.then(|| between(from, to)).flatten());
    masked.unwrap_or_else(|| line.trim_end().to_owned())
}
