//! When segments are joined or rewritten, so that they stay few and dead rows stay outnumbered.
//!
//! Segments of similar size are joined four at a time, up to a limit: a row moves once a tier, and the number of
//! segments below the limit is logarithmic. A segment is rewritten when two fifths of it are dead, few a commit;
//! only if dead rows outnumber live ones in the whole table does a commit rewrite as many as it takes.

use arrow::error::ArrowError;

use super::segments::{Segments, Slots, WriterSegment};

const JOINED: usize = 4;

/// Nor do segments grow beyond so many bytes by joining.
const SEGMENT_BYTES: usize = 64 << 20;

impl Segments {
    /// Tidies up after a commit that changed so many rows. Amortised, it moves O(changes) rows a tier.
    pub(super) fn compact(&mut self, changed: usize, slots: &mut Slots) -> Result<(), ArrowError> {
        for number in 0..self.held.len() {
            if self.held[number].as_ref().is_some_and(|held| held.liveness.live() == 0) {
                self.release(number);
            }
        }
        while let Some(alike) = self.alike() {
            self.rewrite(&alike, slots)?;
        }
        let budget = (JOINED * changed).max(self.segment_rows / 4);
        let mut moved = 0;
        while moved < budget || self.stored > 2 * self.live {
            let Some((number, live)) = self.deadest() else { break };
            self.rewrite(&[number], slots)?;
            moved += live;
        }
        Ok(())
    }

    /// At least two segments of one tier that are to be joined, smallest first.
    fn alike(&self) -> Option<Vec<usize>> {
        let mut tiers: Vec<Vec<(usize, usize, usize)>> = Vec::new();
        for (number, held) in self.held.iter().enumerate() {
            let Some(held) = held else { continue };
            if let Some(tier) = self.tier(held) {
                tiers.resize_with(tiers.len().max(tier + 1), Vec::new);
                tiers[tier].push((held.liveness.live(), held.segment.row_bytes(), number));
            }
        }
        let mut fullest = tiers.into_iter().find(|tier| tier.len() >= JOINED)?;
        fullest.sort_unstable();
        let (mut rows, mut bytes) = (0, 0);
        let fits = fullest.into_iter().take_while(|(live, row_bytes, _)| {
            rows += live;
            bytes += row_bytes;
            rows <= self.segment_rows && bytes <= SEGMENT_BYTES
        });
        Some(fits.map(|(_, _, number)| number).collect())
    }

    /// 0 for segments of up to half the limit of rows, one more for each quarter of that, none for segments of more
    /// than half of either limit: any two that have a tier can be joined.
    fn tier(&self, held: &WriterSegment) -> Option<usize> {
        let live = held.liveness.live();
        if live > self.segment_rows / 2 || held.segment.row_bytes() > SEGMENT_BYTES / 2 {
            return None;
        }
        let mut tier = 0;
        let mut bound = self.segment_rows / 8;
        while live <= bound && bound > self.segment_rows / 1024 {
            tier += 1;
            bound /= JOINED;
        }
        Some(tier)
    }

    /// The segment with the greatest part of dead rows, of those with at least two fifths, and its live rows.
    fn deadest(&self) -> Option<(usize, usize)> {
        let counted = self.held.iter().enumerate().filter_map(|(number, held)| {
            let liveness = &held.as_ref()?.liveness;
            Some((number, liveness.rows() - liveness.live(), liveness.rows(), liveness.live()))
        });
        counted
            .filter(|(_, dead, rows, _)| dead * 5 >= rows * 2)
            .max_by(|(_, dead_a, rows_a, _), (_, dead_b, rows_b, _)| (dead_a * rows_b).cmp(&(dead_b * rows_a)))
            .map(|(number, _, _, live)| (number, live))
    }
}
