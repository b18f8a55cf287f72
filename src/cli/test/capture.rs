//! `readside test --capture`: a case from messages of a source, with what follows from them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use super::compiled;
use crate::cli::query::printable;
use crate::cli::{chain, print};
use crate::config::{Case, Config, cases};
use crate::plan::Program;
use crate::source::range;
use crate::trial::{CaseOutcome, captured, run_case};

/// More events are no case that a person reads.
const EVENTS_MAX: u64 = 1_000;

/// Messages of a source, by their sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Captured {
    source: String,
    from: u64,
    to: u64,
}

impl FromStr for Captured {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write the source and two sequences, both included, such as orders:120..131".to_owned();
        let (source, range) = text.rsplit_once(':').ok_or_else(wrong)?;
        let (from, to) = range.split_once("..").ok_or_else(wrong)?;
        let (from, to): (u64, u64) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
        if from == 0 || from > to || to - from >= EVENTS_MAX {
            return Err(format!("sequences begin at 1, ascend, and a case takes {EVENTS_MAX} messages at the most"));
        }
        Ok(Self { source: source.to_owned(), from, to })
    }
}

/// Writes the case. What no case can say of its outcome comes back, in lines.
///
/// # Errors
/// The messages cannot be read or given, the case cannot be run, or not be written, as a sentence.
pub(super) fn capture(wanted: &Captured, root: &str, out: Option<&Path>) -> Result<Vec<String>, String> {
    if let Some(path) = out.filter(|path| path.exists()) {
        return Err(format!("{} is there already; name another file with --out", path.display()));
    }
    let (config, program) = compiled(root)?;
    let Captured { source: name, from, to } = wanted;
    let source = config.sources.iter().find(|source| source.schema.source == *name).ok_or_else(|| {
        let names: Vec<&str> = config.sources.iter().map(|source| source.schema.source.as_str()).collect();
        format!("there is no source `{name}`; there are {}", names.join(", "))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let messages = runtime.block_on(range(source, config.nats.as_ref(), *from, *to))?;
    if messages.is_empty() {
        return Err(format!("there is no message from {from} to {to} that source `{name}` reads"));
    }
    let title = format!("captured from {name}, {from} to {to}");
    let given = captured(&title, name, &source.input, &messages).map_err(|error| chain(&error))?;
    let case = whole(&given, &program, name)?;
    let outcome = runtime.block_on(run_case(&program, &config, &case)).map_err(|error| chain(&error))?;
    let CaseOutcome { accepted, faults, .. } = outcome;
    write(out, &(given + &accepted))?;
    report(out, &config, messages.len());
    let lines = |about: String, lines: Vec<String>| {
        std::iter::once(printable(&about)).chain(lines.into_iter().map(|line| format!("  {}", printable(&line))))
    };
    Ok(faults.into_iter().flat_map(|fault| lines(fault.about, fault.lines)).collect())
}

/// The case with all that reads the source in its outcome.
fn whole(given: &str, program: &Program, source: &str) -> Result<Case, String> {
    let reads =
        program.projections.iter().filter(|planned| planned.compiled.schema.reads.keys().any(|read| **read == *source));
    let rows: BTreeMap<&str, Vec<()>> = reads.map(|planned| (planned.config.name.as_str(), Vec::new())).collect();
    let then = BTreeMap::from([("then", BTreeMap::from([("rows", rows)]))]);
    let then = serde_yaml::to_string(&then).map_err(|error| error.to_string())?;
    let read = cases("the captured case", &(given.to_owned() + &then));
    let read = read.map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    read.into_iter().next().ok_or_else(|| "the captured case is empty, which is a bug".to_owned())
}

fn write(out: Option<&Path>, text: &str) -> Result<(), String> {
    let Some(path) = out else {
        return std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string());
    };
    let created = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = created.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn report(out: Option<&Path>, config: &Config, messages: usize) {
    let Some(path) = out else { return };
    let events = crate::cli::query::count(messages, "event");
    print::error_line(format_args!("{events} in {}; read it, and say in its name what holds", path.display()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = config.projections.iter().any(|one| Path::new(&one.node.file).parent() == path.parent());
    if !name.ends_with(crate::config::CASES_ENDING) || !beside {
        print::error_line("it is no file beside the projections that ends in `.test.yaml`: name it to `readside test`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_source_and_two_sequences() {
        let range = |text: &str| text.parse::<Captured>().ok().map(|one| (one.source, one.from, one.to));
        assert_eq!(range("orders:3..3"), Some(("orders".to_owned(), 3, 3)));
        for wrong in ["orders", "orders:3", "orders:3..", "orders:0..1", "orders:4..3", "orders:1..1001", "orders:a..b"]
        {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
