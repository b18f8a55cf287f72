//! Random deltas against a map, with snapshots that are looked at later, and crashes between checkpoints.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;

use super::super::{Table, TableSnapshot};
use super::{Row, content, decoded, delta, spec};
use crate::state::{RowAddress, StateDelta, StoredSegment};

pub(super) type Model = BTreeMap<(Option<String>, i64), i64>;

/// Small, so that tables of a few hundred rows have many segments.
pub(super) const SEGMENT_ROWS: usize = 32;

/// What a checkpoint would hold: the segments that were written, with what later ones say of their rows.
#[derive(Debug, Default, Clone)]
struct Log(BTreeMap<u64, (arrow::array::RecordBatch, Vec<RowAddress>)>);

impl Log {
    fn write(&mut self, delta: StateDelta) {
        if let Some(segment) = delta.segment {
            assert!(self.0.last_key_value().is_none_or(|(last, _)| *last < segment.id));
            self.0.insert(segment.id, (segment.rows, segment.dead));
        }
        for id in delta.dropped {
            assert!(self.0.remove(&id).is_some(), "segment {id} was dropped but never written");
        }
    }

    fn stored(&self) -> Vec<StoredSegment> {
        let dead: Vec<RowAddress> = self.0.values().flat_map(|(_, dead)| dead.clone()).collect();
        let segment = |(id, (rows, own)): (&u64, &(arrow::array::RecordBatch, Vec<RowAddress>))| StoredSegment {
            id: *id,
            rows: rows.clone(),
            live: (0..rows.num_rows() as u32).map(|row| !dead.contains(&RowAddress { segment: *id, row })).collect(),
            dead: own.clone(),
        };
        self.0.iter().map(segment).collect()
    }
}

/// A delta that leads from `before` to a random other state, with detours that cancel out, shuffled.
pub(super) fn random_delta(
    random: &mut fastrand::Rng,
    before: &Model,
    after: &mut Model,
    changes: usize,
) -> Vec<(Row, i64)> {
    for _ in 0..changes {
        let tenant = (random.u8(..4) > 0).then(|| format!("tenant-{}", random.u8(..4)));
        let key = (tenant, random.i64(0..120));
        match random.u8(..10) {
            0..4 => drop(after.remove(&key)),
            _ => drop(after.insert(key, random.i64(0..1000))),
        }
    }
    let row = |(key, amount): (&(Option<String>, i64), &i64)| (key.0.clone(), key.1, *amount);
    let mut weighted: Vec<(Row, i64)> = Vec::new();
    weighted.extend(before.iter().filter(|(key, amount)| after.get(key) != Some(amount)).map(|old| (row(old), -1)));
    weighted.extend(after.iter().filter(|(key, amount)| before.get(key) != Some(amount)).map(|new| (row(new), 1)));
    for _ in 0..random.usize(..6) {
        let detour = (Some("detour".to_owned()), random.i64(0..9), random.i64(0..9));
        weighted.extend([(detour.clone(), 2), (detour.clone(), -1), (detour, -1)]);
    }
    if let Some(unchanged) = before.iter().find(|(key, amount)| after.get(key) == Some(amount)) {
        weighted.extend([(row(unchanged), 1), (row(unchanged), -1)]);
    }
    random.shuffle(&mut weighted);
    weighted
}

pub(super) fn rows_of(model: &Model) -> Vec<Row> {
    model.iter().map(|((tenant, id), amount)| (tenant.clone(), *id, *amount)).collect()
}

fn check_changes(before: &Model, after: &Model, changes: &super::super::Changes) {
    let changed = |new: bool| -> Vec<Row> {
        let kept = after.iter().filter(|(key, amount)| match before.get(key) {
            Some(old) => !new && old != *amount,
            None => new,
        });
        kept.map(|((tenant, id), amount)| (tenant.clone(), *id, *amount)).collect()
    };
    let sorted = |batch| {
        let mut rows = decoded(batch);
        rows.sort();
        rows
    };
    assert_eq!(sorted(&changes.inserted), changed(true));
    assert_eq!(sorted(&changes.updated), changed(false));
    let gone = before.keys().filter(|key| !after.contains_key(key)).count();
    assert_eq!(changes.deleted_keys.num_rows(), gone);
    assert_eq!(changes.deleted_keys.schema().field(0).name(), "id");
}

fn check_lookups(random: &mut fastrand::Rng, snapshot: &TableSnapshot, model: &Model) {
    for _ in 0..5 {
        let tenant = (random.u8(..4) > 0).then(|| format!("tenant-{}", random.u8(..4)));
        let id = random.i64(0..120);
        let found = snapshot.get(&[ScalarValue::from(id), ScalarValue::Utf8(tenant.clone())]).unwrap();
        let expected = model.get(&(tenant.clone(), id)).map(|amount| (tenant, id, *amount));
        assert_eq!(found.map(|batch| decoded(&batch)), expected.map(|row| vec![row]));
    }
}

fn run(seed: u64, commits: usize) {
    println!("seed {seed}");
    let random = &mut fastrand::Rng::with_seed(seed);
    let mut table = Table::with_segment_rows(spec(), SEGMENT_ROWS).unwrap();
    let (mut model, mut log, mut durable) = (Model::new(), Log::default(), Model::new());
    let mut seen: Vec<(TableSnapshot, Model)> = Vec::new();
    for _ in 0..commits {
        let before = model.clone();
        let changes = if random.u8(..8) == 0 { 200 } else { random.usize(..12) };
        let weighted = random_delta(random, &before, &mut model, changes);
        let changes = table.apply(&delta(&weighted)).unwrap();
        check_changes(&before, &model, &changes);
        assert_eq!(table.num_rows(), model.len());
        assert!(table.stored_rows() <= 2 * table.num_rows(), "{} rows for {}", table.stored_rows(), model.len());
        let full = 2 * table.num_rows() / SEGMENT_ROWS + 1;
        assert!(table.num_segments() <= full + 3 * 5, "{} segments", table.num_segments());
        check_lookups(random, &table.snapshot(), &model);
        if random.u8(..4) == 0 {
            seen.push((table.snapshot(), model.clone()));
        }
        if random.u8(..5) == 0 {
            table.capture().unwrap().into_iter().for_each(|delta| log.write(delta));
            durable = model.clone();
            assert!(table.capture().unwrap().is_none(), "nothing changed since");
        }
        if random.u8(..10) == 0 {
            table = Table::restore(spec(), log.stored()).unwrap();
            model = durable.clone();
            assert_eq!(content(&table.snapshot()), rows_of(&model));
        }
    }
    for (snapshot, model) in &seen {
        assert_eq!(content(snapshot), rows_of(model));
        assert_eq!(snapshot.num_rows(), model.len());
    }
    for pair in seen.windows(2) {
        let [(earlier, from), (later, to)] = pair else { continue };
        check_difference(earlier, later, from, to);
        check_difference(later, earlier, to, from);
    }
}

/// What leads from one snapshot to another leads from its rows to the other's, and takes back nothing before it was there.
fn check_difference(from: &TableSnapshot, to: &TableSnapshot, before: &Model, after: &Model) {
    let mut rows: BTreeMap<Row, i64> = rows_of(before).into_iter().map(|row| (row, 1)).collect();
    for batch in to.difference(Some(from)).unwrap() {
        for (index, row) in decoded(&batch.rows).into_iter().enumerate() {
            let count = rows.entry(row).or_default();
            *count += batch.weight(index);
            assert!((0..=1).contains(count));
        }
    }
    rows.retain(|_, count| *count > 0);
    assert_eq!(rows.into_keys().collect::<Vec<_>>(), rows_of(after));
}

#[test]
fn random_histories_agree_with_a_map() {
    let base = 0x5eed;
    (base..base + 25).for_each(|seed| run(seed, 80));
}

#[test]
fn the_checksum_knows_rows_but_not_their_batches() {
    let random = &mut fastrand::Rng::with_seed(7);
    let (mut model, mut table) = (Model::new(), Table::with_segment_rows(spec(), SEGMENT_ROWS).unwrap());
    for _ in 0..40 {
        let before = model.clone();
        let weighted = random_delta(random, &before, &mut model, 20);
        table.apply(&delta(&weighted)).unwrap();
    }
    let at_once: Vec<(Row, i64)> = rows_of(&model).into_iter().rev().map(|row| (row, 1)).collect();
    let mut other = Table::new(spec()).unwrap();
    other.apply(&delta(&at_once)).unwrap();
    let checksum = table.snapshot().checksum().unwrap();
    assert_eq!(checksum, other.snapshot().checksum().unwrap());
    other.apply(&delta(&[(at_once[0].0.clone(), -1)])).unwrap();
    assert_ne!(checksum, other.snapshot().checksum().unwrap());
}

#[test]
fn a_large_delta_becomes_several_segments() {
    let many: Vec<(Row, i64)> = (0..200_000).map(|id| ((None, id, id), 1)).collect();
    let mut table = Table::new(spec()).unwrap();
    let changes = table.apply(&delta(&many)).unwrap();
    assert_eq!((changes.inserted.num_rows(), table.num_rows(), table.num_segments()), (200_000, 200_000, 4));
    let batches: Vec<usize> = table.snapshot().scan().map(|batch| batch.unwrap().num_rows()).collect();
    assert!(batches.iter().all(|rows| *rows <= 8192) && batches.iter().sum::<usize>() == 200_000);
    let half: Vec<(Row, i64)> =
        many.iter().filter(|(row, _)| row.1 % 5 < 3).map(|(row, _)| (row.clone(), -1)).collect();
    table.apply(&delta(&half)).unwrap();
    assert_eq!(table.num_rows(), 80_000);
    assert!(table.stored_rows() <= 160_000);
}

#[test]
fn a_checkpoint_with_two_rows_of_one_key_is_not_restored() {
    let segment = |id, amount| {
        let rows = super::rows(&[super::row("a", 1, amount)]);
        StoredSegment { id, rows, live: vec![true], dead: vec![] }
    };
    let error = Table::restore(spec(), vec![segment(4, 10), segment(2, 20)]).unwrap_err();
    let expected = "checkpoint of table `accounts`: segment 4 has a second live row with the key id=1, tenant=a; \
                    restore the checkpoint's objects, or start with an empty data_dir, which builds everything anew";
    assert_eq!(error.to_string(), expected);
}
