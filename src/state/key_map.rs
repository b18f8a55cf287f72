//! From encoded keys to dense slots.
//!
//! Keys are byte strings that compare equal exactly when the keys are the same group (the caller encodes them, NULLs
//! and canonical floats included). Slots of removed keys are used again.

use std::hint::black_box;

use xxhash_rust::xxh3::xxh3_64;

use super::short_bytes::ShortBytes;
use super::slot_index::SlotIndex;

/// A hash map from key bytes to a dense `u32` slot, with a record a slot.
///
/// Hashes are kept beside the slots, so that growing touches no key, and many look-ups at once can wait for memory
/// together rather than one after the other. What is kept of a slot lies with its key: a search for a key among a
/// million has waited for both.
#[derive(Debug, Default)]
pub struct KeyMap<R = Key> {
    index: SlotIndex,
    records: Vec<R>,
    free: Vec<u32>,
    /// Of keys that are too long to lie in `records`.
    heap_bytes: usize,
}

/// The record of a slot, with its key. A record stays when its key is removed, and the slot's next key finds it.
pub trait Keyed: Default {
    fn key(&self) -> &Key;
    fn key_mut(&mut self) -> &mut Key;
}

/// None if the slot is free.
pub type Key = Option<ShortBytes>;

impl Keyed for Key {
    fn key(&self) -> &Key {
        self
    }

    fn key_mut(&mut self) -> &mut Key {
        self
    }
}

/// Look-ups that wait for memory together: so many that the cache has room for all that they load.
const TOGETHER: usize = 256;

impl KeyMap {
    /// The hash of a key: the same in every process.
    pub fn hash(key: &[u8]) -> u32 {
        xxh3_64(key) as u32
    }
}

impl<R: Keyed> KeyMap<R> {
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records of all slots, up to the greatest ever given.
    pub fn records(&self) -> &[R] {
        &self.records
    }

    pub fn records_mut(&mut self) -> &mut [R] {
        &mut self.records
    }

    pub fn record(&self, slot: u32) -> &R {
        &self.records[slot as usize]
    }

    pub fn record_mut(&mut self, slot: u32) -> &mut R {
        &mut self.records[slot as usize]
    }

    /// Approximate bytes in memory.
    pub fn size(&self) -> usize {
        let records = self.records.capacity() * size_of::<R>() + self.heap_bytes;
        records + self.index.size() + self.free.capacity() * 4
    }

    pub fn get(&self, key: &[u8]) -> Option<u32> {
        self.find(KeyMap::hash(key), key)
    }

    /// The slots of many keys, each given with its [`hash`](KeyMap::hash).
    pub fn get_many<'k>(&self, keys: impl Iterator<Item = (u32, &'k [u8])>) -> Vec<Option<u32>> {
        let (mut keys, mut slots) = (keys, Vec::new());
        loop {
            let some: Vec<(u32, &[u8])> = keys.by_ref().take(TOGETHER).collect();
            if some.is_empty() {
                return slots;
            }
            let from = slots.len();
            black_box(some.iter().map(|(hash, _)| self.index.load(*hash)).fold(0, u64::wrapping_add));
            slots.extend(some.iter().map(|(hash, _)| self.index.find(*hash, |_| true)));
            for (found, (hash, key)) in slots[from..].iter_mut().zip(some) {
                if found.is_some_and(|slot| self.key(slot) != key) {
                    // Another key has the same hash.
                    *found = self.find(hash, key);
                }
            }
        }
    }

    /// The slot of `key`, and whether it is new.
    pub fn get_or_insert(&mut self, key: &[u8]) -> (u32, bool) {
        let hash = KeyMap::hash(key);
        if let Some(slot) = self.find(hash, key) {
            return (slot, false);
        }
        let key = ShortBytes::from(key);
        self.heap_bytes += key.heap_bytes();
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.records[slot as usize].key_mut() = Some(key);
                slot
            }
            None => {
                let mut record = R::default();
                *record.key_mut() = Some(key);
                self.records.push(record);
                (self.records.len() - 1) as u32
            }
        };
        self.index.insert(hash, slot);
        (slot, true)
    }

    /// Forgets a slot's key; the slot may be given again.
    pub fn remove(&mut self, slot: u32) {
        let Some(key) = self.records[slot as usize].key_mut().take() else { return };
        self.index.remove(KeyMap::hash(&key), slot);
        self.heap_bytes -= key.heap_bytes();
        self.free.push(slot);
    }

    fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        self.index.find(hash, |slot| self.records[slot as usize].key().as_deref() == Some(key))
    }

    /// The key of a slot in use; empty for a free one.
    pub fn key(&self, slot: u32) -> &[u8] {
        self.records[slot as usize].key().as_deref().unwrap_or_default()
    }

    /// All slots in use, ascending.
    pub fn live(&self) -> impl Iterator<Item = u32> + '_ {
        self.records.iter().enumerate().filter(|(_, record)| record.key().is_some()).map(|(slot, _)| slot as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_dense_and_used_again() {
        let mut map = <KeyMap>::default();
        assert_eq!(map.get_or_insert(b"a"), (0, true));
        assert_eq!(map.get_or_insert(b"b"), (1, true));
        assert_eq!(map.get_or_insert(b"a"), (0, false));
        map.remove(0);
        assert_eq!(map.get(b"a"), None);
        assert_eq!(map.get_or_insert(b"c"), (0, true));
        assert_eq!((map.len(), map.records().len()), (2, 2));
        assert_eq!(map.live().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn keys_with_equal_hashes_have_their_own_slots() {
        let keys: Vec<[u8; 4]> = (0..300_000u32).map(u32::to_be_bytes).collect();
        let mut map = <KeyMap>::default();
        keys.iter().for_each(|key| assert!(map.get_or_insert(key).1));
        let mut hashes: Vec<u32> = keys.iter().map(|key| KeyMap::hash(key)).collect();
        hashes.sort_unstable();
        assert!(hashes.windows(2).any(|pair| pair[0] == pair[1]));
        let slots = map.get_many(keys.iter().map(|key| (KeyMap::hash(key), key.as_slice())));
        assert!(slots.into_iter().eq((0..300_000).map(Some)));
        assert_eq!(map.get_many([(KeyMap::hash(b"none"), b"none".as_slice())].into_iter()), [None]);
    }
}
