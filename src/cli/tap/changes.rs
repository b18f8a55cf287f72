//! `readside tap PROJECTION`: what each event changes of its rows. It is computed here, beside whatever daemon runs.

use std::io::{self, Write};

use chrono::Utc;
use futures::StreamExt;
use futures::stream::{self, select_all};

use super::super::print;
use super::{Ends, TapArgs, line, opened};
use crate::config::{Config, Source};
use crate::event::Message;
use crate::plan::program;
use crate::progress::SourceName;
use crate::source::{Input, last_sequence};
use crate::trial::{Change, Watched};

/// One source that is read, and what its events change.
struct Followed {
    /// The last sequence that was there at the beginning.
    last: u64,
    covered: u64,
    /// What comes before is taken without a word.
    from: u64,
}

/// Prints changes as they come.
///
/// # Errors
/// The projection cannot be computed, or a source cannot be read, as a sentence.
pub(super) async fn print_changes(args: &TapArgs, config: &Config, filters: &[(&str, &str)]) -> Result<(), String> {
    let whole =
        program(config).map_err(|_| "the configuration is not right; `readside validate` says where".to_owned())?;
    let program = whole.only([args.name.clone()]);
    let reads = program.reads();
    let sources: Vec<&Source> = config.sources.iter().filter(|one| reads.contains(&one.schema.source)).collect();
    let mut watched = Watched::new(program, config, &args.name, now_us()).map_err(|error| error.to_string())?;
    let mut followed: Vec<(SourceName, Followed)> = Vec::new();
    let mut inputs = Vec::new();
    for source in sources {
        let place = followed.len();
        let last = last_sequence(source, config.nats.as_ref()).await?;
        let from = args.from.unwrap_or(last + 1);
        followed.push((source.schema.source.as_str().into(), Followed { last, covered: 0, from }));
        // The rows are those of all events, so each source is read from its beginning.
        let source = opened(args, source, config, 0)?;
        let next = stream::unfold(source, |mut source| async move { Some((source.next().await, source)) });
        inputs.push(next.map(move |input| (place, input)).boxed_local());
    }
    let mut inputs = select_all(inputs);
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut out = io::stdout();
    while let Some((place, input)) = inputs.next().await {
        let (name, one) = &mut followed[place];
        match input {
            Input::Fetched { mut messages, covered, .. } => {
                if args.once {
                    messages.retain(|message| message.seq <= one.last);
                }
                one.covered = covered;
                let changes = changes(&mut watched, name, messages, one.from)?;
                match print_all(changes, filters, &mut left, &mut out) {
                    Ok(()) => {}
                    Err(Ends::Done) => return Ok(()),
                    Err(Ends::Failed(why)) => return Err(why),
                }
                if let Some(fault) = watched.fault() {
                    return Err(fault);
                }
            }
            Input::Heartbeat { covered, .. } => one.covered = covered,
            Input::End => one.covered = one.last,
            Input::Opened { .. } | Input::Known { .. } | Input::Ends { .. } | Input::Retains { .. } => {}
            Input::Lost { losses } => {
                print::error_line(format_args!("{losses} vanished from `{name}` before they were read"));
            }
            Input::Disconnected { message } if !args.once => print::error_line(message),
            Input::Disconnected { message } | Input::Halted { message, .. } => return Err(message),
        }
        if args.once && followed.iter().all(|(_, one)| one.covered >= one.last) {
            return Ok(());
        }
    }
    Ok(())
}

/// What events change, but for those before `from`.
fn changes(
    watched: &mut Watched,
    name: &SourceName,
    mut messages: Vec<Message>,
    from: u64,
) -> Result<Vec<Change>, String> {
    let shown = messages.split_off(messages.partition_point(|message| message.seq < from));
    watched.pass(name, messages, now_us()).map_err(|error| error.to_string())?;
    watched.take(name, shown, now_us()).map_err(|error| error.to_string())
}

fn print_all(changes: Vec<Change>, filters: &[(&str, &str)], left: &mut u64, out: &mut dyn Write) -> Result<(), Ends> {
    for change in changes {
        if filters.iter().all(|(name, value)| change.has(name, value)) {
            line(&change, left, out)?;
        }
    }
    out.flush().map_err(Ends::of)
}

fn now_us() -> i64 {
    Utc::now().timestamp_micros()
}
