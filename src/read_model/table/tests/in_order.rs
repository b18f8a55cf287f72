//! Rows in an order against rows that are sorted, and which orders are served.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, col, lit};

use super::super::segments::SEGMENT_ROWS;
use super::super::{OrderedRead, SortColumn, Table, TableSnapshot, TableSpec};
use super::model::{Model, random_delta, rows_of};
use super::{Row, decoded, delta, rows, spec};

const TENANT: usize = 0;
const AMOUNT: usize = 1;
const ID: usize = 2;

/// A filter, and whether a row passes it.
type Filter = (Expr, Box<dyn Fn(&Row) -> bool>);

/// Columns to sort by, with what they lack of the key.
fn order(sort: &[(usize, bool)]) -> Vec<SortColumn> {
    let mut order: Vec<SortColumn> =
        sort.iter().map(|&(column, descending)| SortColumn { column, descending }).collect();
    for column in [ID, TENANT] {
        if !order.iter().any(|sort| sort.column == column) {
            order.push(SortColumn { column, descending: false });
        }
    }
    order
}

fn compare(order: &[SortColumn], one: &Row, other: &Row) -> Ordering {
    let by = |sort: &SortColumn| {
        let ordering = match sort.column {
            TENANT => (one.0.is_none(), &one.0).cmp(&(other.0.is_none(), &other.0)),
            AMOUNT => one.2.cmp(&other.2),
            _ => one.1.cmp(&other.1),
        };
        if sort.descending { ordering.reverse() } else { ordering }
    };
    order.iter().map(by).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

fn random_tenant(random: &mut fastrand::Rng) -> Option<String> {
    (random.u8(..5) > 0).then(|| format!("tenant-{}", random.u8(..4)))
}

fn random_order(random: &mut fastrand::Rng) -> Vec<SortColumn> {
    let mut columns = [TENANT, AMOUNT, ID];
    random.shuffle(&mut columns);
    let down = random.bool();
    let sort: Vec<(usize, bool)> =
        columns[..random.usize(..=3)].iter().map(|&column| (column, down ^ (random.u8(..5) == 0))).collect();
    order(&sort)
}

fn random_filter(random: &mut fastrand::Rng) -> Filter {
    let (tenant, number) = (format!("tenant-{}", random.u8(..4)), random.i64(0..120));
    match random.u8(..9) {
        0 => (col("tenant").eq(lit(tenant.clone())), Box::new(move |row| row.0.as_ref() == Some(&tenant))),
        1 => (col("tenant").is_null(), Box::new(|row| row.0.is_none())),
        2 => {
            let all = [tenant, "tenant-0".to_owned()];
            let list = all.iter().map(|tenant| lit(tenant.clone())).collect();
            (col("tenant").in_list(list, false), Box::new(move |row| row.0.as_ref().is_some_and(|of| all.contains(of))))
        }
        3 => (
            col("tenant").gt_eq(lit(tenant.clone())),
            Box::new(move |row| row.0.as_ref().is_some_and(|of| *of >= tenant)),
        ),
        4 => (col("amount").gt_eq(lit(number * 5)), Box::new(move |row| row.2 >= number * 5)),
        5 => (col("amount").lt(lit(number * 5)), Box::new(move |row| row.2 < number * 5)),
        6 => (col("amount").eq(lit(number)), Box::new(move |row| row.2 == number)),
        7 => (col("id").lt_eq(lit(number)), Box::new(move |row| row.1 <= number)),
        _ => (col("id").not_eq(lit(number)), Box::new(move |row| row.1 != number)),
    }
}

/// The row's values of the columns of an order.
fn values(order: &[SortColumn], row: &Row) -> Vec<ScalarValue> {
    let value = |sort: &SortColumn| match sort.column {
        TENANT => ScalarValue::Utf8(row.0.clone()),
        AMOUNT => row.2.into(),
        _ => row.1.into(),
    };
    order.iter().map(value).collect()
}

/// Compares the rows in a random order behind a random row with those of the model; tells whether the order is served.
fn check(random: &mut fastrand::Rng, snapshot: &TableSnapshot, model: &Model) -> bool {
    let order = random_order(random);
    let filters: Vec<Filter> = (0..random.usize(..3)).map(|_| random_filter(random)).collect();
    let after = random.bool().then(|| (random_tenant(random), random.i64(0..120), random.i64(0..1000)));
    let after_values = after.as_ref().map(|row| values(&order, row));
    let exprs: Vec<Expr> = filters.iter().map(|(filter, _)| filter.clone()).collect();
    let read = OrderedRead { order: &order, after: after_values.as_deref(), filters: &exprs };
    let Some(mut found) = snapshot.in_order(&read, None).unwrap() else { return false };
    let mut visited: Vec<Row> = Vec::new();
    while let Some(rows) = found.visit(random.usize(1..40)).unwrap() {
        visited.extend(decoded(&rows));
    }
    assert!(visited.is_sorted_by(|one, other| compare(&order, one, other).is_lt()), "{order:?} {exprs:?}");
    let passes = |row: &Row| filters.iter().all(|(_, passes)| passes(row));
    let follows = |row: &Row| after.as_ref().is_none_or(|after| compare(&order, row, after).is_gt());
    let mut expected: Vec<Row> = rows_of(model).into_iter().filter(|row| passes(row) && follows(row)).collect();
    expected.sort_by(|one, other| compare(&order, one, other));
    visited.retain(passes);
    assert_eq!(visited, expected, "{order:?} {exprs:?} after {after:?}");
    true
}

#[test]
fn rows_in_an_order_are_the_sorted_rows() {
    for seed in 0x0de5..0x0de5 + 12 {
        println!("seed {seed}");
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut table = Table::with_segment_rows(spec(), super::model::SEGMENT_ROWS).unwrap();
        let mut model = Model::new();
        let mut served = 0;
        for _ in 0..20 {
            let before = model.clone();
            let changes = if random.u8(..4) == 0 { 200 } else { random.usize(..12) };
            let weighted = random_delta(random, &before, &mut model, changes);
            table.apply(&delta(&weighted)).unwrap();
            let snapshot = table.snapshot();
            served += (0..30).filter(|_| check(random, &snapshot, &model)).count();
        }
        assert!(served > 30, "{served} orders were served");
    }
}

#[test]
fn orders_of_the_key_and_of_indexes_are_served_where_no_index_is_better() {
    let mut table = Table::new(spec()).unwrap();
    table.apply(&delta(&[(super::row("a", 1, 10), 1)])).unwrap();
    let served = |sort: &[(usize, bool)], filters: &[Expr]| {
        let read = OrderedRead { order: &order(sort), after: None, filters };
        table.snapshot().in_order(&read, None).unwrap().is_some()
    };
    let (up, down) = (false, true);
    let of_a = || col("tenant").eq(lit("a"));
    // Sorted by the key or an index, from either end.
    assert!(served(&[], &[]) && served(&[(ID, up)], &[]) && served(&[(ID, down), (TENANT, down)], &[]));
    assert!(served(&[(AMOUNT, up)], &[]) && served(&[(AMOUNT, down)], &[]));
    assert!(served(&[(AMOUNT, down), (ID, down), (TENANT, down)], &[]));
    assert!(served(&[(TENANT, up), (AMOUNT, up)], &[]) && served(&[(TENANT, down), (AMOUNT, down)], &[]));
    assert!(!served(&[(ID, down)], &[]) && !served(&[(TENANT, up)], &[]));
    assert!(!served(&[(TENANT, up), (AMOUNT, down)], &[]));
    // A column of one value sorts nothing.
    assert!(served(&[(AMOUNT, down)], &[of_a()]) && served(&[(TENANT, down), (AMOUNT, up)], &[of_a()]));
    assert!(served(&[], &[of_a(), col("amount").eq(lit(10_i64))]));
    assert!(served(&[(TENANT, down)], &[col("id").eq(lit(1_i64))]));
    assert!(served(&[(AMOUNT, up)], &[col("amount").gt(lit(3_i64))]));
    assert!(served(&[(AMOUNT, up)], &[col("id").not_eq(lit(3_i64))]));
    // An index leads to fewer rows.
    assert!(!served(&[], &[of_a()]) && !served(&[], &[col("amount").gt(lit(3_i64))]));
    assert!(!served(&[], &[of_a(), col("id").eq(lit(1_i64))]), "it is one row");
    assert!(!served(&[(AMOUNT, up)], &[col("tenant").in_list(vec![lit("a"), lit("b")], false)]));
}

#[test]
fn of_indexes_that_lead_to_the_same_rows_the_one_with_the_order_serves() {
    let spec = TableSpec { indexes: vec![vec![TENANT, AMOUNT], vec![TENANT]], ..spec().as_ref().clone() };
    let mut table = Table::new(Arc::new(spec)).unwrap();
    table.apply(&delta(&[(super::row("a", 1, 10), 1), (super::row("b", 2, 10), 1)])).unwrap();
    let found = |sort: &[(usize, bool)], filters: &[Expr]| {
        let read = OrderedRead { order: &order(sort), after: None, filters };
        let found = table.snapshot().in_order(&read, None).unwrap();
        found.map(|mut rows| rows.visit(9).unwrap().map_or(0, |rows| rows.num_rows()))
    };
    let of_a = || col("tenant").eq(lit("a"));
    assert_eq!(found(&[], &[of_a()]), Some(1));
    assert_eq!(found(&[(AMOUNT, true)], &[of_a()]), Some(1));
    // The bound of the amount is in one of them alone.
    assert_eq!(found(&[], &[of_a(), col("amount").gt(lit(3_i64))]), None);
    assert_eq!(found(&[(AMOUNT, true)], &[of_a(), col("amount").gt(lit(30_i64))]), Some(0));
}

#[test]
fn a_place_in_another_value_of_a_constant_is_none_of_the_order() {
    let mut table = Table::new(spec()).unwrap();
    table.apply(&delta(&[(super::row("a", 1, 10), 1), (super::row("a", 2, 20), 1)])).unwrap();
    let (order, filters) = (order(&[(AMOUNT, false)]), [col("tenant").eq(lit("a"))]);
    let read = |tenant: &str| {
        let after = values(&order, &super::row(tenant, 1, 10));
        let read = OrderedRead { order: &order, after: Some(&after), filters: &filters };
        table
            .snapshot()
            .in_order(&read, None)
            .unwrap()
            .map(|mut rows| rows.visit(9).unwrap().map(|rows| decoded(&rows)))
    };
    assert_eq!(read("a"), Some(Some(vec![super::row("a", 2, 20)])));
    assert_eq!(read("b"), None);
}

#[test]
fn one_reader_sorts_so_many_rows_and_the_next_one_the_others() {
    let part =
        |place: usize| -> Vec<Row> { (0..SEGMENT_ROWS).map(|row| (None, (row * 5 + place) as i64, 0)).collect() };
    let snapshot = TableSnapshot::from_batches(spec(), (0..5).map(|place| rows(&part(place))).collect());
    let read = OrderedRead { order: &order(&[]), after: None, filters: &[] };
    assert!(snapshot.in_order(&read, None).unwrap().is_none());
    let mut found = snapshot.in_order(&read, None).unwrap().unwrap();
    let first: Vec<i64> = decoded(&found.visit(7).unwrap().unwrap()).iter().map(|row| row.1).collect();
    assert_eq!(first, [0, 1, 2, 3, 4, 5, 6]);
}
