//! What a version of rows stands for.

use super::super::Table;
use super::{delta, row, spec};

#[test]
fn every_change_of_a_row_makes_another_version_and_nothing_else_does() {
    let mut table = Table::new(spec()).unwrap();
    let mut seen = vec![table.snapshot().version()];
    let (a, b) = (row("a", 1, 10), row("a", 1, 20));
    for change in [
        vec![(a.clone(), 1)],
        vec![(a.clone(), -1), (b.clone(), 1)],
        // The rows are those of before, and nobody has looked.
        vec![(b.clone(), -1), (a.clone(), 1)],
        vec![(a.clone(), -1)],
        vec![(a.clone(), 1)],
    ] {
        table.apply(&delta(&change)).unwrap();
        let version = table.snapshot().version();
        assert!(!seen.contains(&version), "{change:?}");
        seen.push(version);
    }
    let version = table.snapshot().version();
    table.apply(&delta(&[(a.clone(), -1), (a, 1)])).unwrap();
    table.apply(&delta(&[])).unwrap();
    table.apply(&delta(&[(row("c", 3, 1), -1)])).unwrap_err();
    table.capture().unwrap();
    assert_eq!(table.snapshot().version(), version);
    assert_ne!(Table::new(spec()).unwrap().snapshot().version(), Table::new(spec()).unwrap().snapshot().version());
}

#[test]
fn a_table_that_is_restored_has_a_version_of_its_own() {
    let restored = || Table::restore(spec(), Vec::new()).unwrap().snapshot().version();
    assert_ne!(restored(), restored());
}
