//! What one checkpoint consists of, and its form in the object store: JSON with a format version and a checksum.
//!
//! Only data. Who may write a manifest is decided in `checkpointer`, whether its objects are whole in `restore`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::Evidence;
use crate::identity::Identity;
use crate::lifecycle::{Actor, RolledBack};
use crate::progress::{Cut, Losses, Phase, Position, SourceName};
use crate::state::StoreShape;

const FORMAT: &str = "readside checkpoint";
/// The version that this build writes. Any change of meaning or shape needs a new one.
pub(super) const VERSION: u32 = 3;
/// The versions that this build reads. What version 2 does not say is none: it named state by the place of an operator in
/// its circuit, so of its state only the rows are of use.
pub(super) const READABLE: [u32; 2] = [2, VERSION];

/// Everything that a checkpoint consists of. Its objects are immutable and have unique names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub number: u64,
    /// The checkpoint whose content this is: its own number, or that of the one which a writer repeated when it took
    /// over, so that its predecessor could add nothing after it.
    pub origin: u64,
    /// The writer of the checkpoint.
    pub writer: String,
    pub epoch: u64,
    pub content: Content,
    /// Segments of every store, ascending by id.
    pub stores: BTreeMap<String, Vec<SegmentEntry>>,
    /// Length of each object that segments lie in, in bytes.
    pub packs: BTreeMap<String, u64>,
    pub indexes: BTreeMap<String, IndexEntry>,
}

/// What a checkpoint says beside its state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Microseconds since the epoch.
    pub created_at_us: i64,
    /// The cut's revision (see [`Cut`]).
    pub revision: u64,
    pub sources: BTreeMap<SourceName, SourceEntry>,
    /// The generations of each projection; several while it is rebuilt or can be rolled back.
    pub generations: BTreeMap<String, Vec<GenerationEntry>>,
    /// What the store of the parked events holds.
    #[serde(default)]
    pub parked: Option<StoreShape>,
    /// What the store of the ledger holds.
    #[serde(default)]
    pub ledger: Option<StoreShape>,
    /// The documents that declare the views, as they are written. Opaque here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<String>,
    /// Generations that were replaced and are kept to be rolled back to, by the numbers of their rollouts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<u64, KeptEntry>,
    /// What is built and does not serve yet, as far as it has come, by numbers like those.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub builds: BTreeMap<u64, KeptEntry>,
    /// What was declared to the running daemon and does not serve yet, as identities of what it computes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub awaited: BTreeMap<String, Identity>,
    /// What is declared and was rolled back from, so that nothing builds it again by itself.
    #[serde(default, skip_serializing_if = "RolledBack::is_empty")]
    pub rolled_back: RolledBack,
}

/// Generations that were replaced together, as they were at a cut of their own. They go on from there beside the live ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptEntry {
    /// Whether what replaces them has taken their place; until then they are live too.
    pub replaced: bool,
    /// Only of generations that are paused, and not replaced by others: nothing takes their place meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Of a build, who has asked for it, if it is in no declaration; of what is resumed, who wants that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Actor>,
    /// Until when they are kept, microseconds since the epoch.
    pub until_us: i64,
    /// The sources that they read themselves.
    pub sources: BTreeMap<SourceName, SourceEntry>,
    /// Those among them whose messages what replaces them reads in another way.
    #[serde(default)]
    pub changed_sources: BTreeSet<SourceName>,
    /// One of each projection.
    pub generations: BTreeMap<String, GenerationEntry>,
    /// Live projections that they read.
    #[serde(default)]
    pub inputs: BTreeSet<String>,
    /// What the store of their parked events holds.
    pub parked: StoreShape,
    /// The documents that declared them, and all that they read. Opaque here.
    pub documents: Vec<String>,
    /// The documents that declared the views when they were replaced. Opaque here.
    #[serde(default)]
    pub views: Vec<String>,
}

/// What becomes of generations that were paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// They wait for a person.
    Paused,
    /// They are brought to the live cut, to go on there.
    Resuming,
}

impl Content {
    /// Names of the stores that a generation must have. One that holds no row may be missing.
    pub fn stores(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (projection, entries) in &self.generations {
            entries.iter().for_each(|entry| entry.add_stores(projection, &mut names));
        }
        names.extend(self.kept.iter().chain(&self.builds).flat_map(|(rollout, kept)| kept.stores(*rollout)));
        names
    }
}

impl KeptEntry {
    /// Names of the stores of the rollout. One that holds no row may be missing.
    pub fn stores(&self, rollout: u64) -> BTreeSet<String> {
        let mut names = BTreeSet::from([kept_parked_store(rollout)]);
        self.generations.iter().for_each(|(projection, entry)| entry.add_stores(projection, &mut names));
        names
    }
}

/// How far a source has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// What the source needs to know its stream again, such as the stream's created time. Opaque here.
    pub identity: serde_json::Value,
    /// Where to resume: the last sequence whose message was applied.
    pub applied: Position,
    /// The last sequence known to hold nothing more for this source.
    pub covered: Position,
    /// Microseconds since the epoch; the watermark follows from it.
    pub greatest_event_time_us: Option<i64>,
    /// Of everything that decides which messages are admitted, with which values.
    #[serde(default)]
    pub admission: Option<Identity>,
    /// Admitted events by type and stored version.
    pub admitted: BTreeMap<String, BTreeMap<u32, u64>>,
    /// How many of them came late.
    pub late: u64,
    /// How many others were dropped because they came late.
    #[serde(default)]
    pub late_dropped: u64,
    /// Samples of what was read, by which the stream is known again.
    #[serde(default)]
    pub evidence: Evidence,
    /// The first sequence that the stream had when it was first opened; the start if that is not known.
    #[serde(default)]
    pub began: Position,
    /// Messages that vanished from the stream before they were read.
    #[serde(default)]
    pub lost: Losses,
    /// Messages that were parked and given up, by sequence.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub discarded: BTreeSet<u64>,
    /// Why nothing more is read, if somebody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Whether what the stream has lost since is no reason to halt, at its next opening.
    #[serde(default)]
    pub accepts_gap: bool,
    /// The document that declares it, as it is written. Opaque here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

/// One build of one definition of a projection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerationEntry {
    pub generation: u64,
    /// Of everything that decides its rows.
    #[serde(default)]
    pub rows: Option<Identity>,
    /// Its own positions: a generation that is being built is behind the serving one.
    pub positions: BTreeMap<SourceName, Position>,
    pub state: Phase,
    /// `table` or `search`.
    pub kind: String,
    /// Indexes of the key columns.
    #[serde(default)]
    pub key: Vec<usize>,
    /// What the store of its rows holds.
    #[serde(default)]
    pub table: Option<StoreShape>,
    /// The operators with state that it must have; none of a generation that has failed, whose state is of no more use.
    #[serde(default)]
    pub operators: BTreeMap<Identity, OperatorEntry>,
    /// Messages that had vanished from its sources when it was built.
    #[serde(default)]
    pub lost: BTreeMap<SourceName, Losses>,
    /// The first sequence that counts, of sources of which not all do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<SourceName, Position>,
    /// Sequences of events that it could not take, and that were given up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub discarded: BTreeMap<SourceName, BTreeSet<u64>>,
    /// When the cut of its rows was the live cut, microseconds since the epoch; 0 if that is not known.
    #[serde(default)]
    pub live_at_us: i64,
    /// Only of a generation that is in error at its positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldEntry>,
    /// The document that declares it, as it is written. Opaque here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

impl GenerationEntry {
    pub(super) fn add_stores(&self, projection: &str, names: &mut BTreeSet<String>) {
        names.insert(table_store(projection, self.generation));
        if self.held.is_some() {
            names.insert(held_store(projection, self.generation));
            names.insert(errors_store(projection, self.generation));
        }
        for operator in self.operators.values() {
            names.extend(operator.stores.keys().map(|store| format!("{}{store}", operator.prefix)));
        }
    }

    /// The cut of its rows, given that its state is that of `cut`; none if they were never right.
    pub fn rows_cut<'a>(&'a self, cut: &'a Cut) -> Option<&'a Cut> {
        self.held.as_ref().map_or(Some(cut), |held| held.cut.as_ref())
    }
}

/// An error that a generation is in: its rows are those of an earlier cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldEntry {
    /// For people.
    pub reason: String,
    /// The cut of the rows; none if it was in error from the beginning.
    pub cut: Option<Cut>,
    /// What the store of the changes holds that the rows have yet to take.
    pub changes: StoreShape,
    /// What the store of the errors holds.
    pub errors: StoreShape,
}

/// Begins the names of the stores that were born with one generation of a projection.
pub fn store_prefix(projection: &str, generation: u64) -> String {
    format!("{projection}/{generation}/")
}

/// The store of a generation's rows; the names of its operators' stores go on with an identity.
pub fn table_store(projection: &str, generation: u64) -> String {
    format!("{}rows", store_prefix(projection, generation))
}

/// The store of the changes that a generation's rows have yet to take while it is in error.
pub fn held_store(projection: &str, generation: u64) -> String {
    format!("{}held", store_prefix(projection, generation))
}

/// The store of the errors of a generation.
pub fn errors_store(projection: &str, generation: u64) -> String {
    format!("{}errors", store_prefix(projection, generation))
}

/// The store of the parked events of kept generations.
pub fn kept_parked_store(rollout: u64) -> String {
    format!("kept/{rollout}/parked")
}

/// The stores that an operator must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorEntry {
    /// What kind of operator it is, for people.
    pub name: String,
    /// Begins the names of its stores: another generation's if the operator was born there.
    pub prefix: String,
    /// What each store holds, by the end of its name.
    pub stores: BTreeMap<String, StoreShape>,
}

/// Where a segment of a store is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentEntry {
    pub id: u64,
    pub object: String,
    pub offset: u64,
    /// Bytes of the whole section: the rows, then the dead addresses, each an Arrow IPC stream.
    pub length: u64,
    /// Bytes of the rows alone.
    pub rows_length: u64,
    pub rows: u64,
    /// Number of dead addresses. They lie in the object, so that a manifest is as short as its list of segments.
    pub dead: u64,
    pub checksum: Checksum,
}

/// A search index as it was at its cut.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexEntry {
    pub cut: Cut,
    pub files: Vec<FileEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    pub name: String,
    pub object: String,
    pub length: u64,
    pub checksum: Checksum,
}

/// An XXH3 checksum, in JSON as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Checksum(pub u64);

/// Bytes in the object store that a checkpoint refers to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateBytes {
    /// Objects of stores, with what is no longer needed in them.
    pub stores: u64,
    pub indexes: u64,
}

impl Checksum {
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxh3_64(bytes))
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> String {
        format!("{:016x}", checksum.0)
    }
}

impl TryFrom<String> for Checksum {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Checksum)
    }
}

/// The outer form, which stays the same in all versions.
#[derive(Serialize, Deserialize)]
struct ManifestFrame<'a> {
    format: &'a str,
    version: u32,
    /// Of the version and the manifest's text.
    checksum: Checksum,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

/// Why a manifest could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged(String),
    /// It is whole, but of a version that this build does not know.
    Version(u32),
}

impl Manifest {
    /// Every object that must exist for this checkpoint to be read.
    pub fn objects(&self) -> BTreeSet<&str> {
        let files = self.indexes.values().flat_map(|index| &index.files).map(|file| file.object.as_str());
        self.packs.keys().map(String::as_str).chain(files).collect()
    }

    /// What this checkpoint occupies. Cheap: it reads nothing.
    pub fn bytes(&self) -> StateBytes {
        let files = self.indexes.values().flat_map(|index| &index.files);
        StateBytes { stores: self.packs.values().sum(), indexes: files.map(|file| file.length).sum() }
    }

    /// Whether no checkpoint has been made yet: what a writer puts down when it opens an empty place.
    pub(super) fn is_blank(&self) -> bool {
        self.origin == 0
    }

    pub(super) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let manifest = serde_json::value::to_raw_value(self)?;
        let checksum = checksum(VERSION, &manifest);
        let mut text =
            serde_json::to_vec(&ManifestFrame { format: FORMAT, version: VERSION, checksum, manifest: &manifest })?;
        text.push(b'\n');
        Ok(text)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let damaged = |error: serde_json::Error| Unreadable::Damaged(format!("not a manifest: {error}"));
        let envelope: ManifestFrame<'_> = serde_json::from_slice(bytes).map_err(damaged)?;
        if envelope.format != FORMAT {
            return Err(Unreadable::Damaged(format!("not a manifest: its format is `{}`", envelope.format)));
        }
        // The checksum goes first, so that a flipped bit in the version is damage and not a newer format.
        if envelope.checksum != checksum(envelope.version, envelope.manifest) {
            return Err(Unreadable::Damaged("checksum mismatch".to_owned()));
        }
        if !READABLE.contains(&envelope.version) {
            return Err(Unreadable::Version(envelope.version));
        }
        serde_json::from_str(envelope.manifest.get()).map_err(damaged)
    }
}

fn checksum(version: u32, manifest: &RawValue) -> Checksum {
    Checksum::of(format!("{version}:{}", manifest.get()).as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn manifest() -> Manifest {
        let mut manifest = Manifest { number: 7, origin: 7, writer: "a".into(), epoch: 2, ..Manifest::default() };
        let source = SourceEntry {
            identity: serde_json::json!({"created": 17}),
            applied: u64::MAX.into(),
            admitted: BTreeMap::from([("Placed".into(), BTreeMap::from([(1, 3), (2, 4)]))]),
            ..SourceEntry::default()
        };
        manifest.content.sources.insert("orders".into(), source);
        let generation =
            GenerationEntry { positions: BTreeMap::from([("orders".into(), 9.into())]), ..GenerationEntry::default() };
        manifest.content.generations.insert("customers".into(), vec![generation]);
        manifest
    }

    #[test]
    fn it_reads_back_as_it_was_written() {
        assert_eq!(Manifest::decode(&manifest().encode().unwrap()), Ok(manifest()));
    }

    #[test]
    fn any_flipped_bit_or_cut_is_damage() {
        let whole = manifest().encode().unwrap();
        for place in 0..whole.len() - 1 {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << bit;
                let read = Manifest::decode(&bytes);
                // A flip in a key of the envelope makes it unreadable, one in the case of a hex digit changes nothing.
                assert!(
                    matches!(read, Err(Unreadable::Damaged(_))) || read == Ok(manifest()),
                    "{place}.{bit}: {read:?}"
                );
            }
            assert!(matches!(Manifest::decode(&whole[..place]), Err(Unreadable::Damaged(_))));
        }
    }

    #[test]
    fn a_version_that_is_not_known_is_told_from_damage() {
        for version in [0, 1, VERSION + 1, u32::MAX] {
            let text = serde_json::value::to_raw_value(&serde_json::json!({"anything": 1})).unwrap();
            let envelope =
                ManifestFrame { format: FORMAT, version, checksum: checksum(version, &text), manifest: &text };
            let read = Manifest::decode(&serde_json::to_vec(&envelope).unwrap());
            assert_eq!(read, Err(Unreadable::Version(version)));
        }
    }
}
