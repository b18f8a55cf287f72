//! The sources as they are configured: the streams that they read, and how each is opened.

use std::sync::Arc;

use crate::config::{Config, SourceKind};
use crate::pipeline::{Intake, OpenSource};
use crate::progress::{Position, SourceName};
use crate::query::Streams;
use crate::source::{self, BatchLimits, Source, Start, StreamIdentity};

/// The stream that each source reads.
pub(super) fn streams(config: &Config) -> Streams {
    let streams = config.sources.iter().map(|source| {
        let stream = match &source.input {
            SourceKind::JetStream { stream, .. } => Some(stream.clone()),
            SourceKind::File { .. } => None,
        };
        (SourceName::from(source.schema.source.as_str()), stream)
    });
    Streams(streams.collect())
}

/// Opens sources where their intakes stand. One that cannot be opened has halted.
pub(super) fn opener(config: Arc<Config>) -> OpenSource {
    Arc::new(move |name, intake| {
        let opened = open(&config, name, intake.progress.covered(), intake);
        opened.unwrap_or_else(|error| source::halted(error.to_string()))
    })
}

/// Opens a source to be read after a position; the end of one that is paused or has halted.
///
/// # Errors
/// As [`source::open`].
pub(super) fn open(
    config: &Config,
    name: &SourceName,
    after: Position,
    intake: &Intake,
) -> Result<Box<dyn Source>, source::OpenError> {
    // A source that was never opened has none. One that cannot be read is no reason to open any stream of that name.
    let identity = &intake.identity;
    let known: Option<StreamIdentity> = match serde_json::from_value(identity.clone()) {
        Ok(known) => known,
        Err(error) => return Ok(source::halted(unreadable_identity(identity, &error))),
    };
    let configured = config.sources.iter().find(|source| source.schema.source == **name);
    let Some(source) = configured else { return Ok(source::halted("it is not configured any more".to_owned())) };
    if intake.paused().is_some() || intake.progress.is_halted() {
        return source::open_end(source, config.nats.as_ref(), known);
    }
    let limits = BatchLimits { max_events: config.commit.max_events, ..BatchLimits::default() };
    let start = Start {
        after: after.sequence(),
        identity: known,
        evidence: intake.evidence().clone(),
        was_read_otherwise: !intake.is_read_as_declared(),
        accepts_gap: intake.accepts_gap(),
    };
    source::open(source, config.nats.as_ref(), start, limits)
}

fn unreadable_identity(identity: &serde_json::Value, error: &serde_json::Error) -> String {
    format!(
        "the checkpoint's identity of this stream, {identity}, cannot be read ({error}), so nothing tells whether the \
         stream is still the same; run the build that wrote the checkpoint, or empty `data_dir` to build everything again"
    )
}
