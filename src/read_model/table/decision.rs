//! What a delta does to each key, decided and checked before anything is changed.
//!
//! The weights of equal rows add up first; then each key may lose the row it has and may gain one. Anything else is a
//! conflict of keys, or a mistake of the operator that made the delta.

use arrow::array::RecordBatch;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::TableSpec;
use super::apply_error::{ApplyError, KeyConflict, shown_key};
use super::encoding::Encoded;
use super::segments::{RowHashes, Segments, Slots};
use crate::circuit::{ZBatch, shown_row};
use crate::state::{KeyMap, SlotIndex};

/// The changes of a delta by row of the delta, in the delta's order.
#[derive(Debug, Default)]
pub(super) struct Decision {
    pub(super) inserted: Vec<Written>,
    /// With the slots that the new rows take over.
    pub(super) updated: Vec<(Written, u32)>,
    /// The row that is taken back, and its slot.
    pub(super) deleted: Vec<(u32, u32)>,
}

/// A row that is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Its index in the delta.
    pub(super) row: u32,
    pub(super) hashes: RowHashes,
}

/// A delta in canonical form with its encoded rows, and the table that it is to be applied to.
pub(super) struct Deciding<'a> {
    pub(super) spec: &'a TableSpec,
    pub(super) slots: &'a Slots,
    pub(super) segments: &'a Segments,
    pub(super) rows: &'a RecordBatch,
    pub(super) encoded_keys: &'a Encoded,
    pub(super) encoded_rows: &'a Encoded,
}

/// A distinct row of the delta: where it first is, and its net weight.
struct Net {
    row: u32,
    hash: u64,
    weight: i64,
}

/// What the delta does to one key.
struct KeyChange {
    key_row: u32,
    hash: u32,
    taken: Option<Written>,
    given: Option<Written>,
}

/// The hash by which a row is known to be the one that a delta retracts.
pub(super) fn row_hash(row: &[u8]) -> u32 {
    xxh3_64(row) as u32
}

impl Deciding<'_> {
    pub(super) fn decide(&self, delta: &ZBatch) -> Result<Decision, ApplyError> {
        let changes = self.by_key(self.net(delta))?;
        let keys = changes.iter().map(|change| (change.hash, self.encoded_keys.get(change.key_row as usize)));
        let slots = self.slots.get_many(keys);
        // All look-ups come first: they wait for memory together.
        let live = slots.iter().map(|slot| slot.map(|slot| self.slots.record(slot).row_hash())).collect::<Vec<_>>();
        let mut decision = Decision::default();
        for ((change, slot), live) in changes.iter().zip(slots).zip(live) {
            match (slot, change.taken, change.given) {
                (Some(slot), Some(taken), _) if live != Some(taken.hashes.row) => {
                    let message = format!("retracts a row other than the live one, {}", self.live(slot));
                    return Err(self.internal(taken.row, &message));
                }
                (Some(slot), Some(_), Some(given)) => decision.updated.push((given, slot)),
                (Some(slot), Some(taken), None) => decision.deleted.push((taken.row, slot)),
                (Some(slot), None, _) => return Err(self.conflict_with_live(change, slot)),
                (None, Some(taken), _) => {
                    return Err(self.internal(taken.row, "retracts a row whose key is not there"));
                }
                (None, None, Some(given)) => decision.inserted.push(given),
                (None, None, None) => {}
            }
        }
        Ok(decision)
    }

    /// The distinct rows whose weights do not cancel out.
    fn net(&self, delta: &ZBatch) -> Vec<Net> {
        let mut nets: Vec<Net> = Vec::with_capacity(delta.len());
        let mut known: HashTable<u32> = HashTable::with_capacity(delta.len());
        for row in 0..delta.len() {
            let bytes = self.encoded_rows.get(row);
            let hash = xxh3_64(bytes);
            let equal = |&net: &u32| {
                let net = &nets[net as usize];
                net.hash == hash && self.encoded_rows.get(net.row as usize) == bytes
            };
            match known.find(hash, equal) {
                Some(&net) => nets[net as usize].weight += delta.weight(row),
                None => {
                    known.insert_unique(hash, nets.len() as u32, |&net| nets[net as usize].hash);
                    nets.push(Net { row: row as u32, hash, weight: delta.weight(row) });
                }
            }
        }
        nets.retain(|net| net.weight != 0);
        nets
    }

    fn by_key(&self, nets: Vec<Net>) -> Result<Vec<KeyChange>, ApplyError> {
        let mut changes: Vec<KeyChange> = Vec::with_capacity(nets.len());
        let mut known: HashTable<u32> = HashTable::with_capacity(nets.len());
        for Net { row, hash: row_hash, weight } in nets {
            let key = self.encoded_keys.get(row as usize);
            let hash = KeyMap::hash(key);
            let equal = |&change: &u32| {
                let change = &changes[change as usize];
                change.hash == hash && self.encoded_keys.get(change.key_row as usize) == key
            };
            let change = match known.find(SlotIndex::spread(hash), equal) {
                Some(&change) => change as usize,
                None => {
                    known.insert_unique(SlotIndex::spread(hash), changes.len() as u32, |&c| {
                        SlotIndex::spread(changes[c as usize].hash)
                    });
                    changes.push(KeyChange { key_row: row, hash, taken: None, given: None });
                    changes.len() - 1
                }
            };
            let change = &mut changes[change];
            let written = Written { row, hashes: RowHashes { key: hash, row: row_hash as u32 } };
            match (weight, change.given, change.taken) {
                (1, None, _) => change.given = Some(written),
                (1, Some(other), _) => return Err(self.conflict(other.row, row)),
                (-1, _, None) => change.taken = Some(written),
                (2.., _, _) => return Err(self.conflict(row, row)),
                _ => return Err(self.internal(row, "retracts more rows of one key than there can be")),
            }
        }
        Ok(changes)
    }

    fn conflict_with_live(&self, change: &KeyChange, slot: u32) -> ApplyError {
        let key = shown_key(self.rows, change.key_row as usize, self.spec);
        let given = shown_row(self.rows, change.key_row as usize);
        let conflict = KeyConflict { table: self.spec.name.clone(), key, rows: [self.live(slot), given] };
        ApplyError::KeyConflict(Box::new(conflict))
    }

    fn conflict(&self, first: u32, second: u32) -> ApplyError {
        let key = shown_key(self.rows, first as usize, self.spec);
        let rows = [first, second].map(|row| shown_row(self.rows, row as usize));
        ApplyError::KeyConflict(Box::new(KeyConflict { table: self.spec.name.clone(), key, rows }))
    }

    fn internal(&self, row: u32, message: &str) -> ApplyError {
        let message = format!("a delta {message}: {}", shown_row(self.rows, row as usize));
        ApplyError::Internal { table: self.spec.name.clone(), message }
    }

    fn live(&self, slot: u32) -> String {
        match self.segments.rows_of(&[slot], self.slots) {
            Ok(row) => shown_row(&row, 0),
            Err(error) => format!("({error})"),
        }
    }
}
