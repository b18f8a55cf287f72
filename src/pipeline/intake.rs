//! One source as the engine keeps it: decoder, watermark, and how far it has come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, Int32Array};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

use super::quota::Quota;
use crate::checkpoint::SourceEntry;
use crate::event::{Decoded, Decoder, EventBatch, Evidence, Message, Rejected, SourceSchema, metadata};
use crate::identity::Identity;
use crate::progress::{Position, Resumed, SourceProgress, Watermark};

/// How a source is read.
#[derive(Debug, Clone)]
pub struct Reading {
    pub decoder: Arc<Decoder>,
    /// Of everything that decides which messages are admitted, with which values.
    pub identity: Identity,
    /// The document that declares it, as it is written.
    pub text: Option<Arc<str>>,
}

/// Reads one source's messages.
#[derive(Debug, Clone)]
pub struct Intake {
    decoder: Arc<Decoder>,
    watermark: Watermark,
    pub progress: SourceProgress,
    /// What the source needs to know its stream again. Opaque here.
    pub identity: serde_json::Value,
    /// Samples of what was read.
    evidence: Evidence,
    /// Of everything that decides which messages are admitted, with which values.
    admission: Identity,
    /// The same of how all messages up to here were read, as far as a checkpoint says it.
    recorded: Option<Identity>,
    /// Admitted events by type and stored version.
    admitted: BTreeMap<String, BTreeMap<u32, u64>>,
    /// Messages that were parked and given up, by sequence. They are left out.
    discarded: BTreeSet<u64>,
    /// Why nothing more is read, if somebody has said so.
    paused: Option<String>,
    /// Whether what the stream has lost since is no reason to halt, at its next opening.
    accepts_gap: bool,
    /// The document that declares it, as it is written; none where that is not known.
    text: Option<Arc<str>>,
}

/// A message that a source halts at.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) rejected: Rejected,
    /// Whether it would be parked if there were room; else its type is unknown.
    pub(super) has_no_room: bool,
    /// What comes before this sequence is taken: before the message, or before the atomic batch that it is of.
    pub(super) before: u64,
}

impl Stop {
    fn at(rejected: Rejected, has_no_room: bool, messages: &[Message]) -> Self {
        let end = messages.partition_point(|message| message.seq < rejected.message.seq);
        let before = rejected.message.batch_began(&messages[..end]).unwrap_or(rejected.message.seq);
        Stop { rejected, has_no_room, before }
    }
}

impl Intake {
    /// A source at its beginning.
    pub fn new(decoder: Arc<Decoder>, admission: Identity) -> Self {
        let watermark = Watermark::new(decoder.schema().lateness_us, None);
        Self {
            decoder,
            watermark,
            progress: SourceProgress::new(),
            identity: serde_json::Value::Null,
            evidence: Evidence::default(),
            admission,
            recorded: Some(admission),
            admitted: BTreeMap::new(),
            discarded: BTreeSet::new(),
            paused: None,
            accepts_gap: false,
            text: None,
        }
    }

    /// Declared by this document.
    pub fn declared_by(self, text: Option<Arc<str>>) -> Self {
        Self { text, ..self }
    }

    /// The document that declares it, as it is written; none where that is not known.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// How its events are declared.
    pub(super) fn schema(&self) -> &Arc<SourceSchema> {
        self.decoder.schema()
    }

    /// A source where a checkpoint left it.
    pub fn resume(&mut self, entry: &SourceEntry) {
        self.watermark = Watermark::new(self.decoder.schema().lateness_us, entry.greatest_event_time_us);
        self.progress = SourceProgress::resumed(Resumed {
            applied: entry.applied,
            covered: entry.covered,
            watermark_us: self.watermark.known_us(),
            late_events: entry.late,
            late_events_dropped: entry.late_dropped,
            began: entry.began,
            lost: entry.lost.clone(),
            was_reached: !entry.identity.is_null(),
        });
        self.identity = entry.identity.clone();
        self.evidence = entry.evidence.clone();
        self.admitted = entry.admitted.clone();
        self.discarded = entry.discarded.clone();
        self.accepts_gap = entry.accepts_gap;
        if let Some(reason) = &entry.paused {
            self.pause(reason.clone());
        }
        // With nothing read, nothing was read otherwise.
        let has_read = entry.covered > Position::START;
        self.recorded = if has_read { entry.admission } else { Some(self.admission) };
    }

    /// Whether all messages up to here were read as they would be now.
    pub fn is_read_as_declared(&self) -> bool {
        self.recorded == Some(self.admission)
    }

    /// Goes on as another reading of the same messages does, with what it has found. What is known of the stream and of the
    /// connection to it stays: this intake is the one that goes on.
    pub(super) fn readmit(&mut self, read: Intake) {
        let Intake { decoder, watermark, progress, admission, recorded, admitted, evidence, text, .. } = read;
        let (late, dropped) = (progress.late_events(), progress.late_events_dropped());
        self.progress.reread(watermark.known_us(), late, dropped);
        (self.decoder, self.admission, self.evidence) = (decoder, admission, evidence);
        self.text = text;
        (self.watermark, self.recorded, self.admitted) = (watermark, recorded, admitted);
    }

    /// Is read in another way from now on, in which all messages up to here but parked ones are the same.
    pub(super) fn read_as(&mut self, Reading { decoder, identity, text }: Reading) {
        (self.decoder, self.admission, self.recorded, self.text) = (decoder, identity, Some(identity), text);
    }

    /// Decodes messages that were parked, which come in stream order and all came late, or all in time. The watermark has passed them.
    ///
    /// # Errors
    /// A batch outgrows Arrow's offsets.
    pub(super) fn decode_parked(&mut self, messages: &[Message], late: bool) -> Result<Decoded, ArrowError> {
        // As it has to be for each of them to be late, or not.
        let mut watermark = if late { Watermark::new(0, Some(i64::MAX)) } else { Watermark::new(i64::MAX, None) };
        let decoded = self.decoder.decode(messages, &mut watermark)?;
        let admitted = if late { decoded.batch.metadata.num_rows() as u64 } else { 0 };
        self.progress.watermark_moved(self.watermark.known_us(), admitted, 0);
        self.count(&decoded.batch);
        Ok(decoded)
    }

    /// Samples of what was read, by which the stream is known again.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The same source at its beginning, with what is known of its stream.
    pub(super) fn begun_again(&self) -> Self {
        self.begun_again_with(self.decoder.clone(), self.admission)
    }

    /// The same source at its beginning, with what is known of its stream, read in another way.
    pub(super) fn begun_again_with(&self, decoder: Arc<Decoder>, admission: Identity) -> Self {
        let fresh = Self::new(decoder, admission);
        let (identity, evidence) = (self.identity.clone(), self.evidence.clone());
        Self { identity, evidence, discarded: self.discarded.clone(), text: self.text.clone(), ..fresh }
    }

    /// The same source just before a sequence, with what is known of its stream, as if it began there.
    pub(super) fn begun_at(&self, since: Position) -> Self {
        let again = self.begun_again();
        let covered = Position::from(since.sequence().saturating_sub(1));
        Self { progress: SourceProgress::resumed(Resumed { covered, ..Resumed::default() }), ..again }
    }

    /// The same source at its beginning, with nothing known of its stream.
    pub(super) fn at_beginning(&self) -> Self {
        Self::new(self.decoder.clone(), self.admission).declared_by(self.text.clone())
    }

    /// The same source where it stands, to be read on whatever has stopped this one.
    pub(super) fn read_on(&self) -> Self {
        let mut other = Self { accepts_gap: false, ..self.clone() };
        other.reopen();
        other
    }

    /// Reads nothing more until [`Intake::reopen`].
    pub(super) fn pause(&mut self, reason: String) {
        self.progress.paused(reason.clone());
        self.paused = Some(reason);
    }

    /// Why nothing more is read, if somebody has said so.
    pub fn paused(&self) -> Option<&str> {
        self.paused.as_deref()
    }

    /// Is read again from where it stands, whatever has stopped it.
    pub(super) fn reopen(&mut self) {
        self.paused = None;
        self.progress.reopened();
    }

    /// Lets what the stream has lost since be no reason to halt, at its next opening.
    pub(super) fn accept_gap(&mut self) {
        self.accepts_gap = true;
    }

    /// Whether what the stream has lost since is no reason to halt.
    pub fn accepts_gap(&self) -> bool {
        self.accepts_gap
    }

    /// The source was opened where it stands.
    pub(super) fn was_opened(&mut self) {
        self.accepts_gap = false;
    }

    /// Leaves a message out from now on, whoever reads it again.
    pub(super) fn discard(&mut self, sequence: u64) {
        self.discarded.insert(sequence);
    }

    /// Whether a message was given up.
    pub(super) fn has_discarded(&self, sequence: u64) -> bool {
        self.discarded.contains(&sequence)
    }

    /// Forgets that messages were given up which another reading has not parked, and had not given up.
    pub(super) fn keep_discarded(&mut self, other: &Intake, parked: &BTreeSet<u64>) {
        self.discarded.retain(|sequence| parked.contains(sequence) || other.discarded.contains(sequence));
    }

    pub fn decoder(&self) -> &Arc<Decoder> {
        &self.decoder
    }

    /// Of everything that decides which messages are admitted with which values, as it was for all messages up to here; none if
    /// that is not known.
    pub fn recorded(&self) -> Option<Identity> {
        self.recorded
    }

    /// Decodes the next messages in stream order, up to the first one that the source halts at.
    ///
    /// # Errors
    /// A batch outgrows Arrow's offsets.
    pub(super) fn decode(&mut self, messages: &[Message], quota: Quota) -> Result<(Decoded, Option<Stop>), ArrowError> {
        let kept: Vec<Message>;
        let messages = match messages.iter().any(|message| self.discarded.contains(&message.seq)) {
            false => messages,
            true => {
                kept = messages.iter().filter(|message| !self.discarded.contains(&message.seq)).cloned().collect();
                &kept
            }
        };
        let mut watermark = self.watermark;
        let mut decoded = self.decoder.decode(messages, &mut watermark)?;
        let stop = match quota.first_beyond(&decoded.rejected).cloned() {
            Some(beyond) => Some(Stop::at(beyond, true, messages)),
            None => decoded.halted.take().map(|unknown| Stop::at(unknown, false, messages)),
        };
        if let Some(Stop { before, .. }) = &stop {
            let taken = messages.partition_point(|message| message.seq < *before);
            watermark = self.watermark;
            decoded = self.decoder.decode(&messages[..taken], &mut watermark)?;
        }
        self.watermark = watermark;
        self.evidence.take(messages);
        let late = decoded.batch.metadata.column(metadata::LATE).as_boolean().true_count() as u64;
        self.progress.watermark_moved(self.watermark.known_us(), late, decoded.dropped_late);
        self.count(&decoded.batch);
        Ok((decoded, stop))
    }

    /// What a checkpoint keeps.
    pub(super) fn entry(&self) -> SourceEntry {
        SourceEntry {
            identity: self.identity.clone(),
            applied: self.progress.applied(),
            covered: self.progress.covered(),
            greatest_event_time_us: self.watermark.greatest_us(),
            admission: self.recorded,
            admitted: self.admitted.clone(),
            late: self.progress.late_events(),
            late_dropped: self.progress.late_events_dropped(),
            evidence: self.evidence.clone(),
            began: self.progress.began(),
            lost: self.progress.losses().clone(),
            discarded: self.discarded.clone(),
            paused: self.paused.clone(),
            accepts_gap: self.accepts_gap,
            definition: self.text.as_deref().map(str::to_owned),
        }
    }

    /// Admitted events of each type.
    pub fn admitted(&self) -> &BTreeMap<String, BTreeMap<u32, u64>> {
        &self.admitted
    }

    fn count(&mut self, batch: &EventBatch) {
        let versions: &Int32Array = batch.metadata.column(metadata::VERSION).as_primitive::<Int32Type>();
        for (rows, event_type) in batch.types.iter().zip(&self.decoder.schema().types) {
            if rows.rows.is_empty() {
                continue;
            }
            let counts = self.admitted.entry(event_type.name.clone()).or_default();
            for &row in rows.rows.values() {
                *counts.entry(versions.value(row as usize) as u32).or_default() += 1;
            }
        }
    }
}
