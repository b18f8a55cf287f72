//! Deltas that have to be refused, and that refusing leaves no trace.

use expect_test::{Expect, expect};

use super::super::Table;
use super::{Row, content, delta, row};

/// Applies a delta to a table with the row (a, 1) → 10 and shows the refusal.
fn check(weighted: &[(Row, i64)], refusal: Expect) {
    let mut table = Table::new(super::spec()).unwrap();
    table.apply(&delta(&[(row("a", 1, 10), 1)])).unwrap();
    table.capture().unwrap();
    let error = table.apply(&delta(weighted)).unwrap_err();
    refusal.assert_eq(&error.to_string());
    assert_eq!(content(&table.snapshot()), [row("a", 1, 10)]);
    assert!(table.capture().unwrap().is_none());
}

#[test]
fn a_second_row_of_a_live_key_names_both() {
    check(
        &[(row("b", 2, 5), 1), (row("a", 1, 20), 1)],
        expect![[
            r#"two rows of table `accounts` have the key id=1, tenant=a: {tenant: a, amount: 10, id: 1} and {tenant: a, amount: 20, id: 1}; add the columns that tell them apart to `key`, or choose one with DISTINCT ON"#
        ]],
    );
}

#[test]
fn two_rows_of_one_key_in_a_delta_conflict() {
    check(
        &[((None, 2, 5), 1), (row("a", 1, 10), -1), ((None, 2, 6), 1)],
        expect![[
            r#"two rows of table `accounts` have the key id=2, tenant=NULL: {tenant: NULL, amount: 5, id: 2} and {tenant: NULL, amount: 6, id: 2}; add the columns that tell them apart to `key`, or choose one with DISTINCT ON"#
        ]],
    );
}

#[test]
fn the_same_row_twice_conflicts() {
    check(
        &[(row("b", 2, 5), 1), (row("b", 2, 5), 1)],
        expect![[
            r#"two rows of table `accounts` have the key id=2, tenant=b: {tenant: b, amount: 5, id: 2} and {tenant: b, amount: 5, id: 2}; add the columns that tell them apart to `key`, or choose one with DISTINCT ON"#
        ]],
    );
}

#[test]
fn taking_back_what_is_not_there_is_a_bug() {
    check(
        &[(row("c", 3, 1), -1)],
        expect![[
            r#"internal error in table `accounts`: a delta retracts a row whose key is not there: {tenant: c, amount: 1, id: 3}; please report it"#
        ]],
    );
    check(
        &[(row("a", 1, 11), -1), (row("a", 1, 12), 1)],
        expect![[
            r#"internal error in table `accounts`: a delta retracts a row other than the live one, {tenant: a, amount: 10, id: 1}: {tenant: a, amount: 11, id: 1}; please report it"#
        ]],
    );
    check(
        &[(row("a", 1, 10), -1), (row("a", 1, 10), -1)],
        expect![[
            r#"internal error in table `accounts`: a delta retracts more rows of one key than there can be: {tenant: a, amount: 10, id: 1}; please report it"#
        ]],
    );
}

#[test]
fn a_null_where_none_may_be_is_refused() {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    let batch = super::rows(&[row("a", 1, 10)]);
    let amount: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![None::<i64>]));
    let schema = arrow::datatypes::Schema::new(
        batch.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
    );
    let columns = vec![batch.column(0).clone(), amount, batch.column(2).clone()];
    let nulls = RecordBatch::try_new(std::sync::Arc::new(schema), columns).unwrap();
    let error = Table::new(super::spec()).unwrap().apply(&crate::circuit::ZBatch::inserts(nulls)).unwrap_err();
    assert!(error.to_string().starts_with("table `accounts`: "), "{error}");
    assert!(error.to_string().contains("amount"), "{error}");
}
