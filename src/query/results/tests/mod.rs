//! Answers that are kept, asked for through the service as protocols do.

#![allow(clippy::unwrap_used)]

mod equal;
mod several;
mod single;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::SessionContext;

use super::ResultCounts;
use crate::access::{Caller, Claims, Policies, RelationPolicy, RowFilter, register_claims};
use crate::circuit::ZBatch;
use crate::config::{NodePath, Query};
use crate::progress::{Cut, Phase, Reads};
use crate::query::{
    Demand, Limits, Params, QueryError, QueryService, ReadPoint, RowBatches, Rules, SqlRequest, Streams, now_us,
};
use crate::read_model::catalog::{Catalog, Relation, RelationData, Snapshot};
use crate::read_model::table::{Table, TableSpec};

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Kept,
    Computed,
    /// Computed, without a look for what is kept.
    Apart,
}

/// Two tables of (id, tenant, total), views over them, and a service.
struct World {
    catalog: Catalog,
    service: QueryService,
    tables: BTreeMap<&'static str, Table>,
    rows: BTreeMap<(&'static str, i64), (&'static str, i64)>,
    views: BTreeMap<&'static str, &'static str>,
    position: u64,
}

const VIEWS: [(&str, &str); 3] = [
    ("large", "SELECT id, total FROM orders WHERE total >= 100"),
    ("clock", "SELECT id, now() AS at FROM orders"),
    ("above", "SELECT count(*) AS n FROM large"),
];

fn limits() -> Limits {
    Limits { result_cache_bytes: 8 << 20, ..Limits::of_tests() }
}

fn service(catalog: &Catalog, limits: Limits) -> QueryService {
    QueryService::new(catalog.clone(), limits, queries("SELECT id, total FROM orders"), Streams::default()).unwrap()
}

/// One declared query, sorted by `total`.
fn queries(sql: &str) -> Vec<Query> {
    vec![Query {
        name: "totals".to_owned(),
        params: BTreeMap::new(),
        sql: sql.to_owned(),
        sort: vec![("total".to_owned(), true)],
        page_default: 2,
        page_max: 10,
        node: NodePath::default(),
    }]
}

impl World {
    fn new() -> Self {
        Self::within(limits())
    }

    fn within(limits: Limits) -> Self {
        let table = |name: &'static str| {
            let schema = Arc::new(Schema::new(vec![
                Field::new("id", DataType::Int64, false),
                Field::new("tenant", DataType::Utf8, false),
                Field::new("total", DataType::Int64, false),
            ]));
            let spec = TableSpec { name: name.to_owned(), schema, key: vec![0], key_proven: true, indexes: vec![] };
            (name, Table::new(Arc::new(spec)).unwrap())
        };
        let catalog = Catalog::new(Snapshot::default());
        let mut world = World {
            service: service(&catalog, limits),
            catalog,
            tables: BTreeMap::from([table("orders"), table("refunds")]),
            rows: BTreeMap::new(),
            views: BTreeMap::from(VIEWS),
            position: 0,
        };
        for (id, tenant, total) in [(1, "a", 10), (2, "a", 200), (3, "b", 300), (4, "b", 40)] {
            world.set("orders", id, Some((tenant, total)));
        }
        world.set("refunds", 1, Some(("a", 5)));
        world
    }

    /// A commit in which a row becomes another one, comes or goes.
    fn set(&mut self, table: &'static str, id: i64, row: Option<(&'static str, i64)>) {
        let before = match row {
            Some(row) => self.rows.insert((table, id), row),
            None => self.rows.remove(&(table, id)),
        };
        let delta: Vec<_> = before.map(|row| (row, -1)).into_iter().chain(row.map(|row| (row, 1))).collect::<Vec<_>>();
        let written = self.tables.get_mut(table).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(delta.iter().map(|_| id))),
            Arc::new(StringArray::from_iter_values(delta.iter().map(|((tenant, _), _)| tenant))),
            Arc::new(Int64Array::from_iter_values(delta.iter().map(|((_, total), _)| *total))),
        ];
        let rows = RecordBatch::try_new(written.spec().schema.clone(), columns).unwrap();
        written
            .apply(&ZBatch::new(rows, Int64Array::from_iter_values(delta.iter().map(|(_, weight)| *weight))))
            .unwrap();
        self.commit();
    }

    /// Publishes everything at the next position.
    fn commit(&mut self) {
        self.position += 1;
        let cut = Cut { positions: BTreeMap::from([("events".into(), self.position.into())]), revision: 0 };
        let relation = |data| {
            Arc::new(Relation {
                data,
                reads: Reads::from([("events".into(), Vec::new())]),
                cut: cut.clone(),
                live_at_us: now_us(),
                phase: Phase::Serving,
                reason: None,
                parked: BTreeMap::new(),
                lost: BTreeMap::new(),
                since: BTreeMap::new(),
            })
        };
        let tables = self.tables.iter().map(|(name, table)| (*name, RelationData::table(table.snapshot())));
        let views = self.views.iter().map(|(name, sql)| (*name, RelationData::view(*sql)));
        let relations = tables.chain(views).map(|(name, data)| (name.to_owned(), relation(data))).collect();
        self.catalog.publish(Snapshot::new(cut.clone(), relations, BTreeMap::new(), BTreeMap::new()));
    }

    /// Each caller sees of the orders those of their tenant from now on.
    fn hide(&self) {
        self.service.rule(Rules { policies: own_tenant(), ..Rules::default() });
    }

    async fn ask(&self, sql: &str) -> (How, String) {
        self.ask_as(&Caller::anonymous(), sql, &[]).await
    }

    async fn ask_as(&self, caller: &Caller, sql: &str, params: &[i64]) -> (How, String) {
        let before = self.service.result_counts();
        let answer = answer(&self.service, caller, sql, params).await;
        let text = match answer {
            Ok((_, rows)) => rows.join(" "),
            Err(error) => error.to_string(),
        };
        (how(before, self.service.result_counts()), text)
    }
}

fn how(before: ResultCounts, after: ResultCounts) -> How {
    match (after.hits - before.hits, after.misses - before.misses) {
        (0, 0) => How::Apart,
        (1, 0) => How::Kept,
        (0, 1) => How::Computed,
        other => panic!("{other:?} at once"),
    }
}

async fn answer(
    service: &QueryService,
    caller: &Caller,
    sql: &str,
    params: &[i64],
) -> Result<(ReadPoint, Vec<String>), QueryError> {
    let parsed = service.parse(sql.to_owned()).await?;
    let at = service.at_sql(caller.clone(), &parsed, false, &Demand::default()).await?;
    let params = Params::Positional(params.iter().map(|value| (*value).into()).collect());
    let rows = service.sql(&at, SqlRequest { parsed, params }, all_rows).await?;
    Ok((at, rows))
}

async fn all_rows(mut batches: RowBatches) -> Result<Vec<String>, QueryError> {
    let mut rows = Vec::new();
    while let Some(batch) = batches.next().await? {
        rows.extend(shown(&batch));
    }
    Ok(rows)
}

fn shown(batch: &RecordBatch) -> Vec<String> {
    let value = |column: &ArrayRef, row| array_value_to_string(column, row).unwrap();
    let row = |row| batch.columns().iter().map(|column| value(column, row)).collect::<Vec<_>>().join(":");
    (0..batch.num_rows()).map(row).collect()
}

fn reader(claims: &[(&str, &str)]) -> Caller {
    let mut known = Claims::default();
    claims.iter().for_each(|(name, value)| known.add(*name, *value));
    Caller::Reader { claims: Arc::new(known), administers: false }
}

fn own_tenant() -> Policies {
    let mut context = SessionContext::new();
    register_claims(&mut context).unwrap();
    let state = context.state();
    let own: Expr = col("tenant").eq(state.scalar_functions()["claim"].call(vec![lit("tenant")]));
    let filters = vec![RowFilter { policy: "own".to_owned(), condition: own }];
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let relations = BTreeMap::from([
        ("orders".to_owned(), columns(&["id", "tenant", "total"])),
        ("refunds".to_owned(), columns(&["id", "tenant", "total"])),
        ("large".to_owned(), columns(&["id", "total"])),
        ("clock".to_owned(), columns(&["id", "at"])),
        ("above".to_owned(), columns(&["n"])),
    ]);
    let policy = RelationPolicy { filters, masks: BTreeMap::new() };
    Policies::new(BTreeMap::from([("orders".to_owned(), policy)]), relations, state)
}
