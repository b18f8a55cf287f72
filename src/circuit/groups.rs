//! From the key columns of rows to group slots.

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::row_codec::RowCodec;
use crate::state::KeyMap;

/// The groups of one operator.
#[derive(Debug)]
pub(crate) struct Groups {
    codec: RowCodec,
    map: KeyMap,
    /// For each slot, the last touch and its place in it.
    marks: Vec<(u64, u32)>,
    touches: u64,
}

/// The groups that a batch touches.
#[derive(Debug)]
pub(crate) struct Touched {
    /// For each row, the place of its group in `slots`.
    pub(crate) rows: Vec<u32>,
    /// Slots in the order of their first row.
    pub(crate) slots: Vec<u32>,
}

impl Groups {
    pub(crate) fn new(types: Vec<DataType>) -> Result<Self, ArrowError> {
        let codec = RowCodec::new(types.into_iter().map(|data_type| (data_type, SortOptions::default())))?;
        Ok(Self { codec, map: KeyMap::default(), marks: Vec::new(), touches: 0 })
    }

    /// Whether there is no key, so that there is exactly one group.
    pub(crate) fn is_global(&self) -> bool {
        self.codec.is_unit()
    }

    pub(crate) fn slots(&self) -> usize {
        self.map.slots()
    }

    /// Number of groups.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.map.size() + self.marks.capacity() * 16
    }

    /// Finds or makes the group of each row.
    pub(crate) fn touch(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Touched, ArrowError> {
        self.touches += 1;
        if self.is_global() {
            let (slot, _) = self.map.get_or_insert(&[]);
            return Ok(Touched { rows: vec![0; rows], slots: vec![slot] });
        }
        let encoded = self.codec.encode(keys)?;
        let mut touched = Touched { rows: Vec::with_capacity(rows), slots: Vec::new() };
        for key in encoded.iter() {
            let (slot, _) = self.map.get_or_insert(key.data());
            if slot as usize >= self.marks.len() {
                self.marks.resize(slot as usize + 1, (0, 0));
            }
            let mark = &mut self.marks[slot as usize];
            if mark.0 != self.touches {
                *mark = (self.touches, touched.slots.len() as u32);
                touched.slots.push(slot);
            }
            touched.rows.push(mark.1);
        }
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
    pub(crate) fn keys(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.codec.decode(slots.iter().map(|&slot| self.map.key(slot)))
    }

    /// Slots for the live rows of a persisted segment.
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
