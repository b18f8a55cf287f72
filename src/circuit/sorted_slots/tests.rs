use std::collections::BTreeSet;

use super::*;

/// Rows of any length, in the order of their numbers: what they have in common differs from run to run.
fn rows() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(2);
    let mut rows = BTreeSet::new();
    while rows.len() < 4_000 {
        let front = b"a front that many have in common"[random.usize(..32)..].to_vec();
        let length = random.usize(..20);
        let rest = std::iter::repeat_with(|| random.u8(..3)).take(length).collect();
        rows.insert([front, rest].concat());
    }
    rows.into_iter().collect()
}

#[test]
fn they_are_as_an_ordered_set_whatever_comes_and_goes() {
    let rows = rows();
    let row = |slot: u32| rows[slot as usize].as_slice();
    let mut random = fastrand::Rng::with_seed(1);
    let (mut slots, mut model) = (SortedSlots::default(), BTreeSet::new());
    // Grows beyond several runs, then shrinks to nothing.
    for share in [90, 50, 5] {
        for _ in 0..6_000 {
            let wanted = random.u32(..4_000);
            match (slots.find(row(wanted), row), random.u32(..100) < share) {
                (Err(position), true) => {
                    slots.insert(position, wanted, row);
                    model.insert(wanted);
                }
                (Ok((found, position)), false) => {
                    assert_eq!(found, wanted);
                    slots.remove(position, row);
                    model.remove(&wanted);
                }
                (found, _) => assert_eq!(found.is_ok(), model.contains(&wanted)),
            }
        }
        assert!(slots.iter().eq(model.iter().copied()));
        assert!(slots.iter().rev().eq(model.iter().rev().copied()));
        for wanted in [0, 1, 777, 2_000, 3_999] {
            let position = slots.find(row(wanted), row).map_or_else(|position| position, |(_, position)| position);
            assert!(slots.iter_from(position).eq(model.range(wanted..).copied()));
            assert!(slots.iter_before(position).eq(model.range(..wanted).rev().copied()));
        }
    }
    for wanted in model {
        let found = slots.find(row(wanted), row);
        let (_, position) = found.unwrap_or_else(|_| panic!("{wanted} is not there"));
        slots.remove(position, row);
    }
    assert!(matches!(slots, SortedSlots::One(slots) if slots.is_empty()));
}

#[test]
fn rows_before_all_others_leave_those_where_they_are_found() {
    let numbered = |front: &str| (0..1_000).map(move |n| format!("{front}{n:04}").into_bytes()).collect::<Vec<_>>();
    let rows = [numbered("z"), numbered("a")].concat();
    let row = |slot: u32| rows[slot as usize].as_slice();
    let mut slots = SortedSlots::default();
    for (slot, wanted) in rows.iter().enumerate() {
        let Err(position) = slots.find(wanted, row) else { panic!("{slot} is there") };
        slots.insert(position, slot as u32, row);
    }
    for (slot, wanted) in rows.iter().enumerate() {
        assert_eq!(slots.find(wanted, row).map(|(found, _)| found).ok(), Some(slot as u32));
    }
}
