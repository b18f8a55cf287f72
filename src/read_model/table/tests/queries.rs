//! SQL over a snapshot against the same SQL over a memory table, and which way to the rows each query takes.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::super::{Table, TableSnapshot, TableSpec};
use super::{Row, delta, row, rows, spec};

/// 3000 rows, a third of them changed and some deleted afterwards, so that there are several segments with dead rows.
fn table(spec: Arc<TableSpec>) -> (TableSnapshot, Vec<Row>) {
    let mut table = Table::with_segment_rows(spec, 512).unwrap();
    let mut all: Vec<Row> = (0..3000).map(|id| row(["a", "b", "ab", "c"][id as usize % 4], id, id % 50)).collect();
    all.iter_mut().filter(|row| row.1 % 10 == 3).for_each(|row| row.0 = None);
    for part in all.chunks(100) {
        table.apply(&delta(&part.iter().map(|row| (row.clone(), 1)).collect::<Vec<_>>())).unwrap();
    }
    let mut changed: Vec<(Row, i64)> = Vec::new();
    for row in all.iter_mut().filter(|row| row.1 % 3 == 0) {
        changed.push((row.clone(), -1));
        row.2 += 7;
        changed.push((row.clone(), 1));
    }
    changed.extend(all.extract_if(.., |row| row.1 % 11 == 0).map(|row| (row, -1)));
    // A changed row that is deleted as well has -1 +1 -1: only the first remains.
    table.apply(&delta(&changed)).unwrap();
    (table.snapshot(), all)
}

fn context(spec: Arc<TableSpec>) -> SessionContext {
    let (snapshot, all) = table(spec.clone());
    let config = SessionConfig::new().with_target_partitions(2).with_batch_size(8192);
    let context = SessionContext::new_with_config(config);
    context.register_table("accounts", snapshot.provider().unwrap()).unwrap();
    let memory = MemTable::try_new(spec.schema.clone(), vec![vec![rows(&all)]]).unwrap();
    context.register_table("memory", Arc::new(memory)).unwrap();
    context
}

async fn answer(context: &SessionContext, sql: &str) -> String {
    let batches: Vec<RecordBatch> = context.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

async fn access(context: &SessionContext, sql: &str) -> String {
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let shown = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    let access = shown.split_once("access=").map_or("none", |(_, rest)| rest);
    access.split_once(", projection").map_or(access, |(access, _)| access).to_owned()
}

const KEY: &str = "key (id, tenant)";
const BY_TENANT: &str = "index (tenant, amount)";
const BY_AMOUNT: &str = "index (amount)";
const ALL: &str = "every row";

#[tokio::test]
async fn answers_equal_those_of_a_memory_table() {
    let context = context(spec());
    let cases = [
        ("TRUE", ALL),
        ("id = 17 AND tenant = 'b'", KEY),
        ("tenant = 'b' AND 17 = id AND amount > 3", KEY),
        ("id = 13 AND tenant IS NULL", KEY),
        ("id IN (1, 2, 5, 6, 9, 10, 1) AND tenant IN ('a', 'b', 'ab', 'zz')", KEY),
        ("id IN (1, 2) AND tenant = 'b'", KEY),
        ("(id = 1 OR id = 5) AND tenant = 'b'", KEY),
        ("(id = 1 OR id = NULL) AND tenant = 'b'", BY_TENANT),
        ("id = 17 AND tenant = 'b' AND tenant IN ('a', 'c', 'x', 'y', 'b')", KEY),
        ("id = 17", ALL),
        ("id = 17 OR tenant = 'b'", ALL),
        ("tenant = 'a'", BY_TENANT),
        ("tenant IS NULL", BY_TENANT),
        ("tenant IS NOT DISTINCT FROM 'c'", BY_TENANT),
        ("tenant = 'a' AND amount = 12", BY_TENANT),
        ("tenant IN ('a', 'ab') AND amount IN (10, 11, 12, 13, 14)", BY_TENANT),
        ("tenant = 'a' AND amount >= 12 AND amount < 30", BY_TENANT),
        ("tenant = 'ab' AND amount > 12 AND amount <= 30 AND id % 2 = 0", BY_TENANT),
        ("tenant = 'a' AND amount BETWEEN 5 AND 5", BY_TENANT),
        ("tenant = 'a' AND amount > 30 AND amount < 12", BY_TENANT),
        ("tenant < 'ab'", BY_TENANT),
        ("tenant > 'a' AND tenant <= 'b'", BY_TENANT),
        ("amount = 12", BY_AMOUNT),
        ("amount IN (1, 3, 5, 7, 99)", BY_AMOUNT),
        ("amount > 52", BY_AMOUNT),
        ("amount <> 12", ALL),
        ("amount NOT IN (1, 2, 3, 4, 5)", ALL),
        ("tenant LIKE 'a%'", ALL),
        ("amount + 1 = 12", ALL),
    ];
    for (filter, way) in cases {
        for columns in ["*", "amount", "id, tenant"] {
            let sql = |table| format!("SELECT {columns} FROM {table} WHERE {filter} ORDER BY id, tenant");
            assert_eq!(answer(&context, &sql("accounts")).await, answer(&context, &sql("memory")).await, "{filter}");
            let taken = access(&context, &sql("accounts")).await;
            assert!(taken.starts_with(way), "{filter}: {taken}");
        }
        let sql = |table| format!("SELECT count(*), sum(amount) AS amount FROM {table} WHERE {filter}");
        assert_eq!(answer(&context, &sql("accounts")).await, answer(&context, &sql("memory")).await, "{filter}");
        let sql = |table| format!("SELECT count(*) FROM (SELECT id FROM {table} WHERE {filter} LIMIT 7)");
        assert_eq!(
            answer(&context, &sql("accounts")).await,
            answer(&context, &sql("memory")).await,
            "{filter} LIMIT 7"
        );
    }
}

#[tokio::test]
async fn joins_and_groups_equal_those_of_a_memory_table() {
    let context = context(Arc::new(TableSpec { key_proven: false, ..spec().as_ref().clone() }));
    for sql in [
        "SELECT a.id, b.amount FROM $ a JOIN $ b ON a.id = b.amount WHERE b.tenant = 'a' AND a.tenant = 'b' ORDER BY 1, 2",
        "SELECT tenant, amount, count(*) FROM $ WHERE amount < 20 GROUP BY tenant, amount ORDER BY 1, 2",
        "SELECT count(*) FROM $",
        "SELECT count(*) FROM $ WHERE tenant = (SELECT min(tenant) FROM $)",
        "SELECT DISTINCT tenant FROM $ ORDER BY 1 LIMIT 2 OFFSET 1",
    ] {
        let expected = answer(&context, &sql.replace('$', "memory")).await;
        assert_eq!(answer(&context, &sql.replace('$', "accounts")).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn many_combinations_are_scanned_instead() {
    let context = context(spec());
    let list = |count: usize| (0..count).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
    let sql = |table: &str, count| {
        let tenants = list(count).replace(", ", "', '");
        format!("SELECT count(*) FROM {table} WHERE id IN ({}) AND tenant IN ('a', '{tenants}')", list(count))
    };
    assert!(access(&context, &sql("accounts", 90)).await.starts_with(KEY));
    assert!(!access(&context, &sql("accounts", 200)).await.starts_with(KEY));
    for count in [90, 200] {
        assert_eq!(answer(&context, &sql("accounts", count)).await, answer(&context, &sql("memory", count)).await);
    }
}

#[tokio::test]
async fn large_tables_are_scanned_in_partitions() {
    let part = |start: i64| rows(&(start..start + 50_000).map(|id| (None, id, id % 7)).collect::<Vec<_>>());
    let snapshot = TableSnapshot::from_batches(spec(), (0..12).map(|place| part(place * 50_000)).collect());
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    context.register_table("accounts", snapshot.provider().unwrap()).unwrap();
    let scan = snapshot.provider().unwrap().scan(&context.state(), Some(&vec![]), &[], None).await.unwrap();
    assert_eq!(scan.properties().partitioning.partition_count(), 2);
    let sum: i64 = (0..600_000).map(|id| id % 7).sum();
    let sql = "SELECT count(id) AS ids, sum(amount) AS amount FROM accounts";
    assert!(answer(&context, sql).await.contains(&format!("| 600000 | {sum} |")));
    let sql = "SELECT count(*) AS rows FROM (SELECT id % 2 AS odd FROM accounts LIMIT 300000)";
    assert!(answer(&context, sql).await.contains("| 300000 |"));
}

#[tokio::test]
async fn only_a_proven_key_is_a_constraint() {
    let (snapshot, _) = table(spec());
    assert!(snapshot.provider().unwrap().constraints().is_none());
    let proven = Arc::new(TableSpec { key_proven: true, ..spec().as_ref().clone() });
    let (snapshot, all) = table(proven);
    let provider = snapshot.provider().unwrap();
    assert_eq!(provider.constraints().unwrap().len(), 1);
    assert_eq!(provider.statistics().unwrap().num_rows.get_value(), Some(&all.len()));
}

/// One row a day, of columns of many types.
fn typed() -> RecordBatch {
    use arrow::array::*;
    use arrow::datatypes::{Field, Schema};
    let days = 0..200;
    let price = Decimal128Array::from_iter_values(days.clone().map(|day| i128::from(day) * 50));
    let due_at = days.clone().map(|day| i64::from(20_000 + day) * 86_400_000_000);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("day", Arc::new(Date32Array::from_iter_values(days.clone().map(|day| 20_000 + day)))),
        ("small", Arc::new(Int32Array::from_iter(days.clone().map(|day| (day % 7 > 0).then_some(day % 20))))),
        ("active", Arc::new(BooleanArray::from_iter(days.clone().map(|day| (day % 5 > 0).then_some(day % 3 == 0))))),
        ("score", Arc::new(Float64Array::from_iter_values(days.map(|day| f64::from(day % 9) / 2.0 - 1.0)))),
        ("price", Arc::new(price.with_precision_and_scale(18, 2).unwrap())),
        ("due_at", Arc::new(TimestampMicrosecondArray::from_iter_values(due_at).with_timezone("UTC"))),
    ];
    let fields: Vec<Field> = columns.iter().map(|(n, array)| Field::new(*n, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

#[tokio::test]
async fn literals_of_sql_find_columns_of_every_type() {
    let rows = typed();
    let (name, schema) = ("typed".to_owned(), rows.schema());
    let indexes = (1..6).map(|column| vec![column]).collect();
    let spec = Arc::new(TableSpec { name, schema, key: vec![0], key_proven: true, indexes });
    let mut table = Table::with_segment_rows(spec.clone(), 64).unwrap();
    table.apply(&crate::circuit::ZBatch::inserts(rows.clone())).unwrap();
    let context = SessionContext::new();
    context.register_table("accounts", table.snapshot().provider().unwrap()).unwrap();
    let memory = MemTable::try_new(spec.schema.clone(), vec![vec![rows]]).unwrap();
    context.register_table("memory", Arc::new(memory)).unwrap();
    let cases = [
        ("day = '2024-11-01'", "key (day), 1 values"),
        ("day IN ('2024-11-01', '2024-11-02', '2030-01-01', '2024-10-30')", "key (day), 4 values"),
        ("small = 6", "index (small), 1 ranges"),
        ("small < 3", "index (small), 1 ranges"),
        ("small IS NULL", "index (small), 1 ranges"),
        ("active", "index (active), 1 ranges"),
        ("NOT active", "index (active), 1 ranges"),
        ("active IS NULL", "index (active), 1 ranges"),
        ("score = 1.5", "index (score), 1 ranges"),
        ("score > 0 AND score <= 2", "index (score), 1 ranges"),
        ("score = '-0.0'::double", "every row"),
        ("score < 'NaN'::double", "every row"),
        ("price = 25.50", "index (price), 1 ranges"),
        ("price >= 25 AND price < 30.5", "index (price), 1 ranges"),
        ("due_at = '2024-11-01T00:00:00Z'", "index (due_at), 1 ranges"),
        ("due_at > timestamp '2024-11-01T12:00:00Z'", "index (due_at), 1 ranges"),
    ];
    for (filter, way) in cases {
        let sql = |table| format!("SELECT * FROM {table} WHERE {filter} ORDER BY day");
        assert_eq!(answer(&context, &sql("accounts")).await, answer(&context, &sql("memory")).await, "{filter}");
        let taken = access(&context, &sql("accounts")).await;
        assert_eq!(taken, way, "{filter}");
    }
}

#[test]
fn equality_on_the_whole_key_or_the_start_of_an_index_is_served() {
    let (snapshot, _) = table(spec());
    let served = [&[2, 0][..], &[0], &[1], &[0, 2], &[1, 2]].map(|columns| snapshot.serves(columns));
    assert_eq!(served, [true; 5]);
    assert!(!snapshot.serves(&[2]) && !snapshot.serves(&[]));
}

#[test]
fn a_snapshot_of_batches_answers_like_a_table() {
    let (snapshot, all) = table(spec());
    let halves = all.chunks(1500).map(rows).collect();
    let other = TableSnapshot::from_batches(spec(), halves);
    assert_eq!(other.num_rows(), snapshot.num_rows());
    assert_eq!(other.checksum().unwrap(), snapshot.checksum().unwrap());
    let key = ["17".parse::<i64>().unwrap().into(), "b".into()];
    assert_eq!(other.get(&key).unwrap(), snapshot.get(&key).unwrap());
    assert!(snapshot.get(&key).unwrap().is_some());
    assert!(snapshot.get(&key[..1]).unwrap_err().to_string().contains("has 2 columns, but 1 values came"));
}
