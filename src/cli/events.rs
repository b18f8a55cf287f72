//! `readside events`: JetStream as the event store. Append with an expected version, print a stream, publish a file.
//!
//! Only whole messages are handled here; what they mean is for sources to declare.

mod append;
mod replay;
mod stream;

pub use append::{AppendArgs, Appended, append};
pub use replay::{ReplayArgs, Replayed, replay};
pub use stream::{StreamArgs, stream};

use std::io::{self, Write};
use std::path::PathBuf;

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue};
use async_nats::jetstream::context::{CreateStreamError, PublishError, PublishErrorKind};
use clap::{Args, Subcommand};

use super::print;
use crate::config;
use crate::source::ConnectError;

#[derive(Debug, Args)]
pub struct EventsArgs {
    #[command(subcommand)]
    pub command: EventsCommand,
}

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Append one event and print its catch-up token
    Append(AppendArgs),
    /// Print stored events as NDJSON
    Stream(StreamArgs),
    /// Publish the events of an NDJSON file
    Replay(ReplayArgs),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(
        "`{subject}` is not at version {expected}: someone else appended; read it again, decide again, and append with the new version"
    )]
    Conflict { subject: String, expected: u64 },
    #[error("no stream takes the subject `{subject}`; create one, or fix the subject")]
    NoStream { subject: String },
    #[error("`{subject}` was not stored")]
    Publish { subject: String, source: PublishError },
    #[error(
        "`{subject}` belongs to stream `{found}`, not to `{wanted}`, and was stored there; fix --stream or the subject"
    )]
    OtherStream { subject: String, found: String, wanted: String },
    #[error("`{header}` is not a header; write `Name: value`")]
    Header { header: String },
    #[error("{}, line {line}: {why}", path.display())]
    Line { path: PathBuf, line: u64, why: String },
    #[error("{}, line {line}: not published; the lines before it were, some after it may have been", path.display())]
    NotPublished { path: PathBuf, line: u64, source: Box<Error> },
    #[error("stream `{stream}` cannot be created")]
    Create { stream: String, source: CreateStreamError },
    /// The source says in full what is wrong.
    #[error("{0}")]
    Source(String),
    #[error("cannot read or write events")]
    Io(#[from] io::Error),
}

/// Runs one of the verbs, printing to standard output.
///
/// # Errors
/// What the verb failed with: the server, the stream, the file, or standard output.
pub async fn run(args: EventsArgs, nats: &config::Nats) -> Result<(), Error> {
    let mut output = io::stdout();
    match args.command {
        EventsCommand::Append(args) => {
            let appended = append(&args, nats).await?;
            if appended.is_duplicate {
                print::error_line("already stored under this id");
            }
            writeln!(output, "{}", appended.token())?;
        }
        EventsCommand::Stream(args) => stream(&args, nats, &mut output).await?,
        EventsCommand::Replay(args) => {
            let replayed = replay(&args, nats).await?;
            print::error_line(format_args!(
                "{} events published, {} of them stored before",
                replayed.published, replayed.duplicates
            ));
            if let Some(last) = replayed.last {
                writeln!(output, "{}", last.token())?;
            }
        }
    }
    Ok(())
}

/// Adds a header that came from outside, refusing what the protocol does not allow.
fn add_header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Error> {
    let refused = || Error::Header { header: format!("{name}: {value}") };
    let name: HeaderName = name.parse().map_err(|_| refused())?;
    let value: HeaderValue = value.parse().map_err(|_| refused())?;
    headers.append(name, value);
    Ok(())
}

fn publish_error(subject: &str, source: PublishError) -> Error {
    let subject = subject.to_owned();
    match source.kind() {
        PublishErrorKind::StreamNotFound => Error::NoStream { subject },
        _ => Error::Publish { subject, source },
    }
}
