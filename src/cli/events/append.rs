//! `events append`: one event, under the condition that its subject has no event that the caller has not seen.

use std::io::Read;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use clap::Args;

use super::{Error, add_header, publish_error};
use crate::config;
use crate::source::{connect, jetstream_context};

#[derive(Debug, Args)]
pub struct AppendArgs {
    /// Subject of the event, such as orders.o-17.placed
    pub subject: String,
    /// The event's body; `-` reads it from standard input
    pub data: String,
    /// A header, as `Name: value`; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Store it only if this is the last sequence on its subject; 0 if there must be none
    #[arg(long, value_name = "SEQUENCE")]
    pub expected_version: Option<u64>,
    /// An id under which the event is stored once, however often it is appended (within the stream's duplicate window)
    #[arg(long)]
    pub id: Option<String>,
}

/// Where an event was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub stream: String,
    pub sequence: u64,
    /// It had been stored before, under the same id.
    pub is_duplicate: bool,
}

impl Appended {
    /// The catch-up token: what a reader demands as `minPosition` to see this event.
    pub fn token(&self) -> String {
        format!("{}:{}", self.stream, self.sequence)
    }
}

/// Appends one event to a stream.
///
/// # Errors
/// If the server does not answer, or an expectation does not hold.
pub async fn append(args: &AppendArgs, nats: &config::Nats) -> Result<Appended, Error> {
    let message = message(args)?;
    let context = jetstream_context(connect(nats).await?, nats);
    let subject = &args.subject;
    let refused = |error: async_nats::jetstream::context::PublishError| match (error.kind(), args.expected_version) {
        (PublishErrorKind::WrongLastSequence, Some(expected)) => Error::Conflict { subject: subject.clone(), expected },
        _ => publish_error(subject, error),
    };
    let ack = context.send_publish(subject.clone(), message).await.map_err(refused)?.await.map_err(refused)?;
    Ok(Appended { stream: ack.stream, sequence: ack.sequence, is_duplicate: ack.duplicate })
}

fn message(args: &AppendArgs) -> Result<PublishMessage, Error> {
    let mut headers = async_nats::HeaderMap::new();
    for header in &args.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| Error::Header { header: header.clone() })?;
        add_header(&mut headers, name.trim(), value.trim())?;
    }
    if let Some(id) = &args.id {
        add_header(&mut headers, "Nats-Msg-Id", id)?;
    }
    let mut body = args.data.clone().into_bytes();
    if args.data == "-" {
        body.clear();
        std::io::stdin().read_to_end(&mut body)?;
    }
    let message = PublishMessage::build().payload(body.into()).headers(headers);
    Ok(match args.expected_version {
        Some(version) => message.expected_last_subject_sequence(version),
        None => message,
    })
}
