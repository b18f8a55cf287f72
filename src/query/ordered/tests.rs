//! Pages in an order that a table keeps against the same pages of all its rows sorted, one after the other, while rows change between.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::SessionContext;

use crate::access::{Caller, Claims, Policies, RelationPolicy, RowFilter, register_claims};
use crate::circuit::ZBatch;
use crate::progress::{Cut, Phase, Reads};
use crate::query::list::paging;
use crate::query::session::Sessions;
use crate::query::{Filter, Limits, ListRequest, Operation, ReadPoint, SortColumn, now_us, relations};
use crate::read_model::ReadView;
use crate::read_model::catalog::{Relation, RelationData, Snapshot};
use crate::read_model::table::{Table, TableSpec};

const ID: usize = 0;
const TENANT: usize = 1;
const AMOUNT: usize = 2;

/// By id.
type Rows = BTreeMap<i64, (Option<&'static str>, Option<i64>)>;

struct World {
    table: Table,
    rows: Rows,
    position: u64,
    sessions: Sessions,
    policies: Policies,
}

/// Readers see the rows of their tenant, and another amount where it is masked.
fn policies(hides_amounts: bool) -> Policies {
    let mut context = SessionContext::new();
    register_claims(&mut context).unwrap();
    let state = context.state();
    let own: Expr = col("tenant").eq(state.scalar_functions()["claim"].call(vec![lit("tenant")]));
    let filters = vec![RowFilter { policy: "own".to_owned(), condition: own }];
    let masks = hides_amounts.then(|| ("amount".to_owned(), col("id") % lit(3_i64)));
    let policy = RelationPolicy { filters, masks: masks.into_iter().collect() };
    let columns: BTreeSet<String> = ["id", "tenant", "amount"].map(str::to_owned).into();
    Policies::new(
        BTreeMap::from([("orders".to_owned(), policy)]),
        BTreeMap::from([("orders".to_owned(), columns)]),
        state,
    )
}

fn reader(tenant: &str) -> Caller {
    let mut claims = Claims::default();
    claims.add("tenant", tenant);
    Caller::Reader { claims: Arc::new(claims), administers: false }
}

impl World {
    fn new(indexes: Vec<Vec<usize>>, policies: Policies) -> Self {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("tenant", DataType::Utf8, true),
            Field::new("amount", DataType::Int64, true),
        ]));
        let spec = TableSpec { name: "orders".to_owned(), schema, key: vec![ID], key_proven: true, indexes };
        let Limits { memory_bytes, timeout, .. } = Limits::of_tests();
        World {
            table: Table::new(Arc::new(spec)).unwrap(),
            rows: Rows::new(),
            position: 0,
            sessions: Sessions::new(memory_bytes, timeout, None).unwrap(),
            policies,
        }
    }

    /// A commit in which some rows change, come and go.
    fn change(&mut self, random: &mut fastrand::Rng, changes: usize) {
        let before = self.rows.clone();
        for _ in 0..changes {
            let id = random.i64(0..200);
            if random.u8(..4) == 0 {
                self.rows.remove(&id);
            } else {
                let tenant = [None, Some("a"), Some("a"), Some("b")][random.usize(..4)];
                self.rows.insert(id, (tenant, (random.u8(..6) > 0).then(|| random.i64(0..20))));
            }
        }
        let gone = before.iter().filter(|(id, row)| self.rows.get(id) != Some(row)).map(|row| (row, -1));
        let come = self.rows.iter().filter(|(id, row)| before.get(id) != Some(row)).map(|row| (row, 1));
        let delta: Vec<(_, i64)> = gone.chain(come).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(delta.iter().map(|((id, _), _)| **id))),
            Arc::new(StringArray::from_iter(delta.iter().map(|((_, (tenant, _)), _)| *tenant))),
            Arc::new(Int64Array::from_iter(delta.iter().map(|((_, (_, amount)), _)| *amount))),
        ];
        let rows = RecordBatch::try_new(self.table.spec().schema.clone(), columns).unwrap();
        let weights = Int64Array::from_iter_values(delta.iter().map(|(_, weight)| *weight));
        self.table.apply(&ZBatch::new(rows, weights)).unwrap();
        self.position += 1;
    }

    fn view(&self, caller: &Caller) -> ReadView {
        let cut = Cut { positions: BTreeMap::from([("events".into(), self.position.into())]), revision: 0 };
        let relation = Relation {
            data: RelationData::table(self.table.snapshot()),
            reads: Reads::from([("events".into(), Vec::new())]),
            cut: cut.clone(),
            live_at_us: now_us(),
            phase: Phase::Serving,
            reason: None,
            parked: BTreeMap::new(),
            lost: BTreeMap::new(),
            since: BTreeMap::new(),
        };
        let relations = BTreeMap::from([("orders".to_owned(), Arc::new(relation))]);
        let snapshot = Snapshot::new(cut, relations, BTreeMap::new(), BTreeMap::new());
        ReadView::new(Arc::new(snapshot), caller.clone(), self.policies.clone())
    }

    /// Reads a page in both ways; gives the token of the next one, and whether an order served it.
    async fn page(&self, caller: &Caller, request: ListRequest) -> (Option<String>, bool) {
        let shown = format!("{request:?} of {caller:?}");
        let at = ReadPoint::whole(self.view(caller));
        let session = self.sessions.open(at.view().clone());
        let mut builder = session.scan(&self.sessions, "orders").await.unwrap();
        let schema = builder.schema().inner().clone();
        let filters: Vec<Expr> = request.filters.iter().map(|filter| filter.to_expr(&schema)).collect();
        for filter in &filters {
            builder = builder.filter(filter.clone()).unwrap();
        }
        let paging = paging(&at, "orders", request, &schema, &Limits::of_tests()).unwrap();
        let table = relations::table(at.view(), "orders").unwrap();
        let in_order = paging.in_order(&session, &table, &filters, &schema).await.unwrap();
        let sorted = paging.sorted(&session, builder.build().unwrap()).await.unwrap();
        if let Some(in_order) = &in_order {
            assert_eq!(*in_order, sorted, "{shown}");
        }
        (paging.page(&sorted, at.cut()).unwrap().next_token, in_order.is_some())
    }
}

fn random_filter(random: &mut fastrand::Rng) -> Filter {
    let number = |value: i64| vec![ScalarValue::from(value)];
    let tenant = ScalarValue::from(["a", "b", "c"][random.usize(..3)]);
    let (column, operation, values) = match random.u8(..9) {
        0 => (TENANT, Operation::Eq, vec![tenant]),
        1 => (TENANT, Operation::In, vec![tenant, ScalarValue::from("b")]),
        2 => (TENANT, Operation::IsNull, vec![ScalarValue::from(random.bool())]),
        3 => (AMOUNT, Operation::Eq, number(random.i64(0..20))),
        4 => (AMOUNT, Operation::Gte, number(random.i64(0..20))),
        5 => (AMOUNT, Operation::Lt, number(random.i64(0..20))),
        6 => (ID, Operation::Gt, number(random.i64(0..200))),
        7 => (ID, Operation::Lte, number(random.i64(0..200))),
        _ => (ID, Operation::Ne, number(random.i64(0..200))),
    };
    Filter { column, operation, values }
}

fn random_sort(random: &mut fastrand::Rng) -> Vec<SortColumn> {
    let sorts: [&[(usize, bool)]; 9] = [
        &[],
        &[(ID, true)],
        &[(AMOUNT, false)],
        &[(AMOUNT, true)],
        &[(AMOUNT, true), (ID, true)],
        &[(TENANT, false)],
        &[(TENANT, true), (AMOUNT, true)],
        &[(TENANT, false), (AMOUNT, false)],
        &[(AMOUNT, false), (TENANT, true)],
    ];
    let sort = sorts[random.usize(..sorts.len())].iter();
    sort.map(|&(column, descending)| SortColumn { column, descending }).collect()
}

#[tokio::test]
async fn pages_in_an_order_are_the_pages_of_sorted_rows() {
    let indexes = [vec![], vec![vec![AMOUNT]], vec![vec![TENANT, AMOUNT], vec![AMOUNT]], vec![vec![TENANT]]];
    let (mut served, mut asked) = (0, 0);
    for seed in 0x9a6e..0x9a6e + 12 {
        println!("seed {seed}");
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut world = World::new(indexes[random.usize(..indexes.len())].clone(), policies(random.bool()));
        for changes in [100, 3, 60, 20] {
            world.change(random, changes);
        }
        for _ in 0..8 {
            let caller = [Caller::Daemon, reader("a"), reader("b")][random.usize(..3)].clone();
            let request = ListRequest {
                filters: (0..random.usize(..3)).map(|_| random_filter(random)).collect(),
                sort: random_sort(random),
                page_size: random.usize(1..20),
                page_token: None,
            };
            let mut page_token = None;
            for _ in 0..6 {
                let (next, in_order) = world.page(&caller, ListRequest { page_token, ..request.clone() }).await;
                asked += 1;
                served += usize::from(in_order);
                let Some(token) = next else { break };
                page_token = Some(token);
                let changes = random.usize(..20);
                world.change(random, changes);
            }
        }
    }
    assert!(served * 5 > asked, "{served} of {asked} pages were in an order that is kept");
}

#[tokio::test]
async fn a_token_of_a_reader_who_sees_other_rows_is_as_good_in_both_ways() {
    let random = &mut fastrand::Rng::with_seed(7);
    let mut world = World::new(vec![vec![TENANT, AMOUNT]], policies(false));
    world.change(random, 150);
    let request = |page_token| ListRequest {
        filters: Vec::new(),
        sort: vec![SortColumn { column: TENANT, descending: false }, SortColumn { column: AMOUNT, descending: false }],
        page_size: 3,
        page_token,
    };
    let (token, _) = world.page(&Caller::Daemon, request(None)).await;
    for caller in [reader("a"), reader("b")] {
        assert!(world.page(&caller, request(None)).await.1);
        world.page(&caller, request(token.clone())).await;
    }
}

#[tokio::test]
async fn rows_that_are_far_apart_are_not_visited_one_by_one() {
    let mut world = World::new(Vec::new(), policies(false));
    let rows = 20_000;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..rows)),
        Arc::new(StringArray::from_iter_values((0..rows).map(|_| "a"))),
        Arc::new(Int64Array::from_iter_values((0..rows).map(|id| id % 1000))),
    ];
    let rows = RecordBatch::try_new(world.table.spec().schema.clone(), columns).unwrap();
    world.table.apply(&ZBatch::inserts(rows)).unwrap();
    let request = |operation, page_size| ListRequest {
        filters: vec![Filter { column: AMOUNT, operation, values: vec![ScalarValue::from(900_i64)] }],
        sort: Vec::new(),
        page_size,
        page_token: None,
    };
    assert!(world.page(&Caller::Daemon, request(Operation::Gte, 50)).await.1);
    assert!(world.page(&Caller::Daemon, request(Operation::Eq, 2)).await.1);
    assert!(!world.page(&Caller::Daemon, request(Operation::Eq, 50)).await.1);
}
