//! The events that a SELECT is tried over: of files that are given, or the newest of the sources that it reads.

use std::path::{Path, PathBuf};

use super::TryArgs;
use crate::cli::print;
use crate::config::{self, Config};
use crate::progress::SourceName;
use crate::source::{all_of_file, last};
use crate::trial::Given;

/// So many events of each source, if nobody says otherwise.
const LAST: u64 = 1_000;

/// Reads what the arguments ask for, of the sources that the SQL reads.
///
/// # Errors
/// An argument names what is not there, or a file or stream cannot be read, as a sentence.
pub(super) async fn read(args: &TryArgs, config: &Config, read_by_sql: &[SourceName]) -> Result<Given, String> {
    if let Some(source) = &args.source {
        check(config, read_by_sql, source)?;
    }
    let mut given = Given::new();
    if args.events.is_empty() {
        let count = usize::try_from(args.last.unwrap_or(LAST)).unwrap_or(usize::MAX);
        for name in read_by_sql.iter().filter(|name| args.source.as_ref().is_none_or(|only| ***name == **only)) {
            let source = declared(config, name)?;
            let messages = last(source, config.nats.as_ref(), count).await?;
            if args.last.is_none() && messages.len() == count {
                print::error_line(format_args!(
                    "note: of {name} the newest {count} events are read; --last COUNT reads more"
                ));
            }
            given.insert(name.clone(), messages);
        }
        return Ok(given);
    }
    for argument in &args.events {
        let (name, path) = of_argument(args, config, read_by_sql, argument)?;
        let source = declared(config, &name)?;
        let mut messages = all_of_file(source, &path).await?;
        if let Some(last) = args.last {
            let surplus = messages.len().saturating_sub(usize::try_from(last).unwrap_or(usize::MAX));
            drop(messages.drain(..surplus));
        }
        if given.insert(name.clone(), messages).is_some() {
            return Err(format!("--events gives two files for source `{name}`"));
        }
    }
    Ok(given)
}

/// The source and the file of one `--events`.
fn of_argument(
    args: &TryArgs,
    config: &Config,
    read_by_sql: &[SourceName],
    argument: &str,
) -> Result<(SourceName, PathBuf), String> {
    // A file may have such a name, too.
    if let Some((name, path)) = argument.split_once('=')
        && config.sources.iter().any(|source| source.schema.source == name)
        && !Path::new(argument).exists()
    {
        check(config, read_by_sql, name)?;
        return Ok((name.into(), path.into()));
    }
    match (&args.source, read_by_sql) {
        (Some(name), _) => Ok((name.as_str().into(), argument.into())),
        (None, [only]) => Ok((only.clone(), argument.into())),
        (None, several) => Err(format!(
            "the SQL reads several sources ({}); say which one's events these are, as in --events {}={argument}",
            names(several),
            several[0]
        )),
    }
}

fn check(config: &Config, read_by_sql: &[SourceName], name: &str) -> Result<(), String> {
    if read_by_sql.iter().any(|read| **read == *name) {
        return Ok(());
    }
    let read = names(read_by_sql);
    match config.sources.iter().any(|source| source.schema.source == name) {
        true => Err(format!("the SQL does not read source `{name}`; it reads {read}")),
        false => Err(format!("there is no source `{name}`; the SQL reads {read}")),
    }
}

fn declared<'a>(config: &'a Config, name: &SourceName) -> Result<&'a config::Source, String> {
    let source = config.sources.iter().find(|source| *source.schema.source == **name);
    source.ok_or_else(|| format!("there is no source `{name}`"))
}

fn names(sources: &[SourceName]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
