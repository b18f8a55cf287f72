//! From the key columns of rows to group slots.

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use hashbrown::HashTable;

use super::row_codec::RowCodec;
use crate::state::{Key, KeyMap, Keyed, SlotIndex};

/// The groups of one operator, each with its key and whatever else the operator keeps of it in one record.
#[derive(Debug)]
pub(crate) struct Groups<R = Key> {
    codec: RowCodec,
    map: KeyMap<R>,
}

/// The groups that a batch touches.
#[derive(Debug)]
pub(crate) struct TouchedGroups {
    /// For each row, the index of its group in `slots`.
    pub(crate) rows: Vec<u32>,
    /// Slots in the order of their first row.
    pub(crate) slots: Vec<u32>,
}

impl<R: Keyed> Groups<R> {
    /// Groups by keys of these types; none yet.
    ///
    /// # Errors
    /// If the rows format of Arrow does not know a type.
    pub(crate) fn new(types: Vec<DataType>) -> Result<Self, ArrowError> {
        let codec = RowCodec::new(types.into_iter().map(|data_type| (data_type, SortOptions::default())))?;
        Ok(Self { codec, map: KeyMap::default() })
    }

    /// Whether there is no key, so that there is exactly one group.
    pub(crate) fn is_global(&self) -> bool {
        self.codec.is_unit()
    }

    /// One more than the greatest slot ever given: the length of columns indexed by slot.
    pub(crate) fn slots(&self) -> usize {
        self.map.records().len()
    }

    pub(crate) fn record(&self, slot: u32) -> &R {
        self.map.record(slot)
    }

    pub(crate) fn record_mut(&mut self, slot: u32) -> &mut R {
        self.map.record_mut(slot)
    }

    pub(crate) fn records_mut(&mut self) -> &mut [R] {
        self.map.records_mut()
    }

    /// Number of groups.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.map.size()
    }

    /// Finds or makes the group of each row.
    ///
    /// # Errors
    /// If the key columns are not of the types that the groups were made for.
    pub(crate) fn touch(&mut self, keys: &[ArrayRef], rows: usize) -> Result<TouchedGroups, ArrowError> {
        if self.is_global() {
            let (slot, _) = self.map.get_or_insert(&[]);
            return Ok(TouchedGroups { rows: vec![0; rows], slots: vec![slot] });
        }
        let encoded = self.codec.encode(keys)?;
        // By index: the row of each different key, and the key's hash.
        let mut different: Vec<(usize, u32)> = Vec::with_capacity(rows);
        let mut known: HashTable<u32> = HashTable::with_capacity(rows);
        let key = |row: usize| encoded.row(row).data();
        let mut touched = TouchedGroups { rows: Vec::with_capacity(rows), slots: Vec::new() };
        for row in 0..rows {
            let hash = KeyMap::hash(key(row));
            let is_equal = |&index: &u32| {
                let (other, other_hash) = different[index as usize];
                other_hash == hash && key(other) == key(row)
            };
            let index = known.find(SlotIndex::spread(hash), is_equal).copied().unwrap_or(different.len() as u32);
            if index as usize == different.len() {
                different.push((row, hash));
                known.insert_unique(SlotIndex::spread(hash), index, |&index| {
                    SlotIndex::spread(different[index as usize].1)
                });
            }
            touched.rows.push(index);
        }
        let found = self.map.get_many(different.iter().map(|&(row, hash)| (hash, key(row))));
        let slot = |(found, (row, _)): (Option<u32>, &(usize, u32))| {
            found.unwrap_or_else(|| self.map.get_or_insert(key(*row)).0)
        };
        touched.slots = found.into_iter().zip(&different).map(slot).collect();
        Ok(touched)
    }

    /// All groups.
    pub(crate) fn live(&self) -> impl Iterator<Item = u32> + '_ {
        self.map.live()
    }

    /// A group's key as bytes.
    pub(crate) fn key(&self, slot: u32) -> &[u8] {
        self.map.key(slot)
    }

    /// The key columns of some groups.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub(crate) fn keys(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.codec.decode(slots.iter().map(|&slot| self.map.key(slot)))
    }

    /// Slots for the live rows of a persisted segment.
    ///
    /// # Errors
    /// If the key columns are not of the types that the groups were made for.
    pub(crate) fn restore(&mut self, keys: &[ArrayRef], live: &[bool]) -> Result<Vec<Option<u32>>, ArrowError> {
        if self.is_global() {
            return Ok(live.iter().map(|&live| live.then(|| self.map.get_or_insert(&[]).0)).collect());
        }
        let encoded = self.codec.encode(keys)?;
        let rows = encoded.iter().zip(live);
        Ok(rows.map(|(key, &live)| live.then(|| self.map.get_or_insert(key.data()).0)).collect())
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        self.map.remove(slot);
    }
}
