//! Indexes that are damaged on purpose, and what is found.

use super::*;

/// What is found after documents were changed behind the rows' back.
fn found([inserted, updated, deleted]: [RecordBatch; 3]) -> Vec<(String, IndexFault)> {
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::with(home.path(), (1..=6).map(|id| (id, pair_order(id))));
    pair.index.apply(&inserted, &updated, &deleted).unwrap();
    pair.index.commit(&cut(2)).unwrap();
    let IndexComparison { total, differences } = pair.snapshot().compare_index(KeyShare::ALL).unwrap();
    assert_eq!(total, differences.len() as u64);
    // Shares find the same between them.
    let found = (0..3).map(|number| pair.snapshot().compare_index(KeyShare::numbered(number, 3)).unwrap().differences);
    let mut in_shares: Vec<_> = found.flatten().collect();
    in_shares.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(in_shares, differences);
    differences
}

fn none() -> RecordBatch {
    rows(&Model::new())
}

#[test]
fn documents_that_are_missing_twice_or_without_a_row_are_named() {
    let differences = found([rows(&Model::from([(3, pair_order(3)), (40, pair_order(40))])), none(), keys(&[2, 5])]);
    let wanted = [
        ("2", IndexFault::Missing),
        ("3", IndexFault::Twice),
        ("40", IndexFault::WithoutRow),
        ("5", IndexFault::Missing),
    ];
    assert_eq!(differences, wanted.map(|(key, fault)| (key.to_owned(), fault)));
}

/// The row that a pair has under this key.
fn pair_order(id: i64) -> Order {
    Order { tags: vec!["a".into()], ..order("red fox", "NEW", id) }
}

#[test]
fn a_document_is_otherwise_by_a_word_a_place_a_keyword_a_facet_or_a_sort_value() {
    for changed in [
        Order { notes: Some("red foxes are".into()), ..pair_order(4) },
        Order { notes: Some("fox red".into()), ..pair_order(4) },
        Order { notes: Some("red fox fox".into()), ..pair_order(4) },
        Order { notes: None, ..pair_order(4) },
        Order { status: Some("OLD".into()), ..pair_order(4) },
        Order { cents: Some(5), ..pair_order(4) },
        Order { cents: None, ..pair_order(4) },
        Order { tags: vec!["a".into(), "b".into()], ..pair_order(4) },
    ] {
        let differences = found([none(), rows(&Model::from([(4, changed.clone())])), keys(&[])]);
        assert_eq!(differences, [("4".to_owned(), IndexFault::Otherwise)], "{changed:?}");
    }
}

#[test]
fn a_hundred_are_told_and_all_are_counted() {
    let home = tempfile::tempdir().unwrap();
    let orders: Model = (0..250).map(|id| (id, pair_order(id))).collect();
    let mut pair = Pair::with(home.path(), orders);
    let none = none();
    pair.index.apply(&none, &none, &keys(&(0..240).collect::<Vec<_>>())).unwrap();
    pair.index.commit(&cut(2)).unwrap();
    let found = pair.snapshot().compare_index(KeyShare::ALL).unwrap();
    assert_eq!((found.total, found.differences.len()), (240, 100));
}
