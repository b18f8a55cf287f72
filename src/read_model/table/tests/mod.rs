//! The table against simpler things that are obviously right: a map for its rows, DataFusion's own memory table for
//! its answers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conflicts;
mod in_order;
mod model;
mod queries;
mod values;
mod version;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::encoding::Encoding;
use super::liveness::Liveness;
use super::order::Order;
use super::segment::{Segment, View};
use super::{RowsVersion, TableSnapshot, TableSpec};
use crate::circuit::ZBatch;

impl TableSnapshot {
    /// A snapshot without a writer. The rows are taken as they are; their keys have to be distinct.
    pub(in crate::read_model) fn from_batches(spec: Arc<TableSpec>, batches: Vec<RecordBatch>) -> Self {
        let orders = Order::count(&spec);
        let views = batches.into_iter().map(|rows| View {
            liveness: Arc::new(Liveness::new(rows.num_rows())),
            segment: Arc::new(Segment::new(rows, orders)),
        });
        let views = views.collect();
        let key_encoding = Encoding::new(&spec.schema, &spec.key).unwrap();
        Self::new(spec, Arc::new(key_encoding), views, RowsVersion::next())
    }
}

/// `(tenant, id) → amount`, keyed by `(tenant, id)`, where a tenant may be NULL.
type Row = (Option<String>, i64, i64);

fn spec() -> Arc<TableSpec> {
    let schema = Schema::new(vec![
        Field::new("tenant", DataType::Utf8, true),
        Field::new("amount", DataType::Int64, false),
        Field::new("id", DataType::Int64, false),
    ]);
    Arc::new(TableSpec {
        name: "accounts".to_owned(),
        schema: Arc::new(schema),
        key: vec![2, 0],
        key_proven: false,
        indexes: vec![vec![0, 1], vec![1]],
    })
}

fn rows(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(rows.iter().map(|(tenant, _, _)| tenant.as_deref()))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, _, amount)| *amount))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, id, _)| *id))),
    ];
    RecordBatch::try_new(spec().schema.clone(), columns).unwrap()
}

fn delta(weighted: &[(Row, i64)]) -> ZBatch {
    let all: Vec<Row> = weighted.iter().map(|(row, _)| row.clone()).collect();
    ZBatch::new(rows(&all), Int64Array::from_iter_values(weighted.iter().map(|(_, weight)| *weight)))
}

fn row(tenant: &str, id: i64, amount: i64) -> Row {
    (Some(tenant.to_owned()), id, amount)
}

/// The rows of a snapshot, sorted by key.
fn content(snapshot: &TableSnapshot) -> Vec<Row> {
    let mut all: Vec<Row> = snapshot.scan().flat_map(|batch| decoded(&batch.unwrap())).collect();
    all.sort();
    all
}

fn decoded(batch: &RecordBatch) -> Vec<Row> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;
    let (tenants, amounts) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
    let ids = batch.column(2).as_primitive::<Int64Type>();
    let tenant = |row| tenants.is_valid(row).then(|| tenants.value(row).to_owned());
    (0..batch.num_rows()).map(|row| (tenant(row), ids.value(row), amounts.value(row))).collect()
}
