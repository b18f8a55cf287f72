//! How a stream is opened, and opened again: is it the one that was read, what has it lost, and what can the client library
//! not deliver?

use super::api::{Reach, StreamApi, StreamFacts};
use super::backlog::Backlog;
use super::convert::Stored;
use super::flow::Flow;
use super::history::{Known, Proof};
use super::reader::{ConsumerSession, StreamReader, StreamStop};
use super::receive_buffer::Holes;
use super::{convert, history};
use crate::event::{Evidence, Sample};
use crate::progress::{Loss, Losses};
use crate::source::{Input, StreamIdentity};

impl StreamReader {
    /// Opens a consumer behind what is covered, once the stream is known to be the one that was read.
    pub(super) async fn open(&mut self) -> Result<(StreamApi, ConsumerSession), StreamStop> {
        let reach = match &self.api {
            Some(api) => api.reach().await,
            None => Reach::Gone,
        };
        let api = match (&self.api, reach) {
            (_, Reach::Away) => return Err(self.connection_lost()),
            (Some(api), Reach::Connected) => api.clone(),
            _ => self.api.insert(StreamApi::connect(&self.options).await?).clone(),
        };
        let facts = api.stream().await?;
        let known = Known {
            identity: self.identity.clone(),
            after: self.buffer.covered(),
            last_read: self.evidence.last_read(),
            proof: self.prove(&api, facts.state.first_seq).await?,
            accepts_gap: self.accepts_gap,
        };
        let resumed = history::resume(&self.options.stream, &known, &facts).map_err(StreamStop::Halted)?;
        let mut lost = Losses::default();
        if let Some(gap) = resumed.lost {
            lost.push(Loss::whole(gap.first, gap.last));
        }
        self.retained = facts.state.first_seq;
        let holes = self.holes(&facts);
        if self.identity.is_some() && !holes.are_lost {
            self.look_for_deleted(&api, &facts, resumed.covered, &mut lost).await?;
        }
        self.buffer.begin(resumed.covered, facts.state.last_seq, holes, lost);
        let identity = StreamIdentity::JetStream { created: facts.created, began: Some(resumed.began) };
        self.identity = Some(identity.clone());
        self.accepts_gap = false;
        self.reported = None;
        let opened = Input::Opened { identity, last_sequence: facts.state.last_seq, began: resumed.began };
        self.inputs.send(opened).await.map_err(|_| StreamStop::Closed)?;
        // The consumer before may have met what the client library ends the connection over.
        if std::mem::replace(&mut self.has_had_consumer, true) {
            self.take_undeliverable(&api).await?;
        }
        let from = self.buffer.covered().saturating_add(1);
        let mut consumer = api.consume(&self.options.name, from, facts.config.consumer_limits).await?;
        // Before anything is asked for, so that all of it is still to come.
        let backlog = match holes.are_lost || consumer.pending == 0 {
            true => None,
            false => Some(Backlog::new(from - 1, api.stream().await?.state.last_seq, consumer.pending)),
        };
        api.pull(&mut consumer).await?;
        let flow = Flow::of(&api.client);
        Ok((api, ConsumerSession::new(consumer, flow, backlog)))
    }

    async fn prove(&self, api: &StreamApi, first: u64) -> Result<Proof, StreamStop> {
        prove(api, &self.evidence, self.buffer.covered(), self.was_read_otherwise, first).await
    }

    fn holes(&self, facts: &StreamFacts) -> Holes {
        let reads_all = self.options.filter_subjects.is_empty() && !facts.config.is_filtered_mirror();
        Holes { is_mutable: history::is_mutable(&facts.config), are_lost: reads_all }
    }

    /// Finds messages that were deleted while nobody read, of a stream of which not all subjects are read. Deliveries
    /// do not show them there, because what is left out is jumped over as well.
    async fn look_for_deleted(
        &self,
        api: &StreamApi,
        facts: &StreamFacts,
        after: u64,
        lost: &mut Losses,
    ) -> Result<(), StreamStop> {
        if facts.state.num_deleted == 0 && lost.is_empty() || facts.config.is_filtered_mirror() {
            return Ok(());
        }
        let has_newer = api.next_stored(after.saturating_add(1)).await?.is_some();
        if !history::may_be_read(&facts.config, has_newer) {
            *lost = Losses::default();
            return Ok(());
        }
        let deleted = api.deleted(after).await?;
        if let (Some(first), Some(last)) = (deleted.first(), deleted.last()) {
            lost.push(Loss { first: *first, last: *last, messages: deleted.len() as u64 });
        }
        Ok(())
    }

    /// Takes the next messages by other means, as long as the client library cannot take them.
    async fn take_undeliverable(&mut self, api: &StreamApi) -> Result<(), StreamStop> {
        while self.buffer.has_room() {
            let Some(stored) = api.next_stored(self.buffer.covered().saturating_add(1)).await? else { break };
            let Stored { message, undeliverable } = convert::stored(stored)?;
            let Some(why) = undeliverable else { break };
            if !self.has_met_undeliverable {
                tracing::warn!(
                    source = self.options.name,
                    sequence = message.seq,
                    reason = %why,
                    "a message's header ends the client library's connection: it is read by other means, as all others \
                     like it, of which the log says nothing"
                );
            }
            self.has_met_undeliverable = true;
            self.buffer.put_stored(message);
        }
        Ok(())
    }
}

/// Compares the newest sample that the stream still has with what it is there now. `covered` is how far it was read, and `first` the
/// first sequence that it has.
pub(super) async fn prove(
    api: &StreamApi,
    evidence: &Evidence,
    covered: u64,
    was_read_otherwise: bool,
    first: u64,
) -> Result<Proof, StreamStop> {
    let mut proof = Proof::Nothing;
    for sample in evidence.newest_first().take_while(|sample| sample.sequence >= first) {
        if let Some(stored) = api.message(sample.sequence).await? {
            match Sample::of(&convert::stored(stored)?.message) == *sample {
                true => proof = Proof::Same,
                false => return Ok(Proof::Other(sample.sequence)),
            }
            break;
        }
    }
    // Behind the last message that was read nothing was stored that is read, up to what is covered.
    let mut next = evidence.last_read().saturating_add(1);
    while proof == Proof::Same && !was_read_otherwise && next <= covered {
        let Some(stored) = api.next_stored(next).await? else { break };
        let Stored { message, .. } = convert::stored(stored)?;
        if message.seq <= covered && !message.is_deletion_marker() {
            return Ok(Proof::Other(message.seq));
        }
        next = message.seq + 1;
    }
    Ok(proof)
}
