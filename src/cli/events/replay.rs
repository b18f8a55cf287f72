//! `events replay`: publishes an NDJSON file, many messages in flight, in the file's order.

use std::collections::{BTreeSet, VecDeque};
use std::future::IntoFuture;
use std::io;
use std::path::{Path, PathBuf};

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::{Context, stream};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Appended, Error, add_header, publish_error};
use crate::config;
use crate::event::Message;
use crate::source::{BatchLimits, FileSource, Input, Source, Start, connect, jetstream_context};

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The file: one `{"subject", "headers", "data"}` a line
    pub file: PathBuf,
    /// The stream that must take the events
    #[arg(long)]
    pub stream: Option<String>,
    /// Create the stream if it does not exist
    #[arg(long, requires = "stream")]
    pub create: bool,
    /// Subjects of the created stream; by default all below the first tokens that occur in the file
    #[arg(long, requires = "create", value_delimiter = ',')]
    pub subjects: Vec<String>,
    /// Publishes that may wait for their ack at a time
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub in_flight: u32,
}

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    pub published: u64,
    /// Those that the stream knew already, by their `Nats-Msg-Id`.
    pub duplicates: u64,
    /// Where the last event was stored.
    pub last: Option<Appended>,
}

/// Publishes the whole file. On an error, the lines before the one it names are stored.
///
/// # Errors
/// The file's line that could not be read or was not stored, and why.
pub async fn replay(args: &ReplayArgs, nats: &config::Nats) -> Result<Replayed, Error> {
    // A source would wait for its file; here the caller waits for the command.
    let unreadable = |error| Error::Source(format!("cannot read {}: {error}", args.file.display()));
    std::fs::File::open(&args.file).map_err(unreadable)?;
    let context = jetstream_context(connect(nats).await?, nats);
    if let (true, Some(stream)) = (args.create, &args.stream) {
        create(&context, stream, args).await?;
    }
    let mut publisher = Publisher {
        args,
        context,
        waiting: VecDeque::new(),
        replayed: Replayed::default(),
        progress: ProgressBar::no_length().with_style(style()),
    };
    let mut file = MessageFile::open(&args.file);
    while let Some(messages) = file.next().await? {
        publisher.progress.set_length(file.last_line);
        for message in messages {
            if let Err(error) = publisher.publish(message).await {
                // The first error counts; what is in flight before it is settled as well as may be.
                while let Ok(true) = publisher.await_ack().await {}
                return Err(error);
            }
        }
    }
    while publisher.await_ack().await? {}
    publisher.progress.finish_and_clear();
    Ok(publisher.replayed)
}

struct Publisher<'a> {
    args: &'a ReplayArgs,
    context: Context,
    /// Line, subject and ack of what is in flight, in order.
    waiting: VecDeque<(u64, String, PublishAckFuture)>,
    replayed: Replayed,
    progress: ProgressBar,
}

impl Publisher<'_> {
    async fn publish(&mut self, message: Message) -> Result<(), Error> {
        let line = message.seq;
        if let Some(wrong) = &message.unreadable {
            return Err(self.line_error(line, &format!("{wrong}; fix or remove it")));
        }
        if message.subject.is_empty() {
            return Err(self.line_error(line, "it is not `{\"subject\", \"headers\", \"data\"}`; fix or remove it"));
        }
        let mut headers = HeaderMap::new();
        // What the first publisher expected of its stream says nothing of this one.
        let kept =
            message.headers.0.iter().filter(|(name, _)| !name.to_ascii_lowercase().starts_with("nats-expected-"));
        for (name, value) in kept {
            add_header(&mut headers, name, value).map_err(|error| self.not_published(line, error))?;
        }
        if self.waiting.len() >= self.args.in_flight as usize {
            self.await_ack().await?;
        }
        let Message { subject, payload, .. } = message;
        let ack = self.context.publish_with_headers(subject.clone(), headers, payload).await;
        let ack = ack.map_err(|error| self.not_published(line, publish_error(&subject, error)))?;
        self.waiting.push_back((line, subject, ack));
        Ok(())
    }

    /// Waits for the oldest ack; false if there is none.
    async fn await_ack(&mut self) -> Result<bool, Error> {
        let Some((line, subject, ack)) = self.waiting.pop_front() else { return Ok(false) };
        let ack = ack.into_future().await.map_err(|error| self.not_published(line, publish_error(&subject, error)))?;
        if let Some(wanted) = &self.args.stream
            && *wanted != ack.stream
        {
            return Err(Error::OtherStream { subject, found: ack.stream, wanted: wanted.clone() });
        }
        self.replayed.published += 1;
        self.replayed.duplicates += u64::from(ack.duplicate);
        self.replayed.last = Some(Appended { stream: ack.stream, sequence: ack.sequence, is_duplicate: ack.duplicate });
        self.progress.set_position(line);
        Ok(true)
    }

    fn line_error(&self, line: u64, why: &str) -> Error {
        Error::Line { path: self.args.file.clone(), line, why: why.to_owned() }
    }

    fn not_published(&self, line: u64, error: Error) -> Error {
        Error::NotPublished { path: self.args.file.clone(), line, source: Box::new(error) }
    }
}

/// The messages of a file, to its end.
struct MessageFile {
    source: FileSource,
    last_line: u64,
}

impl MessageFile {
    fn open(path: &Path) -> Self {
        Self {
            source: FileSource::open(
                path.to_owned(),
                false,
                config::LineFormat::Auto,
                Start::default(),
                BatchLimits::default(),
            ),
            last_line: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<Message>>, Error> {
        loop {
            match self.source.next().await {
                Input::Fetched { messages, last_sequence, .. } => {
                    self.last_line = last_sequence;
                    return Ok(Some(messages));
                }
                Input::Opened { .. }
                | Input::Known { .. }
                | Input::Lost { .. }
                | Input::Ends { .. }
                | Input::Retains { .. }
                | Input::Heartbeat { .. } => {}
                Input::Disconnected { message } | Input::Halted { message, .. } => return Err(Error::Source(message)),
                Input::End => return Ok(None),
            }
        }
    }
}

async fn create(context: &Context, name: &str, args: &ReplayArgs) -> Result<(), Error> {
    let mut subjects = args.subjects.clone();
    if subjects.is_empty() {
        subjects =
            first_tokens(&args.file).await?.iter().flat_map(|token| [token.clone(), format!("{token}.>")]).collect();
    }
    let config = stream::Config { name: name.to_owned(), subjects, ..Default::default() };
    let created = context.get_or_create_stream(config).await;
    created.map(drop).map_err(|source| Error::Create { stream: name.to_owned(), source })
}

async fn first_tokens(path: &Path) -> Result<BTreeSet<String>, Error> {
    let mut file = MessageFile::open(path);
    let mut tokens = BTreeSet::new();
    while let Some(messages) = file.next().await? {
        for message in messages {
            let token = message.subject.split('.').next().unwrap_or_default();
            if !token.is_empty() && !tokens.contains(token) {
                tokens.insert(token.to_owned());
            }
        }
    }
    if tokens.is_empty() {
        let nothing = format!("{} holds no events", path.display());
        return Err(Error::Io(io::Error::new(io::ErrorKind::InvalidData, nothing)));
    }
    Ok(tokens)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} lines, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
